"""The density that is approximated: log likelihood plus log prior of `theta`."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from pvi_hpc.cost import SimulationCount

__all__ = ["NoTarget", "Target", "TargetValue", "surviving"]

Shots = tuple[int, ...]


@dataclass(frozen=True)
class TargetValue:
    """Log densities `(S,)`, their summed gradient by `theta` `(S, n)`, misfit and cost.

    All float64, whatever the dtype of `theta`.
    """

    log_likelihood: Tensor
    log_prior: Tensor
    gradient: Tensor
    chi_squared: Tensor
    count: SimulationCount

    def only(self, kept: Tensor) -> "TargetValue":
        """Return the value at the samples `kept`, indices `(K,)`."""
        return replace(
            self,
            log_likelihood=self.log_likelihood[kept],
            log_prior=self.log_prior[kept],
            gradient=self.gradient[kept],
            chi_squared=self.chi_squared[kept],
        )


class Target(Protocol):
    """An unnormalised log density of `theta`."""

    def batches(self, iteration: int, n: int) -> Sequence[Shots]:
        """Return the shots that the `n` samples of an iteration are compared with."""
        ...

    def value(self, theta: Tensor, batches: Sequence[Shots] | None = None) -> TargetValue:
        """Evaluate at `theta` `(S, n)`, with a batch each or all shots."""
        ...


class NoTarget:
    """Stands for a target where nothing is evaluated, as in a check of settings."""

    def batches(self, iteration: int, n: int) -> Sequence[Shots]:
        """Return no shots."""
        return [()] * n

    def value(self, theta: Tensor, batches: Sequence[Shots] | None = None) -> TargetValue:
        """Refuse: there is no density."""
        raise NotImplementedError("a target is needed to evaluate a log density")


def surviving(value: TargetValue, *, paired: bool) -> Tensor:
    """Return the indices `(K,)` of the samples to average over.

    A dropped sample has a likelihood that is NaN. Of an antithetic pair (samples `2 p` and
    `2 p + 1`) the other one goes too: alone, it would bring back the noise that the pair
    cancels. Where that leaves nothing, the single ones serve.
    """
    good = ~value.log_likelihood.isnan()
    if paired:
        pairs = good.reshape(-1, 2).all(dim=1).repeat_interleave(2)
        good = pairs if bool(pairs.any()) else good
    return torch.nonzero(good)[:, 0]
