"""Neighbours, and a few directions of any shape (after Ong, Nott & Smith 2018).

`L = M S` with `S` the factor of `structured` and `M = (I + U^T U)^{-1}` or `I + U^T U` acting
after it. In the other order, `S M`, couplings and directions can do much of each other's work:
L-BFGS on exact gradients was 10 % above the optimum of this order after 3000 iterations (64
cells, rank 8), and 30,000 steps of Adam ended 8.7 % above that. In this one the best `S` for
given directions is in closed form, that of `structured` for the precision `M P M`.
"""

from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pvi_hpc.families.capabilities import PrecisionPart
from pvi_hpc.families.family import Parameters
from pvi_hpc.families.gaussian.grid_family import stencil_of
from pvi_hpc.families.gaussian.low_rank import JOINT_CELLS, LowRank
from pvi_hpc.families.gaussian.low_rank_optimum import optimal_directions
from pvi_hpc.families.gaussian.options import RankStencilOptions
from pvi_hpc.families.gaussian.precision import DensePrecision, Precision
from pvi_hpc.families.gaussian.stencil import Stencil
from pvi_hpc.families.gaussian.structured import Structured
from pvi_hpc.numerics.reproducible import combine, inner_products
from pvi_hpc.plugins import Settings

__all__ = ["LowRankStructured"]


class LowRankStructured(LowRank):
    """Gaussian of coupled neighbours and a few directions of any shape.

    `theta = mu + M S eps`; parameters as in `structured`, and `directions` `(r, n)`.
    """

    Options: ClassVar[type[Settings]] = RankStencilOptions

    inner: Structured

    @classmethod
    def inner_family(cls, active: NDArray[np.bool_], options: RankStencilOptions) -> Structured:
        """Return the structured family of options `stencil` and `mask`."""
        return Structured(stencil_of(active, options))

    @property
    def reads(self) -> PrecisionPart:
        """Part of a precision that `informed` reads beyond 1024 cells."""
        return "couplings"

    @property
    def couplings(self) -> Stencil:
        """Neighbours that a cell is coupled to."""
        return self.inner.stencil

    @property
    def reach(self) -> tuple[int, int, int]:
        """Box of the couplings that `informed` reads: all of them up to 1024 cells."""
        if self.n > JOINT_CELLS:
            return self.inner.reach
        nz, ny, nx = self.inner.stencil.active.shape
        return 2 * nz - 1, 2 * ny - 1, 2 * nx - 1

    def informed(self, mean: Tensor, precision: Precision) -> Parameters:
        """Return the joint optimum for `N(mean, precision^{-1})` of up to 1024 cells.

        By L-BFGS in the directions, each evaluation with the best couplings for them. Beyond
        it the optimum of `structured` with short random directions.
        """
        start, exact = self.factor.initial(torch.float64), mean.to(torch.float64)
        if self.n > JOINT_CELLS:
            found = {**self.inner.informed(exact, precision), "directions": start}
        else:
            matrix = precision.dense()

            def complete(u: Tensor) -> Parameters:
                inside = self.factor.apply(u, self.factor.apply(u, matrix).T)
                dense = DensePrecision((inside + inside.T) / 2, self.inner.stencil.active)
                return {**self.inner.informed(exact, dense), "directions": u}

            found = optimal_directions(self, complete, start, matrix)
        return {name: value.to(mean.dtype) for name, value in found.items()}

    def apply(self, parameters: Parameters, x: Tensor) -> Tensor:
        """Return `L x` `(S, n)`."""
        return self.factor.apply(parameters["directions"], self.inner.apply(parameters, x))

    def apply_transposed(self, parameters: Parameters, x: Tensor) -> Tensor:
        """Return `L^T x` `(S, n)`."""
        back = self.factor.apply(parameters["directions"], x)
        return self.inner.apply_transposed(parameters, back)

    def solve(self, parameters: Parameters, x: Tensor) -> Tensor:
        """Return `L^{-1} x` `(S, n)`."""
        back = self.factor.solve(parameters["directions"], x)
        return self.inner.solve(parameters, back)

    def solve_transposed(self, parameters: Parameters, x: Tensor) -> Tensor:
        """Return `L^{-T} x` `(S, n)`."""
        inside = self.inner.solve_transposed(parameters, x)
        return self.factor.solve(parameters["directions"], inside)

    def factor_pullback(
        self, parameters: Parameters, eps: Tensor, cotangent: Tensor
    ) -> Parameters:
        """Return the gradient of `sum(cotangent * L eps)` by the parameters of `L`."""
        u = parameters["directions"]
        x = self.inner.apply(parameters, eps)
        inner = self.inner.factor_pullback(parameters, eps, self.factor.apply(u, cotangent))
        return {**inner, "directions": self.factor.pullback(u, x, cotangent)}

    def sd(self, parameters: Parameters) -> Tensor:
        """Return the marginal standard deviations `(n,)`.

        Of `M C M` with `C = S S^T` and `M = I + U^T K U`: the diagonal of `C`, twice that of
        `U^T K U C`, and that of `U^T K (U C U^T) K U`.
        """
        u = parameters["directions"].detach()
        k = torch.eye(self.factor.rank, dtype=torch.float64)
        if self.factor.is_inverse:
            k = -torch.linalg.inv(self.factor.small(u))
        covariances = self.inner.apply(parameters, self.inner.apply_transposed(parameters, u))
        weighted = combine(k, u)
        within = combine(inner_products(covariances, u), weighted)
        added = np.einsum("rn,rn->n", weighted.numpy(), (2 * covariances + within).numpy())
        inner = self.inner.sd(parameters)
        return (inner * inner + torch.from_numpy(added)).sqrt()
