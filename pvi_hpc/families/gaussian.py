"""What Gaussian families share: `theta = mu + L eps` with `diag(L) = exp(log_sd)`."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from math import log
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pvi_hpc.families.family import Parameters
from pvi_hpc.families.pullback import autograd_pullback
from pvi_hpc.reproducible import exp, row_sums, sum_samples
from pvi_hpc.standard_normal import HALF_LOG_2PI, log_density

__all__ = ["GaussianFamily", "location_scale"]


class GaussianFamily(ABC):
    """Base of families whose `L` is triangular with diagonal `exp(log_sd)`; `n` cells."""

    def __init__(self, n: int) -> None:
        self.n = n
        self.step_scales: Mapping[str, float] = {}

    @classmethod
    @abstractmethod
    def from_options(cls, active: NDArray[np.bool_], options: Mapping[str, Any]) -> Self:
        """Return the family of the `active` cells of a grid `(nz, ny, nx)`."""

    def initial(self, mean: Tensor, sd: float) -> Parameters:
        """Return the parameters of independent cells, `mean` `(n,)` and one sd."""
        log_sd = torch.full((self.n,), log(sd), dtype=mean.dtype)
        return {"mu": mean.detach().clone(), "log_sd": log_sd}

    @abstractmethod
    def sample(self, parameters: Parameters, eps: Tensor) -> Tensor:
        """Return `theta` `(S, n)` of `eps` `(S, n)`, differentiable by the parameters."""

    def pullback(self, parameters: Parameters, eps: Tensor, cotangent: Tensor) -> Parameters:
        """Return the gradient of `sum(cotangent * sample(eps))` by each parameter."""
        return autograd_pullback(self, parameters, eps, cotangent)

    @abstractmethod
    def standardise(self, parameters: Parameters, theta: Tensor) -> Tensor:
        """Return the `eps` `(S, n)` that `sample` maps to `theta` `(S, n)`."""

    @abstractmethod
    def score(self, parameters: Parameters, eps: Tensor) -> Tensor:
        """Return `-L^{-T} eps` `(S, n)`, the gradient of `log q` by `theta`."""

    @abstractmethod
    def sd(self, parameters: Parameters) -> Tensor:
        """Return the marginal standard deviations of `theta` `(n,)`."""

    def log_q(self, parameters: Parameters, eps: Tensor) -> Tensor:
        """Return `log q` `(S,)` at `sample(eps)`; needs no solve."""
        return log_density(eps) - row_sums(parameters["log_sd"][None])

    def log_prob(self, parameters: Parameters, theta: Tensor) -> Tensor:
        """Return `log q` `(S,)` at any `theta` `(S, n)`."""
        return self.log_q(parameters, self.standardise(parameters, theta))

    def entropy(self, parameters: Parameters) -> float:
        """Return `-E[log q] = n / 2 (1 + log 2 pi) + log det L`."""
        log_det = float(row_sums(parameters["log_sd"][None]))
        return self.n * (0.5 + HALF_LOG_2PI) + log_det

    def entropy_gradient(self, parameters: Parameters, eps: Tensor) -> Parameters:
        """Return the gradient of `entropy`, whatever `eps`: 1 for every `log_sd`."""
        return {"log_sd": torch.ones_like(parameters["log_sd"])}

    def mean(self, parameters: Parameters) -> Tensor:
        """Return the mean of `theta` `(n,)`."""
        return parameters["mu"].detach()


def location_scale(parameters: Parameters, eps: Tensor) -> Tensor:
    """Return `mu + exp(log_sd) * eps` `(S, n)`, differentiable by `mu` and `log_sd`."""
    arguments = parameters["mu"], parameters["log_sd"], eps
    theta: Tensor = _LocationScale.apply(*arguments)  # type: ignore[no-untyped-call]
    return theta


class _LocationScale(torch.autograd.Function):
    """Written out because torch's own backward sums the samples in no fixed order."""

    @staticmethod
    def forward(ctx: Any, mu: Tensor, log_sd: Tensor, eps: Tensor) -> Tensor:
        sd = exp(log_sd)
        ctx.save_for_backward(sd, eps)
        return mu + sd * eps

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None]:
        sd, eps = ctx.saved_tensors
        return sum_samples(gradients[0]), sd * sum_samples(gradients[0] * eps), None
