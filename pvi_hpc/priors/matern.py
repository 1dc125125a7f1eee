r"""Velocities of any marginal by depth, of which neighbouring cells are alike.

A Gaussian copula (`pvi_hpc.priors.copula`) whose correlation is of Matern class, the product
of one Matern correlation for each axis ("separable"). With equal lengths along the axes it is
nearly isotropic for a smoothness of 3/2 and more; for 1/2 its contours are diamonds.
"""

from collections.abc import Iterable
from typing import Annotated, ClassVar, Final, Literal, Self

import numpy as np
from pydantic import Field, PositiveFloat
from torch import Tensor

from pvi_hpc.errors import ConfigError, Finding
from pvi_hpc.grid import Cells
from pvi_hpc.priors.copula import CopulaPrior
from pvi_hpc.priors.correlated import (
    CorrelatedSettings,
    check_lengths,
    marginal_kind,
    marginal_of,
)
from pvi_hpc.priors.correlations.separable import SeparableCorrelation, matern_correlation
from pvi_hpc.priors.prior import START_THETA_MAX
from pvi_hpc.priors.settings import PriorSettings

__all__ = ["Matern", "MaternSettings"]

#: Smoothness of a field: below 1/2 it is rougher than any rock, above 5/2 float64 fails soon.
Smoothness = Annotated[float, Field(ge=0.5, le=2.5)]
#: A starting model that the correlation allows is followed to this many sds of each cell.
START_ERROR: Final = 0.1


class MaternSettings(CorrelatedSettings):
    """Correlated cells: each by itself is uniform or normal, neighbours are alike."""

    kind: Literal["matern"]
    length_m: PositiveFloat | tuple[PositiveFloat, PositiveFloat, PositiveFloat] = Field(
        description="Correlation length, one or (z, y, x) [m]."
    )
    smoothness: Smoothness | tuple[Smoothness, Smoothness, Smoothness] = Field(
        1.5, description="Matern index from 0.5 (rough) to 2.5 (smooth), one or (z, y, x)."
    )

    def along(self, axis: int) -> tuple[float, float]:
        """Return length [m] and smoothness along axis 0 (z), 1 (y) or 2 (x)."""
        both = self.length_m, self.smoothness
        length, smoothness = (v[axis] if isinstance(v, tuple) else v for v in both)
        return length, smoothness


class Matern(CopulaPrior[SeparableCorrelation]):
    """Cells of a box with the distributions of `marginal`, correlated by `correlation`."""

    Options: ClassVar[type[PriorSettings]] = MaternSettings

    @classmethod
    def from_options(cls, options: MaternSettings, cells: Cells) -> Self:
        """Return the prior of the active cells.

        Raises
        ------
        ConfigError
            If they fill no box of the grid, or a length is too long for its smoothness.
        """
        box = cells.box
        if box is None:
            raise ConfigError(
                "'prior.kind: matern' needs unknown cells that fill a box of the grid; choose "
                "a 'fixed_above_m' above its last cell, or 'prior.kind: whittle_matern'."
            )
        correlations = []
        for axis, part in enumerate(box):
            places = cells.grid.axis(axis)[part]
            distance = np.abs(places[:, None] - places)
            correlations.append(matern_correlation(distance, *options.along(axis)))
        return cls(marginal_of(options, cells), SeparableCorrelation(correlations))

    @classmethod
    def bounds(cls, options: MaternSettings, cells: Cells) -> tuple[float, float]:
        """Return the lowest and the highest velocity that any cell may have [m/s]."""
        return marginal_kind(options).bounds(options.of_cells, cells)

    @classmethod
    def check(cls, options: MaternSettings, cells: Cells) -> Iterable[Finding]:
        """Say how many cells the lengths are, and which fit the grid badly."""
        yield from marginal_kind(options).check(options.of_cells, cells)
        z, y, x = (options.along(axis)[0] for axis in range(3))
        yield from check_lengths((z, y, x), cells)

    def _start(self, field: Tensor) -> Tensor:
        sd = START_ERROR
        while (theta := self.correlation.plausible(field, sd)).abs().max() > START_THETA_MAX:
            sd *= 2
        return theta
