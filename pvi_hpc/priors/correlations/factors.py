r"""Square factors `F` of symmetric positive definite matrices, `M = F F^T`, dense or sparse."""

from typing import Final, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array, diags_array
from scipy.sparse.linalg import spsolve_triangular
from torch import Tensor

from pvi_hpc.errors import ConfigError
from pvi_hpc.numerics.reproducible import one_thread
from pvi_hpc.priors.correlations.spde import sparse_factor

__all__ = ["DenseFactor", "Factor", "InverseFactor", "SparseFactor", "factor_of"]

Array = NDArray[np.float64]

#: A matrix may differ from its transpose by this share of its largest element.
ASYMMETRY: Final = 1e-8


class Factor(Protocol):
    """A factor `F` `(n, n)`; vectors are the columns of `(n, k)`."""

    @property
    def log_det(self) -> float:
        """Natural logarithm of the determinant of `F`, but for its sign."""
        ...

    def apply(self, x: Array) -> Array:
        """Return `F x`."""
        ...

    def apply_back(self, x: Array) -> Array:
        """Return `F^T x`."""
        ...

    def solve(self, x: Array) -> Array:
        """Return `F^{-1} x`."""
        ...

    def solve_back(self, x: Array) -> Array:
        """Return `F^{-T} x`."""
        ...


def factor_of(matrix: Array | csr_array, setting: str) -> "DenseFactor | SparseFactor":
    """Return a factor of a symmetric positive definite matrix.

    Raises
    ------
    ConfigError
        If the matrix is not symmetric, or not positive definite.
    """
    largest, apart = abs(matrix).max(), abs(matrix - matrix.T).max()
    if apart > ASYMMETRY * largest:
        raise ConfigError(
            f"'{setting}' must be symmetric, but elements differ from those mirrored by up to "
            f"{apart:.3g}; store the mean of the matrix and its transpose."
        )
    if isinstance(matrix, np.ndarray):
        with one_thread():
            lower, info = torch.linalg.cholesky_ex(torch.from_numpy(matrix))
        _check_positive(int(info) == 0, setting)
        return DenseFactor(lower)
    try:
        found = sparse_factor(matrix)
    except RuntimeError:  # SuperLU's word for a singular matrix
        _check_positive(False, setting)
    pivots = found.U.diagonal()
    same = bool((found.perm_r == found.perm_c).all())
    _check_positive(same and bool((pivots > 0).all()), setting)
    return SparseFactor(csr_array(found.L @ diags_array(np.sqrt(pivots))), found.perm_r)


def _check_positive(positive: bool, setting: str) -> None:
    if not positive:
        raise ConfigError(
            f"'{setting}' must be positive definite, but it is not, in float64; add a small "
            "share of its diagonal to the diagonal."
        )


class DenseFactor:
    """A lower triangular matrix `(n, n)` with a positive diagonal."""

    def __init__(self, lower: Tensor) -> None:
        self._lower = lower

    @property
    def log_det(self) -> float:
        """Natural logarithm of the determinant."""
        return float(np.log(self._lower.diagonal().numpy()).sum())

    def apply(self, x: Array) -> Array:
        """Return `F x`."""
        return _product(self._lower, x)

    def apply_back(self, x: Array) -> Array:
        """Return `F^T x`."""
        return _product(self._lower.T, x)

    def solve(self, x: Array) -> Array:
        """Return `F^{-1} x`."""
        return _solved(self._lower, x, upper=False)

    def solve_back(self, x: Array) -> Array:
        """Return `F^{-T} x`."""
        return _solved(self._lower.T, x, upper=True)


class SparseFactor:
    """A sparse lower triangular matrix whose rows are in the order `rows` of an elimination."""

    def __init__(self, lower: csr_array, rows: NDArray[np.integer]) -> None:
        self._lower, self._rows = lower, rows
        self._upper = csr_array(lower.T)

    @property
    def log_det(self) -> float:
        """Natural logarithm of the determinant, but for its sign."""
        return float(np.log(self._lower.diagonal()).sum())

    def apply(self, x: Array) -> Array:
        """Return `F x`."""
        found: Array = (self._lower @ x)[self._rows]
        return found

    def apply_back(self, x: Array) -> Array:
        """Return `F^T x`."""
        found: Array = self._upper @ self._ordered(x)
        return found

    def solve(self, x: Array) -> Array:
        """Return `F^{-1} x`."""
        found: Array = spsolve_triangular(self._lower, self._ordered(x), lower=True)
        return found

    def solve_back(self, x: Array) -> Array:
        """Return `F^{-T} x`."""
        return np.asarray(spsolve_triangular(self._upper, x, lower=False)[self._rows])

    def _ordered(self, x: Array) -> Array:
        found = np.empty_like(x)
        found[self._rows] = x
        return found


class InverseFactor:
    """The factor `F^{-T}` of the inverse of `F F^T`."""

    def __init__(self, factor: Factor) -> None:
        self._factor = factor

    @property
    def log_det(self) -> float:
        """Natural logarithm of the determinant, but for its sign."""
        return -self._factor.log_det

    def apply(self, x: Array) -> Array:
        """Return `F^{-T} x`."""
        return self._factor.solve_back(x)

    def apply_back(self, x: Array) -> Array:
        """Return `F^{-1} x`."""
        return self._factor.solve(x)

    def solve(self, x: Array) -> Array:
        """Return `F^T x`."""
        return self._factor.apply_back(x)

    def solve_back(self, x: Array) -> Array:
        """Return `F x`."""
        return self._factor.apply(x)


def _product(matrix: Tensor, x: Array) -> Array:
    with one_thread():
        return np.asarray((matrix @ torch.from_numpy(x)).numpy())


def _solved(matrix: Tensor, x: Array, upper: bool) -> Array:
    with one_thread():
        right = torch.from_numpy(x)
        return np.asarray(torch.linalg.solve_triangular(matrix, right, upper=upper).numpy())
