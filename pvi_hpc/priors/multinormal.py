r"""Normal cells whose covariance is given as a matrix, cut off at bounds where there are any.

With :math:`\Sigma = F F^T`, :math:`m = \mu + F \xi` where nothing is cut off. Bounds cut each
cell by itself: its normal score :math:`(F \xi)_i / \sigma_i` goes through the quantile function
of the normal that is cut off (a Gaussian copula), so that the scores keep the correlation of
:math:`\Sigma`.
"""

from collections.abc import Iterable
from typing import Any, ClassVar, Final, Self

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array

from pvi_hpc.errors import ConfigError, Finding
from pvi_hpc.grid import Cells
from pvi_hpc.priors.copula import CopulaPrior
from pvi_hpc.priors.correlations.cell_files import ArrayFile, read_matrix
from pvi_hpc.priors.correlations.factors import (
    DenseFactor,
    Factor,
    InverseFactor,
    SparseFactor,
    factor_of,
)
from pvi_hpc.priors.correlations.matrix import MatrixCorrelation, standard_deviations
from pvi_hpc.priors.normal import Normal, NormalSettings, Rows
from pvi_hpc.priors.settings import PriorSettings

__all__ = ["NormalPrior"]

Array = NDArray[np.float64]

MATRICES: Final = ("covariance", "scale_tril", "precision")


class NormalPrior(CopulaPrior[MatrixCorrelation]):
    """The prior of `prior.kind: normal`: independent cells, or those of a matrix."""

    Options: ClassVar[type[PriorSettings]] = NormalSettings

    @classmethod
    def from_options(cls, options: NormalSettings, cells: Cells) -> Any:
        """Return the prior of the active cells: a `Normal` where no matrix is given.

        Raises
        ------
        ConfigError
            If a matrix does not fit the cells, or is none that a covariance can have.
        """
        if options.matrix is None:
            return Normal.from_options(options, cells)
        return cls._of_matrix(options, options.matrix, cells)

    @classmethod
    def bounds(cls, options: NormalSettings, cells: Cells) -> tuple[float, float]:
        """Return the lowest and the highest velocity that any cell may have [m/s]."""
        if options.matrix is None or (options.lower_m_s and options.upper_m_s):
            return Normal.bounds(options, cells)
        law = cls._of_matrix(options, options.matrix, cells)
        return float(law.lower.min()), float(law.upper.max())

    @classmethod
    def check(cls, options: NormalSettings, cells: Cells) -> Iterable[Finding]:
        """Check that the tables cover the depths of the grid."""
        return Normal.check(options, cells)

    @classmethod
    def _of_matrix(
        cls, options: NormalSettings, given: tuple[str, Rows | ArrayFile], cells: Cells
    ) -> Self:
        (name, source), setting = given, f"prior.{given[0]}"
        if isinstance(source, ArrayFile):
            matrix = read_matrix(source, setting)
        else:
            matrix = np.asarray(source)
        k, box = matrix.shape[0], cells.box
        depths = 0 if box is None else box[0].stop - box[0].start
        if k not in (cells.n, depths):
            by_depth = f", or {depths} for the depths of every column" if depths else ""
            raise ConfigError(
                f"'{setting}' must have a row for each of the {cells.n} unknown cells"
                f"{by_depth}, got {k} rows."
            )
        factor = _factor(name, matrix, setting)
        sd = standard_deviations(factor, k, setting)
        columns = cells.n // k
        scale = np.repeat(sd, columns)
        centre = options.cell_values("mean_m_s", cells)
        lower, upper = Normal.sides(options, centre, scale, cells)
        correlation = MatrixCorrelation(factor, sd, columns)
        return cls(Normal(lower, upper, centre, scale), correlation)


def _factor(name: str, matrix: Array | csr_array, setting: str) -> Factor:
    """Return the factor of the covariance that `matrix` says."""
    if name == "covariance":
        return factor_of(matrix, setting)
    if name == "precision":
        return InverseFactor(factor_of(matrix, setting))
    diagonal, k = matrix.diagonal(), matrix.shape[0]
    above = np.triu(matrix, 1) if isinstance(matrix, np.ndarray) else _above(matrix)
    if above.any() or not (diagonal > 0).all():
        raise ConfigError(
            f"'{setting}' must be lower triangular with a positive diagonal, got others; "
            "take the Cholesky factor of the covariance."
        )
    if isinstance(matrix, np.ndarray):
        return DenseFactor(torch.from_numpy(matrix))
    return SparseFactor(matrix, np.arange(k))


def _above(matrix: csr_array) -> Array:
    """Return the elements above the diagonal that are stored."""
    entries = matrix.tocoo()
    return np.asarray(entries.data[entries.col > entries.row])
