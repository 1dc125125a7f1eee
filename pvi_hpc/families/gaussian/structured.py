"""PSVI: each cell is correlated with its neighbours (Zhao & Curtis 2024, JGR 129(11))."""

from collections.abc import Mapping

import torch
from torch import Tensor

from pvi_hpc.families.family import LOCATION, Draw, Parameters
from pvi_hpc.families.gaussian.column_optimum import column_optimum
from pvi_hpc.families.gaussian.grid_family import GridFamily
from pvi_hpc.families.gaussian.precision import Precision
from pvi_hpc.families.gaussian.sparse_natural import sparse_natural
from pvi_hpc.numerics.reproducible import exp, log, sum_samples
from pvi_hpc.numerics.update_kernels import AdamStep, Moments

__all__ = ["Structured"]


class Structured(GridFamily):
    """Gaussian with couplings between each cell and its neighbours (PSVI).

    `theta = mu + exp(log_sd) * eps + sum_k shift_k(c_k * eps)`.
    """

    @property
    def reach(self) -> tuple[int, int, int]:
        """Box of the couplings of a precision that `informed` reads: only later planes."""
        kz, ky, kx = self.stencil.size
        return kz, 2 * ky - 1, 2 * kx - 1

    def informed(self, mean: Tensor, precision: Precision) -> Parameters:
        """Return the optimum for `N(mean, precision^{-1})`, column by column."""
        diagonal, coefficients = column_optimum(self.stencil, precision)
        return {
            LOCATION: mean.detach().clone(),
            "log_sd": log(diagonal).to(mean.dtype),
            "coefficients": coefficients.to(mean.dtype),
        }

    def apply(self, parameters: Parameters, x: Tensor) -> Tensor:
        """Return `L x` `(S, n)`."""
        neighbours = self.stencil.couple(parameters["coefficients"].detach(), x.detach())
        return exp(parameters["log_sd"]) * x.detach() + neighbours

    def apply_transposed(self, parameters: Parameters, x: Tensor) -> Tensor:
        """Return `L^T x` `(S, n)`."""
        neighbours = self.stencil.couple_back(parameters["coefficients"].detach(), x.detach())
        return exp(parameters["log_sd"]) * x.detach() + neighbours

    def solve(self, parameters: Parameters, x: Tensor) -> Tensor:
        """Return `L^{-1} x` `(S, n)`."""
        return self.stencil.solve(*_factors(parameters), x.detach())

    def solve_transposed(self, parameters: Parameters, x: Tensor) -> Tensor:
        """Return `L^{-T} x` `(S, n)`."""
        return self.stencil.solve_back(*_factors(parameters), x.detach())

    def factor_pullback(
        self, parameters: Parameters, eps: Tensor, cotangent: Tensor
    ) -> Parameters:
        """Return the gradient of `sum(cotangent * L eps)` by `log_sd` and `coefficients`."""
        return {
            "log_sd": exp(parameters["log_sd"]) * sum_samples(cotangent * eps),
            "coefficients": self.stencil.products(eps, cotangent),
        }

    def descend_others(
        self, draw: Draw, moments: Mapping[str, Moments], steps: Mapping[str, AdamStep]
    ) -> float:
        """Move the coefficients in place; return the sum of squares of their gradient."""
        name = "coefficients"
        return self.stencil.descend(draw.eps, draw.cotangent, moments[name], steps[name])

    def natural(self, parameters: Parameters, gradients: Parameters) -> Parameters:
        """Return the inverse Fisher information times `gradients`: exactly for the mean.

        For `L` as in `sparse_natural`.
        """
        mu = self.natural_mean(parameters, gradients[LOCATION])
        if "log_sd" not in gradients:
            return {LOCATION: mu}
        diagonal, coefficients = _factors(parameters)
        by_entries = gradients["log_sd"] / diagonal, gradients["coefficients"]
        change = sparse_natural(self.stencil, (diagonal, coefficients), by_entries)
        return {LOCATION: mu, "log_sd": change[0] / diagonal, "coefficients": change[1]}

    def sd(self, parameters: Parameters) -> Tensor:
        """Return the marginal standard deviations `(n,)`: the norms of the rows of `L`."""
        squares = parameters["coefficients"].detach().square()
        diagonal = exp(parameters["log_sd"])
        ones = torch.ones_like(diagonal)[None]
        return (diagonal * diagonal + self.stencil.couple(squares, ones)[0]).sqrt()


def _factors(parameters: Parameters) -> tuple[Tensor, Tensor]:
    return exp(parameters["log_sd"]), parameters["coefficients"].detach()
