"""A family with heavier tails than a Gaussian, written from the protocol alone."""

from collections.abc import Mapping
from math import log
from typing import ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, PositiveFloat
from torch import Tensor

from pvi_hpc.families.family import LOCATION, Parameters, autograd_pullback
from pvi_hpc.numerics.standard_normal import log_density
from pvi_hpc.plugins import Settings

__all__ = ["HeavyTailed"]


class TailOptions(Settings):
    """Options of `heavy_tailed`."""

    tail: PositiveFloat = Field(
        0.3,
        description="Growth of the tails: near 0 they are those of a Gaussian.",
        json_schema_extra={"unit": "1"},
    )


class HeavyTailed:
    """Independent cells with heavy tails, `theta = mu + sd * sinh(tail * eps) / tail`.

    Parameters are `mu` and `log_sd` `(n,)`.
    """

    Options: ClassVar[type[Settings]] = TailOptions

    def __init__(self, n: int, tail: float) -> None:
        self.n, self.tail = n, tail
        self.step_scales: Mapping[str, float] = {}

    @classmethod
    def from_options(cls, active: NDArray[np.bool_], options: TailOptions) -> Self:
        """Return the family of the `active` cells of a grid `(nz, ny, nx)`."""
        return cls(int(active.sum()), options.tail)

    def initial(self, mean: Tensor, sd: float) -> Parameters:
        """Return the parameters of independent cells, `mean` `(n,)` and one sd."""
        return self.independent(mean, torch.full_like(mean, log(sd)))

    def independent(self, mean: Tensor, log_sd: Tensor) -> Parameters:
        """Return the parameters of independent cells, `mean` and `log_sd` `(n,)`."""
        return {LOCATION: mean.detach().clone(), "log_sd": log_sd.to(mean.dtype, copy=True)}

    def sample(self, parameters: Parameters, eps: Tensor) -> Tensor:
        """Return `theta` `(S, n)` of `eps` `(S, n)`, differentiable by the parameters."""
        bent = torch.sinh(self.tail * eps) / self.tail
        return parameters[LOCATION] + parameters["log_sd"].exp() * bent

    def pullback(self, parameters: Parameters, eps: Tensor, cotangent: Tensor) -> Parameters:
        """Return the gradient of `sum(cotangent * sample(eps))` by each parameter."""
        return autograd_pullback(self, parameters, eps, cotangent)

    def standardise(self, parameters: Parameters, theta: Tensor) -> Tensor:
        """Return the `eps` `(S, n)` that `sample` maps to `theta` `(S, n)`."""
        scaled = (theta.detach() - parameters[LOCATION]) / parameters["log_sd"].exp()
        return torch.asinh(self.tail * scaled) / self.tail

    def score(self, parameters: Parameters, eps: Tensor) -> Tensor:
        """Return the gradient `(S, n)` of `log q` by `theta` at `sample(eps)`."""
        by_eps = -eps - self.tail * torch.tanh(self.tail * eps)
        return by_eps / (parameters["log_sd"].exp() * torch.cosh(self.tail * eps))

    def log_q(self, parameters: Parameters, eps: Tensor) -> Tensor:
        """Return `log q` `(S,)` at `sample(eps)`."""
        slope = parameters["log_sd"] + torch.log(torch.cosh(self.tail * eps))
        return log_density(eps) - slope.sum(dim=1)

    def log_prob(self, parameters: Parameters, theta: Tensor) -> Tensor:
        """Return `log q` `(S,)` at any `theta` `(S, n)`."""
        return self.log_q(parameters, self.standardise(parameters, theta))

    def entropy_gradient(self, parameters: Parameters, eps: Tensor) -> Parameters:
        """Return the gradient of `-mean(log_q(eps))`: 1 by each `log_sd`."""
        return {"log_sd": torch.ones_like(parameters["log_sd"])}
