"""Base of the Gaussian families: `theta = mu + L eps`, with `L` any square root.

A family says how to multiply with `L`, how to solve with it, and how `L eps` changes with its
parameters; samples, densities, scores and gradients follow. All products are written out,
because torch's own would sum over cells and samples in an order that depends on threads.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from math import log
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pvi_hpc.families.capabilities import PrecisionPart
from pvi_hpc.families.family import LOCATION, Parameters
from pvi_hpc.families.gaussian.precision import Precision
from pvi_hpc.numerics.reproducible import row_sums, sum_samples
from pvi_hpc.numerics.standard_normal import HALF_LOG_2PI, log_density
from pvi_hpc.plugins import Settings

__all__ = ["GaussianFamily"]


class GaussianFamily(ABC):
    """Base of Gaussian families of `n` cells; `x` below is `(S, n)`.

    Parameters are `mu` `(n,)`, `log_sd` `(n,)` whose sum is `log det` of the sparse part of
    `L`, and what a family adds.
    """

    #: Model of the options that `from_options` is given.
    Options: ClassVar[type[Settings]]

    def __init__(self, n: int) -> None:
        self.n = n
        self.step_scales: Mapping[str, float] = {}

    def __repr__(self) -> str:
        """Name the family and the number of its unknowns."""
        return f"<{type(self).__name__} family of {self.n} unknowns>"

    @classmethod
    @abstractmethod
    def from_options(cls, active: NDArray[np.bool_], options: Any) -> Self:
        """Return the family of the `active` cells of a grid `(nz, ny, nx)`."""

    def initial(self, mean: Tensor, sd: float) -> Parameters:
        """Return the parameters of independent cells, `mean` `(n,)` and one sd."""
        return self.independent(mean, torch.full((self.n,), log(sd), dtype=mean.dtype))

    def independent(self, mean: Tensor, log_sd: Tensor) -> Parameters:
        """Return the parameters of independent cells, `mean` and `log_sd` `(n,)`."""
        return {LOCATION: mean.detach().clone(), "log_sd": log_sd.to(mean.dtype, copy=True)}

    @property
    @abstractmethod
    def reads(self) -> PrecisionPart:
        """Part of a precision that `informed` reads where there are many unknowns."""

    @abstractmethod
    def informed(self, mean: Tensor, precision: Precision) -> Parameters:
        """Return the parameters nearest to `N(mean, precision^{-1})`, `mean` `(n,)`."""

    @abstractmethod
    def apply(self, parameters: Parameters, x: Tensor) -> Tensor:
        """Return `L x`, without gradient."""

    @abstractmethod
    def apply_transposed(self, parameters: Parameters, x: Tensor) -> Tensor:
        """Return `L^T x`, without gradient."""

    @abstractmethod
    def solve(self, parameters: Parameters, x: Tensor) -> Tensor:
        """Return `L^{-1} x`, without gradient."""

    @abstractmethod
    def solve_transposed(self, parameters: Parameters, x: Tensor) -> Tensor:
        """Return `L^{-T} x`, without gradient."""

    @abstractmethod
    def factor_pullback(
        self, parameters: Parameters, eps: Tensor, cotangent: Tensor
    ) -> Parameters:
        """Return the gradient of `sum(cotangent * L eps)` by every parameter of `L`."""

    @abstractmethod
    def sd(self, parameters: Parameters) -> Tensor:
        """Return the marginal standard deviations of `theta` `(n,)`."""

    def log_det(self, parameters: Parameters) -> float:
        """Return `log det L`."""
        return float(row_sums(parameters["log_sd"][None]))

    def log_det_gradient(self, parameters: Parameters) -> Parameters:
        """Return the gradient of `log_det` by the parameters that change it."""
        return {"log_sd": torch.ones_like(parameters["log_sd"])}

    def sample(self, parameters: Parameters, eps: Tensor) -> Tensor:
        """Return `theta` `(S, n)` of `eps` `(S, n)`, differentiable by parameters and `eps`."""
        names, values = tuple(parameters), tuple(parameters.values())
        theta: Tensor = _Sample.apply(self, names, eps, *values)  # type: ignore[no-untyped-call]
        return theta

    def pullback(self, parameters: Parameters, eps: Tensor, cotangent: Tensor) -> Parameters:
        """Return the gradient of `sum(cotangent * sample(parameters, eps))` by parameters."""
        by_factor = self.factor_pullback(parameters, eps.detach(), cotangent)
        return {LOCATION: sum_samples(cotangent), **by_factor}

    def standardise(self, parameters: Parameters, theta: Tensor) -> Tensor:
        """Return the `eps` `(S, n)` that `sample` maps to `theta` `(S, n)`."""
        return self.solve(parameters, theta.detach() - self.mean(parameters))

    def score(self, parameters: Parameters, eps: Tensor) -> Tensor:
        """Return `-L^{-T} eps` `(S, n)`, the gradient of `log q` by `theta`."""
        return -self.solve_transposed(parameters, eps.detach())

    def log_q(self, parameters: Parameters, eps: Tensor) -> Tensor:
        """Return `log q` `(S,)` at `sample(eps)`; needs no solve."""
        return log_density(eps) - self.log_det(parameters)

    def log_prob(self, parameters: Parameters, theta: Tensor) -> Tensor:
        """Return `log q` `(S,)` at any `theta` `(S, n)`."""
        return self.log_q(parameters, self.standardise(parameters, theta))

    def entropy(self, parameters: Parameters) -> float:
        """Return `-E[log q] = n / 2 (1 + log 2 pi) + log det L`."""
        return self.n * (0.5 + HALF_LOG_2PI) + self.log_det(parameters)

    def entropy_gradient(self, parameters: Parameters, eps: Tensor) -> Parameters:
        """Return the gradient of `entropy`, exact and the same for every `eps`."""
        return self.log_det_gradient(parameters)

    def natural_mean(self, parameters: Parameters, gradient: Tensor) -> Tensor:
        """Return the natural gradient `L L^T g` `(n,)` of the mean for its `gradient` `g`."""
        back = self.apply_transposed(parameters, gradient[None])
        return self.apply(parameters, back)[0]

    def mean(self, parameters: Parameters) -> Tensor:
        """Return the mean of `theta` `(n,)`."""
        return parameters[LOCATION].detach()


class _Sample(torch.autograd.Function):
    """`mu + L eps` with the family's own derivatives."""

    @staticmethod
    def forward(
        ctx: Any, family: GaussianFamily, names: tuple[str, ...], eps: Tensor, *values: Tensor
    ) -> Tensor:
        ctx.family, ctx.names = family, names
        ctx.save_for_backward(eps, *values)
        parameters = dict(zip(names, values, strict=True))
        return values[names.index(LOCATION)] + family.apply(parameters, eps)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Any, ...]:
        eps, *values = ctx.saved_tensors
        family, parameters = ctx.family, dict(zip(ctx.names, values, strict=True))
        by_eps = ctx.needs_input_grad[2]
        back = family.apply_transposed(parameters, gradients[0]) if by_eps else None
        found = family.pullback(parameters, eps, gradients[0])
        return None, None, back, *(found[name] for name in ctx.names)
