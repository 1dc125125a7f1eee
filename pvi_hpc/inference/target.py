"""The density that is approximated: log likelihood plus log prior of `theta`."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pvi_hpc.cost import SimulationCount

__all__ = [
    "NoTarget",
    "NoiseRows",
    "NoiseTarget",
    "ShotTarget",
    "Target",
    "TargetValue",
    "surviving",
]

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


@runtime_checkable
class ShotTarget(Target, Protocol):
    """Capability of a target whose likelihood is a sum over shots."""

    @property
    def n_shots(self) -> int:
        """Number of shots."""
        ...

    def stratum(self, step: int, shots: int) -> Shots:
        """Return the shots of a step that takes `shots` of them, all in turn.

        Steps 0, 1, ... deal out one random permutation of the shots after another; what is
        left of a permutation, fewer than `shots`, is not used.
        """
        ...


@dataclass(frozen=True)
class NoiseRows:
    """Gradients of noise by `theta`, `(S, n)` float64, and what they cost."""

    rows: Tensor
    count: SimulationCount


@runtime_checkable
class NoiseTarget(ShotTarget, Protocol):
    """Capability of a target that gives random vectors with the covariance of its curvature."""

    @property
    def active(self) -> NDArray[np.bool_]:
        """Grid `(nz, ny, nx)` of the unknown cells."""
        ...

    @property
    def whitened(self) -> bool:
        """True where the prior of `theta` is `N(0, I)`."""
        ...

    def prior_precision(self, theta: Tensor) -> Tensor:
        """Return the prior's precision times `theta` `(S, n)`; `theta` itself if whitened."""
        ...

    def noise_rows(self, theta: Tensor, shots: Shots, keys: Sequence[int]) -> NoiseRows:
        """Return `g` for each row of `theta` `(S, n)`, its shot, and each key, `(S K, n)`.

        `E[g g^T]` is the Gauss-Newton Hessian of the misfit of that shot at that `theta`.
        """
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
