"""A few directions of any shape on top of another family (Ong, Nott & Smith 2018).

`L = S (I + U^T U)^{-1}` or `S (I + U^T U)`, with `S` the factor of the inner family. The first
adds information: `r` directions that the data constrain; under a prior `N(0, I)` it holds the
posterior of any linear problem with `r` data. The second adds variance: the covariance is that
of `S` plus rank `r`. The symmetric form needs no more random numbers than cells, inverts by
matrices `(r, r)`, and reaches every covariance `S (I + Z^T Z)^{+-1} S^T`.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Final, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pvi_hpc.families.family import LOCATION, Parameters
from pvi_hpc.families.gaussian import GaussianFamily
from pvi_hpc.families.leading import leading_directions
from pvi_hpc.families.low_rank_optimum import optimal_low_rank
from pvi_hpc.families.mean_field import MeanField
from pvi_hpc.families.options import choice_option, rank_option, refuse_unknown
from pvi_hpc.families.precision import DensePrecision, Precision
from pvi_hpc.families.structured import Structured, stencil_of
from pvi_hpc.random import keyed_rng
from pvi_hpc.reproducible import combine, inner_products

__all__ = ["LowRank", "LowRankStructured"]

#: Norm of the directions at the start; at zero their gradient would vanish.
START_NORM: Final = 0.1
#: Up to so many cells a start from a dense precision is the joint optimum, by rounds `O(n^3)`.
JOINT_CELLS: Final = 1024
JOINT_ROUNDS: Final = 50


class LowRank(GaussianFamily):
    """`theta = mu + S (I + U^T U)^{-1} eps`, or without the inverse.

    Parameters are those of the `inner` family and `directions`, the rows of `U` `(r, n)`; `of`
    is what has the low rank, "precision" (the inverse) or "covariance".
    """

    kind: ClassVar = "low_rank"
    inner_options: ClassVar[tuple[str, ...]] = ()

    def __init__(self, inner: GaussianFamily, rank: int, of: str = "precision") -> None:
        super().__init__(inner.n)
        self.inner, self.rank, self.of = inner, rank, of
        # One step then turns a direction by as much as it changes a log_sd.
        self.step_scales = {**inner.step_scales, "directions": inner.n**-0.5}

    @classmethod
    def from_options(cls, active: NDArray[np.bool_], options: Mapping[str, Any]) -> Self:
        """Return the family of the `active` cells; options `rank`, `of`, those of the inner.

        Raises
        ------
        ConfigError
            If an option is unknown, missing or impossible.
        """
        refuse_unknown(cls.kind, options, ("rank", "of", *cls.inner_options))
        rank = rank_option(options, int(active.sum()))
        of = choice_option(options, "of", ("precision", "covariance"))
        return cls(cls.inner_family(active, options), rank, of)

    @classmethod
    def inner_family(
        cls, active: NDArray[np.bool_], options: Mapping[str, Any]
    ) -> GaussianFamily:
        """Return the family that the directions are added to."""
        return MeanField(int(active.sum()))

    def initial(self, mean: Tensor, sd: float) -> Parameters:
        """Return the parameters of nearly independent cells, `mean` `(n,)` and one sd."""
        rng = keyed_rng(0, "directions", self.rank)
        rows = rng.standard_normal((self.rank, self.n)) * (START_NORM * self.n**-0.5)
        directions = torch.from_numpy(rows).to(mean.dtype)
        return {**self.inner.initial(mean, sd), "directions": directions}

    def informed(self, mean: Tensor, precision: Precision) -> Parameters:
        """Return the joint optimum for a small dense `precision` on a mean field.

        Else the inner family's optimum with the best directions on top of it, eigenvectors of
        `S^T P S` by Lanczos iteration; VI then finds the joint optimum.
        """
        small = isinstance(precision, DensePrecision) and self.n <= JOINT_CELLS
        if small and isinstance(self.inner, MeanField):
            return self._joint(mean, precision.dense())
        inner = self.inner.informed(mean.to(torch.float64), precision)

        def product(x: Tensor) -> Tensor:
            back = precision.apply(self.inner.apply(inner, x))
            return self.inner.apply_transposed(inner, back)

        directions = leading_directions(product, self.n, self.rank, self.of)
        parameters = {**inner, "directions": directions}
        return {name: value.to(mean.dtype) for name, value in parameters.items()}

    def _joint(self, mean: Tensor, precision: Tensor) -> Parameters:
        d, directions = optimal_low_rank(
            precision.numpy(), self.rank, of=self.of, max_rounds=JOINT_ROUNDS
        )
        parameters = {LOCATION: mean.detach().clone(), "log_sd": torch.from_numpy(np.log(d))}
        parameters["directions"] = torch.from_numpy(directions)
        return {name: value.to(mean.dtype) for name, value in parameters.items()}

    def apply(self, parameters: Parameters, x: Tensor) -> Tensor:
        """Return `L x` `(S, n)`."""
        return self.inner.apply(parameters, self._directions(parameters, x, self._is_inverse))

    def apply_transposed(self, parameters: Parameters, x: Tensor) -> Tensor:
        """Return `L^T x` `(S, n)`."""
        back = self.inner.apply_transposed(parameters, x)
        return self._directions(parameters, back, self._is_inverse)

    def solve(self, parameters: Parameters, x: Tensor) -> Tensor:
        """Return `L^{-1} x` `(S, n)`."""
        back = self.inner.solve(parameters, x)
        return self._directions(parameters, back, not self._is_inverse)

    def solve_transposed(self, parameters: Parameters, x: Tensor) -> Tensor:
        """Return `L^{-T} x` `(S, n)`."""
        inside = self._directions(parameters, x, not self._is_inverse)
        return self.inner.solve_transposed(parameters, inside)

    def factor_pullback(
        self, parameters: Parameters, eps: Tensor, cotangent: Tensor
    ) -> Parameters:
        """Return the gradient of `sum(cotangent * L eps)` by the parameters of `L`.

        With `M = I + U^T U`, `dM = dU^T U + U^T dU` and `d(M^{-1}) = -M^{-1} dM M^{-1}`.
        """
        u = parameters["directions"].detach()
        y = self._directions(parameters, eps, self._is_inverse)
        back = self.inner.apply_transposed(parameters, cotangent)
        if self._is_inverse:
            left, right, sign = self._directions(parameters, back, True), y, -1
        else:
            left, right, sign = back, eps, 1
        by_directions = combine(inner_products(u, right), left)
        by_directions += combine(inner_products(u, left), right)
        inner = self.inner.factor_pullback(parameters, y, cotangent)
        return {**inner, "directions": sign * by_directions}

    def log_det(self, parameters: Parameters) -> float:
        """Return `log det S -+ log det (I + U U^T)`."""
        small = torch.linalg.slogdet(self._small(parameters))[1]
        return self.inner.log_det(parameters) + self._sign * float(small)

    def log_det_gradient(self, parameters: Parameters) -> Parameters:
        """Return that of the inner family, and `-+2 (I + U U^T)^{-1} U`."""
        inverse = torch.linalg.inv(self._small(parameters))
        by_directions = combine(2 * self._sign * inverse, parameters["directions"])
        return {**self.inner.log_det_gradient(parameters), "directions": by_directions}

    def sd(self, parameters: Parameters) -> Tensor:
        """Return the marginal standard deviations `(n,)`, exact if the inner family's are."""
        small = self._small(parameters)
        if self._is_inverse:
            inverse = torch.linalg.inv(small)
            between = -(inverse + inverse @ inverse)
        else:
            between = small + torch.eye(self.rank, dtype=torch.float64)
        rows = self.inner.apply(parameters, parameters["directions"].detach())
        added = np.einsum("rn,rn->n", rows.numpy(), combine(between, rows).numpy())
        inner = self.inner.sd(parameters)
        return (inner * inner + torch.from_numpy(added)).sqrt()

    @property
    def _is_inverse(self) -> bool:
        return self.of == "precision"

    @property
    def _sign(self) -> int:
        return -1 if self._is_inverse else 1

    def _small(self, parameters: Parameters) -> Tensor:
        """Return `I + U U^T` `(r, r)` in float64."""
        u = parameters["directions"]
        return inner_products(u, u) + torch.eye(self.rank, dtype=torch.float64)

    def _directions(self, parameters: Parameters, x: Tensor, inverse: bool) -> Tensor:
        """Return `(I + U^T U) x`, or with its inverse `I - U^T (I + U U^T)^{-1} U`."""
        u, x = parameters["directions"].detach(), x.detach()
        weights = inner_products(x, u)
        if not inverse:
            return x + combine(weights, u)
        return x - combine(torch.linalg.solve(self._small(parameters), weights.T).T, u)


class LowRankStructured(LowRank):
    """`low_rank` on top of `structured`: neighbours, and a few directions of any shape."""

    kind: ClassVar = "low_rank_structured"
    inner_options: ClassVar[tuple[str, ...]] = ("stencil", "mask")

    @classmethod
    def inner_family(
        cls, active: NDArray[np.bool_], options: Mapping[str, Any]
    ) -> GaussianFamily:
        """Return the structured family of options `stencil` and `mask`."""
        return Structured(stencil_of(active, options))
