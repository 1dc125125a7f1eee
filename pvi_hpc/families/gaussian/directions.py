"""A symmetric factor that differs from the identity in a few directions.

`M = (I + U^T U)^{-1}` or `I + U^T U`, with the rows of `U` `(r, n)` the directions. It needs no
more random numbers than cells, and inverts by matrices `(r, r)`.
"""

from typing import Final

import torch
from torch import Tensor

from pvi_hpc.numerics.random import keyed_rng
from pvi_hpc.numerics.reproducible import combine, inner_products, one_thread

__all__ = ["Directions"]

#: Norm of the directions at the start; at zero their gradient would vanish.
START_NORM: Final = 0.1


class Directions:
    """`M` of `rank` directions of `n` cells; `of` "precision" (the inverse) or "covariance"."""

    def __init__(self, n: int, rank: int, of: str) -> None:
        self.n, self.rank, self.of = n, rank, of
        self.is_inverse = of == "precision"
        self._sign = -1 if self.is_inverse else 1
        # One step then turns a direction by as much as it changes a log_sd.
        self.step_scale = n**-0.5

    def initial(self, dtype: torch.dtype) -> Tensor:
        """Return short random directions `(r, n)`, the same each time."""
        rng = keyed_rng(0, "directions", self.rank)
        rows = rng.standard_normal((self.rank, self.n)) * (START_NORM * self.n**-0.5)
        return torch.from_numpy(rows).to(dtype)

    def apply(self, u: Tensor, x: Tensor) -> Tensor:
        """Return `M x` of the rows of `x` `(S, n)`."""
        return self._product(u, x, self.is_inverse)

    def solve(self, u: Tensor, x: Tensor) -> Tensor:
        """Return `M^{-1} x` of the rows of `x` `(S, n)`."""
        return self._product(u, x, not self.is_inverse)

    def pullback(self, u: Tensor, x: Tensor, cotangent: Tensor) -> Tensor:
        """Return the gradient `(r, n)` of `sum(cotangent * M x)`, both `(S, n)`.

        With `N = I + U^T U`, `dN = dU^T U + U^T dU` and `d(N^{-1}) = -N^{-1} dN N^{-1}`.
        """
        u = u.detach()
        if self.is_inverse:
            left, right, sign = self.apply(u, cotangent), self.apply(u, x), -1
        else:
            left, right, sign = cotangent, x.detach(), 1
        gradient = combine(inner_products(u, right), left)
        gradient += combine(inner_products(u, left), right)
        return sign * gradient

    def natural(self, u: Tensor, gradient: Tensor) -> Tensor:
        """Return the inverse Fisher information `(r, n)` of the directions times `gradient`.

        Exact for independent cells of sd 1 under them, damped where a direction is short. With
        `U = Q diag(u) V^T` and `m = 1 + u^2`, a change `Q (X V^T + Y)`, `Y V = 0`, costs
        `u_i^2 (1 + 1 / m_i)^2 |Y_i|^2` and, of each pair,
        `(u_i X_ij + u_j X_ji)^2 (1 / m_i + 1 / m_j)^2 / 2`, nothing where it only turns `Q`.
        """
        with one_thread():
            q, lengths, v = torch.linalg.svd(u.detach().double(), full_matrices=False)
        g = combine(q.T, gradient.double())
        inside = inner_products(g, v)
        outside = g - combine(inside, v)
        squares = (lengths * lengths).clamp(min=START_NORM**2)
        inverse = 1 / (1 + squares)
        outside /= (squares * (1 + inverse) ** 2)[:, None]
        within = lengths[:, None] * inside
        cost = (squares[:, None] + squares) * (inverse[:, None] + inverse)
        change = lengths[:, None] * (within + within.T) / (cost * cost)
        return combine(q, combine(change, v) + outside).to(u.dtype)

    def log_det(self, u: Tensor) -> float:
        """Return `log det M = -+log det (I + U U^T)`."""
        return self._sign * float(torch.linalg.slogdet(self.small(u))[1])

    def log_det_gradient(self, u: Tensor) -> Tensor:
        """Return `-+2 (I + U U^T)^{-1} U` `(r, n)`."""
        return combine(2 * self._sign * torch.linalg.inv(self.small(u)), u)

    def small(self, u: Tensor) -> Tensor:
        """Return `I + U U^T` `(r, r)` in float64."""
        return inner_products(u, u) + torch.eye(self.rank, dtype=torch.float64)

    def _product(self, u: Tensor, x: Tensor, inverse: bool) -> Tensor:
        """Return `(I + U^T U) x`, or with its inverse `I - U^T (I + U U^T)^{-1} U`."""
        u, x = u.detach(), x.detach()
        weights = inner_products(x, u)
        if not inverse:
            return x + combine(weights, u)
        return x - combine(torch.linalg.solve(self.small(u), weights.T).T, u)
