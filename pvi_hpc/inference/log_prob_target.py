"""A user's own log density as a target."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import torch
from torch import Tensor

from pvi_hpc.cost import SimulationCount
from pvi_hpc.errors import ConfigError
from pvi_hpc.inference.target import TargetValue

__all__ = ["LogProb", "LogProbTarget"]

#: Takes `theta` `(S, n)` float64, returns the log density `(S,)`, differentiable by torch.
LogProb: TypeAlias = Callable[[Tensor], Tensor]


class LogProbTarget:
    """The density `exp(log_prob)`, up to a constant; each evaluation of a sample is counted."""

    def __init__(self, log_prob: LogProb) -> None:
        self.log_prob = log_prob
        #: Number of samples evaluated so far.
        self.evaluations = 0

    def batches(self, iteration: int, n: int) -> Sequence[tuple[int, ...]]:
        """Return no shots: there are none."""
        return [()] * n

    def value(
        self, theta: Tensor, batches: Sequence[tuple[int, ...]] | None = None
    ) -> TargetValue:
        """Evaluate at `theta` `(S, n)`, all as `log_likelihood`.

        Raises
        ------
        ConfigError
            If `log_prob` returns no tensor `(S,)` that depends on `theta`.
        """
        # The caller may have switched gradients off: here they are needed.
        with torch.inference_mode(False), torch.enable_grad():
            plain = theta.clone() if theta.is_inference() else theta
            return self._value(plain.detach().double().requires_grad_())

    def _value(self, leaf: Tensor) -> TargetValue:
        self.evaluations += len(leaf)
        found = self.log_prob(leaf)
        if not isinstance(found, Tensor) or found.shape != leaf.shape[:1]:
            got = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
            raise ConfigError(
                f"'log_prob' must return a torch tensor of shape ({len(leaf)},), one log "
                f"density for each row of theta {tuple(leaf.shape)}, got {got}."
            )
        if not found.requires_grad:
            raise ConfigError(
                "'log_prob' must be differentiable: compute it from theta with torch, without "
                "'detach', 'numpy' or 'no_grad'; for a gradient of your own, write a "
                "torch.autograd.Function."
            )
        (gradient,) = torch.autograd.grad(found.sum(), leaf)
        density = found.detach().double()
        return TargetValue(
            log_likelihood=density,
            log_prior=torch.zeros_like(density),
            gradient=gradient,
            chi_squared=torch.full_like(density, torch.nan),
            count=SimulationCount(done=len(leaf)),
        )
