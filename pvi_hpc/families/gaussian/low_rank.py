"""A few directions of any shape on top of independent cells (Ong, Nott & Smith 2018).

`L = D M` with `D` diagonal and `M = (I + U^T U)^{-1}` or `I + U^T U`. The first adds
information: `r` directions that the data constrain; under a prior `N(0, I)` it holds the
posterior of any linear problem with `r` data. The second adds variance: the covariance is that
of `D` plus rank `r`. Every covariance `D (I + Z^T Z)^{+-1} D` is reached.
"""

from typing import Any, ClassVar, Final, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pvi_hpc.families.capabilities import PrecisionPart
from pvi_hpc.families.family import LOCATION, Parameters
from pvi_hpc.families.gaussian.directions import Directions
from pvi_hpc.families.gaussian.gaussian import GaussianFamily
from pvi_hpc.families.gaussian.low_rank_optimum import leading_directions, optimal_low_rank
from pvi_hpc.families.gaussian.mean_field import MeanField
from pvi_hpc.families.gaussian.options import RankOptions, check_rank
from pvi_hpc.families.gaussian.precision import Precision
from pvi_hpc.families.gaussian.structured import Structured
from pvi_hpc.numerics.reproducible import combine, log
from pvi_hpc.plugins import Settings

__all__ = ["JOINT_CELLS", "LowRank"]

#: Most cells whose start from a precision is the joint optimum, by rounds `O(n^3)`.
JOINT_CELLS: Final = 1024
JOINT_ROUNDS: Final = 50


class LowRank(GaussianFamily):
    """Gaussian of independent cells and a few directions of any shape.

    `theta = mu + S M eps` with `S` the factor of the `inner` family.

    Parameters are those of the inner family and `directions`, the rows of `U` `(r, n)`; `of`
    is what has the low rank, "precision" (`M` is the inverse) or "covariance".
    """

    Options: ClassVar[type[Settings]] = RankOptions

    def __init__(self, inner: MeanField | Structured, rank: int, of: str = "precision") -> None:
        super().__init__(inner.n)
        self.inner, self.factor = inner, Directions(inner.n, rank, of)
        self.step_scales = {**inner.step_scales, "directions": self.factor.step_scale}

    @classmethod
    def from_options(cls, active: NDArray[np.bool_], options: RankOptions) -> Self:
        """Return the family of the `active` cells of a grid `(nz, ny, nx)`.

        Raises
        ------
        ConfigError
            If there are more directions than unknowns, or the inner family does not fit.
        """
        check_rank(options.rank, int(active.sum()))
        return cls(cls.inner_family(active, options), options.rank, options.of)

    @classmethod
    def inner_family(cls, active: NDArray[np.bool_], options: Any) -> MeanField | Structured:
        """Return the family that the directions are added to."""
        return MeanField(int(active.sum()))

    @property
    def reads(self) -> PrecisionPart:
        """Part of a precision that `informed` reads beyond 1024 cells."""
        return "products"

    def independent(self, mean: Tensor, log_sd: Tensor) -> Parameters:
        """Return the parameters of nearly independent cells, `mean` and `log_sd` `(n,)`."""
        return {
            **self.inner.independent(mean, log_sd),
            "directions": self.factor.initial(mean.dtype),
        }

    def informed(self, mean: Tensor, precision: Precision) -> Parameters:
        """Return the joint optimum for `N(mean, precision^{-1})` of up to 1024 cells.

        Beyond it independent cells with the best directions on top of them, eigenvectors of
        `D P D` by Lanczos iteration; VI then finds the joint optimum.
        """
        rank, of = self.factor.rank, self.factor.of
        if self.n <= JOINT_CELLS:
            dense = precision.dense()
            d, directions = optimal_low_rank(dense, rank, of=of, max_rounds=JOINT_ROUNDS)
            parameters = {LOCATION: mean.detach().clone(), "log_sd": log(d)}
        else:
            parameters = self.inner.informed(mean.to(torch.float64), precision)
            start = parameters

            def product(x: Tensor) -> Tensor:
                back = precision.apply(self.inner.apply(start, x))
                return self.inner.apply_transposed(start, back)

            directions = leading_directions(product, self.n, rank, of)
        parameters["directions"] = directions
        return {name: value.to(mean.dtype) for name, value in parameters.items()}

    def apply(self, parameters: Parameters, x: Tensor) -> Tensor:
        """Return `L x` `(S, n)`."""
        return self.inner.apply(parameters, self.factor.apply(parameters["directions"], x))

    def apply_transposed(self, parameters: Parameters, x: Tensor) -> Tensor:
        """Return `L^T x` `(S, n)`."""
        back = self.inner.apply_transposed(parameters, x)
        return self.factor.apply(parameters["directions"], back)

    def solve(self, parameters: Parameters, x: Tensor) -> Tensor:
        """Return `L^{-1} x` `(S, n)`."""
        back = self.inner.solve(parameters, x)
        return self.factor.solve(parameters["directions"], back)

    def solve_transposed(self, parameters: Parameters, x: Tensor) -> Tensor:
        """Return `L^{-T} x` `(S, n)`."""
        inside = self.factor.solve(parameters["directions"], x)
        return self.inner.solve_transposed(parameters, inside)

    def factor_pullback(
        self, parameters: Parameters, eps: Tensor, cotangent: Tensor
    ) -> Parameters:
        """Return the gradient of `sum(cotangent * L eps)` by the parameters of `L`."""
        u = parameters["directions"]
        inner = self.inner.factor_pullback(parameters, self.factor.apply(u, eps), cotangent)
        back = self.inner.apply_transposed(parameters, cotangent)
        return {**inner, "directions": self.factor.pullback(u, eps, back)}

    @property
    def column_size(self) -> int:
        """Numbers in a column of the inner factor, and directions."""
        return self.inner.column_size + self.factor.rank

    def natural(self, parameters: Parameters, gradients: Parameters) -> Parameters:
        """Return the inverse Fisher information times `gradients`, in three blocks.

        Exact for the mean; for the inner family as if there were no directions, and for those
        as if its cells were independent.
        """
        inner = self.inner.natural(parameters, gradients)
        inner[LOCATION] = self.natural_mean(parameters, gradients[LOCATION])
        if "directions" in gradients:
            by_directions = gradients["directions"]
            inner["directions"] = self.factor.natural(parameters["directions"], by_directions)
        return inner

    def log_det(self, parameters: Parameters) -> float:
        """Return `log det S + log det M`."""
        return self.inner.log_det(parameters) + self.factor.log_det(parameters["directions"])

    def log_det_gradient(self, parameters: Parameters) -> Parameters:
        """Return those of the inner family and of `log det M`."""
        by_directions = self.factor.log_det_gradient(parameters["directions"])
        return {**self.inner.log_det_gradient(parameters), "directions": by_directions}

    def sd(self, parameters: Parameters) -> Tensor:
        """Return the marginal standard deviations `(n,)`."""
        small = self.factor.small(parameters["directions"])
        if self.factor.is_inverse:
            inverse = torch.linalg.inv(small)
            between = -(inverse + inverse @ inverse)
        else:
            between = small + torch.eye(self.factor.rank, dtype=torch.float64)
        rows = self.inner.apply(parameters, parameters["directions"].detach())
        added = np.einsum("rn,rn->n", rows.numpy(), combine(between, rows).numpy())
        inner = self.inner.sd(parameters)
        return (inner * inner + torch.from_numpy(added)).sqrt()
