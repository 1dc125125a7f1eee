"""The density that a new component of a mixture is fitted to: `p g / q`."""

from collections.abc import Sequence
from dataclasses import replace
from math import log

from torch import Tensor

from pvi_hpc.families.family import Parameters
from pvi_hpc.families.mixture import LOG_WEIGHTS, Mixture
from pvi_hpc.inference.target import Shots, Target, TargetValue

__all__ = ["BoostedTarget"]


class BoostedTarget:
    """`log p + log g - log q` with `q = (1 - 1/(t+1)) q_before + 1/(t+1) g`; `p` for `t = 0`.

    `g` is component `t` of the mixture's parameters as they are when `value` is called, and
    is held fixed there. Remembers what it was last asked.

    Parameters
    ----------
    target
        `p`.
    mixture, parameters
        `q_before` and, as component `t`, `g`.
    t
        Number of components before.
    offset
        Iterations before those of this component, so that its shots are its own.
    """

    theta: Tensor
    log_p: Tensor
    log_prior: Tensor
    log_q: Tensor

    def __init__(
        self, target: Target, mixture: Mixture, parameters: Parameters, t: int, offset: int
    ) -> None:
        self.target, self.mixture, self.t, self.offset = target, mixture, t, offset
        self.parameters = parameters

    def batches(self, iteration: int, n: int) -> Sequence[Shots]:
        """Return the shots that the `n` samples of an iteration are compared with."""
        return self.target.batches(self.offset + iteration, n)

    def value(self, theta: Tensor, batches: Sequence[Shots] | None = None) -> TargetValue:
        """Evaluate at `theta` `(S, n)`, with a batch each or all shots."""
        value = self.target.value(theta, batches)
        self.theta, self.log_prior = theta.detach(), value.log_prior
        self.log_p = value.log_likelihood + value.log_prior
        if self.t == 0:
            return value
        weights = self.parameters[LOG_WEIGHTS].clone()
        weights[: self.t] += log(self.t / (self.t + 1))
        weights[self.t] = -log(self.t + 1)
        mixed = {**self.parameters, LOG_WEIGHTS: weights}
        self.log_q, by_mixture = self.mixture.score(mixed, theta)
        component, family = self.mixture.component(self.parameters, self.t), self.mixture.family
        by_component = family.score(component, family.standardise(component, theta))
        log_g = family.log_prob(component, theta)
        return replace(
            value,
            log_prior=value.log_prior + log_g - self.log_q,
            gradient=value.gradient + by_component - by_mixture,
        )
