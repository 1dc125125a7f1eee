"""A square root of the prior's covariance, by products."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from torch import Tensor

__all__ = ["PriorRoot", "Product", "identity_root"]

#: Takes rows `(S, n)` and returns a matrix times each.
Product: TypeAlias = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class PriorRoot:
    """Products of rows `(S, n)` with `L`, `L L^T` the covariance of the prior of `theta`.

    Parameters
    ----------
    apply, apply_transposed, solve, solve_transposed
        `L x`, `L^T x`, `L^{-1} x` and `L^{-T} x`.
    log_det
        Natural logarithm of the determinant of `L`.
    """

    apply: Product
    apply_transposed: Product
    solve: Product
    solve_transposed: Product
    log_det: float


def identity_root() -> PriorRoot:
    """Return the root of the prior `N(0, I)`."""

    def itself(x: Tensor) -> Tensor:
        return x

    return PriorRoot(itself, itself, itself, itself, 0.0)
