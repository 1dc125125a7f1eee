"""Correlations given as a matrix: of all cells, or of the depths of every column of cells."""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from pvi_hpc.errors import ConfigError
from pvi_hpc.priors.correlations.correlation import by_rows
from pvi_hpc.priors.correlations.factors import Factor

__all__ = ["MatrixCorrelation", "standard_deviations"]

Array = NDArray[np.float64]

#: Largest matrix whose variances are computed column by column.
MOST_COLUMNS: Final = 20_000
#: Columns that are computed at a time.
BLOCK: Final = 256


class MatrixCorrelation:
    """The correlation `D F F^T D` of the factor of a covariance, `D` one over its sds.

    Parameters
    ----------
    factor
        Factor `F` `(k, k)` of the covariance of the cells of a column.
    sd
        Standard deviations `(k,)`, as `standard_deviations` returns them.
    columns
        Number of columns, independent of each other; cells are `(k, columns)`, flattened.
    """

    def __init__(self, factor: Factor, sd: Array, columns: int = 1) -> None:
        self._factor, self._sd, self._columns = factor, sd[:, None], columns
        self._shape = len(sd), columns

    @property
    def log_det(self) -> float:
        """Natural logarithm of the determinant of `L`."""
        return self._columns * (self._factor.log_det - float(np.log(self._sd).sum()))

    def correlate(self, xi: Tensor) -> Tensor:
        """Return `L xi`: of independent standard normals, a field of the correlation."""
        return by_rows(lambda v: self._factor.apply(v) / self._sd, xi, self._shape)

    def correlate_back(self, gradient: Tensor) -> Tensor:
        """Return `L^T gradient`: from derivatives by the field to derivatives by `xi`."""
        return by_rows(lambda v: self._factor.apply_back(v / self._sd), gradient, self._shape)

    def whiten(self, field: Tensor) -> Tensor:
        """Return `L^{-1} field`."""
        return by_rows(lambda v: self._factor.solve(v * self._sd), field, self._shape)

    def precision(self, field: Tensor) -> Tensor:
        """Return `C^{-1} field`."""
        return by_rows(
            lambda v: self._factor.solve_back(self._factor.solve(v * self._sd)) * self._sd,
            field,
            self._shape,
        )


def standard_deviations(factor: Factor, n: int, setting: str) -> Array:
    """Return the sds `(n,)` of a covariance of which `factor` is known, from its rows.

    Raises
    ------
    ConfigError
        If there are too many of them.
    """
    if n > MOST_COLUMNS:
        raise ConfigError(
            f"'{setting}' must have at most {MOST_COLUMNS} rows, got {n}; use "
            "'prior.kind: whittle_matern' for more cells."
        )
    found = np.zeros(n)
    for first in range(0, n, BLOCK):
        rows = factor.apply_back(np.eye(n, min(BLOCK, n - first), -first))
        found[first : first + BLOCK] = np.sqrt((rows * rows).sum(axis=0))
    return found
