"""A sparse Cholesky factor of the precision (Tan & Nott 2018, Statistics and Computing 28)."""

from typing import Final

import numpy as np
import torch
from torch import Tensor

from pvi_hpc.families.family import LOCATION, Parameters
from pvi_hpc.families.gaussian.column_optimum import conditional_optimum
from pvi_hpc.families.gaussian.grid_family import GridFamily
from pvi_hpc.families.gaussian.precision import Precision
from pvi_hpc.families.gaussian.sparse_natural import sparse_natural
from pvi_hpc.numerics.random import keyed_rng
from pvi_hpc.numerics.reproducible import exp, log, sum_samples

__all__ = ["PrecisionStructured"]

#: Most cells whose marginal sds are exact, at one solve a cell.
EXACT_CELLS: Final = 4096
#: Draws that estimate the sds of more cells, with a relative error of 1.6 %.
SD_DRAWS: Final = 2000
#: Draws or columns solved for at once.
CHUNK: Final = 64


class PrecisionStructured(GridFamily):
    """Gaussian Markov field: each cell is normal given its later neighbours.

    With `x = theta - mu`: `x_j = exp(log_sd_j) eps_j - sum_k c_k(j) x_{j + k}`, so that
    `L = (I + C)^{-T} diag(exp(log_sd))` and the precision is `T T^T` with the sparse
    `T = (I + C) diag(exp(-log_sd))`; `log_sd` is conditional.
    Sampling needs a triangular solve, densities and the score need none.
    """

    def informed(self, mean: Tensor, precision: Precision) -> Parameters:
        """Return the best conditionals of `N(mean, precision^{-1})`, cell by cell.

        Near the optimum, which has no closed form: earlier cells are eliminated within one
        stencil's reach and held fixed beyond it.
        """
        diagonal, coefficients = conditional_optimum(self.stencil, precision)
        return {
            LOCATION: mean.detach().clone(),
            "log_sd": -log(diagonal).to(mean.dtype),
            "coefficients": coefficients.to(mean.dtype),
        }

    def apply(self, parameters: Parameters, x: Tensor) -> Tensor:
        """Return `L x` `(S, n)`: a triangular solve."""
        return self._unit_solve(parameters, exp(parameters["log_sd"]) * x.detach(), True)

    def apply_transposed(self, parameters: Parameters, x: Tensor) -> Tensor:
        """Return `L^T x` `(S, n)`: a triangular solve."""
        return exp(parameters["log_sd"]) * self._unit_solve(parameters, x.detach(), False)

    def solve(self, parameters: Parameters, x: Tensor) -> Tensor:
        """Return `L^{-1} x` `(S, n)`."""
        x = x.detach()
        x = x + self.stencil.couple_back(parameters["coefficients"].detach(), x)
        return x / exp(parameters["log_sd"])

    def solve_transposed(self, parameters: Parameters, x: Tensor) -> Tensor:
        """Return `L^{-T} x` `(S, n)`."""
        x = x.detach() / exp(parameters["log_sd"])
        return x + self.stencil.couple(parameters["coefficients"].detach(), x)

    def factor_pullback(
        self, parameters: Parameters, eps: Tensor, cotangent: Tensor
    ) -> Parameters:
        """Return the gradient of `sum(cotangent * L eps)` by `log_sd` and `coefficients`."""
        scaled = exp(parameters["log_sd"]) * eps
        x = self._unit_solve(parameters, scaled, True)
        back = self._unit_solve(parameters, cotangent, False)
        return {
            "log_sd": sum_samples(scaled * back),
            "coefficients": self.stencil.products(back, -x),
        }

    def natural(self, parameters: Parameters, gradients: Parameters) -> Parameters:
        """Return the inverse Fisher information times `gradients`: exactly for the mean.

        For `T` as in `sparse_natural`, with `T = (I + C) diag(exp(-log_sd))`.
        """
        mu = self.natural_mean(parameters, gradients[LOCATION])
        if "log_sd" not in gradients:
            return {LOCATION: mu}
        c, by_c = parameters["coefficients"].detach(), gradients["coefficients"]
        inverse = exp(-parameters["log_sd"])
        on_grid = self.stencil.scatter(inverse[None])[0]
        by_inverse = -gradients["log_sd"] - self.stencil.gather(sum_samples(c * by_c)[None])[0]
        factor = inverse, c * on_grid
        by_factor = by_inverse / inverse, by_c * self.stencil.scatter(1 / inverse[None])[0]
        diagonal, couplings = sparse_natural(self.stencil, factor, by_factor)
        relative = diagonal / inverse
        by_cell = self.stencil.scatter(torch.stack([1 / inverse, relative]))
        return {
            LOCATION: mu,
            "log_sd": -relative,
            "coefficients": couplings * by_cell[0] - c * by_cell[1],
        }

    def sd(self, parameters: Parameters) -> Tensor:
        """Return the marginal standard deviations `(n,)`.

        Exact up to 4096 cells, from 2000 keyed draws beyond.
        """
        exact = self.n <= EXACT_CELLS
        n = self.n if exact else SD_DRAWS
        total = torch.zeros(self.n, dtype=torch.float64)
        for first in range(0, n, CHUNK):
            rows = range(first, min(n, first + CHUNK))
            x = _unit_rows(rows, self.n) if exact else _normal_rows(rows, self.n)
            # Rows of L^T have the norms of L's columns, so x runs over all of I.
            columns = self.apply(parameters, x.to(parameters["log_sd"].dtype))
            total += sum_samples(columns.to(torch.float64).square())
        return (total if exact else total / n).sqrt().to(parameters["log_sd"].dtype)

    def _unit_solve(self, parameters: Parameters, x: Tensor, transposed: bool) -> Tensor:
        """Return `(I + C)^{-1} x`, or with `(I + C)^T`."""
        diagonal = torch.ones_like(parameters["log_sd"])
        solve = self.stencil.solve_back if transposed else self.stencil.solve
        return solve(diagonal, parameters["coefficients"].detach(), x)


def _unit_rows(rows: range, n: int) -> Tensor:
    out = torch.zeros(len(rows), n, dtype=torch.float64)
    out[torch.arange(len(rows)), torch.tensor(rows)] = 1
    return out


def _normal_rows(rows: range, n: int) -> Tensor:
    draws = [keyed_rng(0, "sd", i).standard_normal(n) for i in rows]
    return torch.from_numpy(np.stack(draws))
