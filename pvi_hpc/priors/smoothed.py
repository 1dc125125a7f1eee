r"""Correlated cells by a precision of second differences, with a length along each axis.

A Gaussian copula (`pvi_hpc.priors.copula`) of the field with the precision

.. math:: I + \sum_a \Big( \frac{\ell_a}{h_a} \Big)^4 S_a^T S_a,

:math:`S_a` the second differences along axis :math:`a` with mirrored edges, a random walk of
second order (Rue & Held 2005, Gaussian Markov Random Fields, section 3.4): waves of wavenumber
:math:`k` with :math:`k \ell_a > 1` are damped, the faster the more.
"""

from collections.abc import Iterable
from typing import ClassVar, Literal, Self

from pydantic import Field, PositiveFloat

from pvi_hpc.errors import ConfigError, Finding
from pvi_hpc.grid import Cells
from pvi_hpc.priors.copula import CopulaPrior
from pvi_hpc.priors.correlated import (
    CorrelatedSettings,
    check_lengths,
    marginal_kind,
    marginal_of,
)
from pvi_hpc.priors.correlations.cosine import CosineCorrelation, second_differences
from pvi_hpc.priors.settings import PriorSettings

__all__ = ["Smoothed", "SmoothedSettings"]


class SmoothedSettings(CorrelatedSettings):
    """Cells smoothed by second differences; each by itself is uniform or normal."""

    kind: Literal["smoothed"]
    length_m: PositiveFloat | tuple[PositiveFloat, PositiveFloat, PositiveFloat] = Field(
        description="Length of the smoothing, one or (z, y, x) [m]."
    )

    @property
    def lengths(self) -> tuple[float, float, float]:
        """Lengths along z, y and x [m]."""
        length = self.length_m
        return length if isinstance(length, tuple) else (length, length, length)


class Smoothed(CopulaPrior[CosineCorrelation]):
    """Cells of a box with the distributions of `marginal`, smooth along the axes."""

    Options: ClassVar[type[PriorSettings]] = SmoothedSettings

    @classmethod
    def from_options(cls, options: SmoothedSettings, cells: Cells) -> Self:
        """Return the prior of the active cells.

        Raises
        ------
        ConfigError
            If they fill no box of the grid.
        """
        box = cells.box
        if box is None:
            raise ConfigError(
                "'prior.kind: smoothed' needs unknown cells that fill a box of the grid; "
                "choose a 'fixed_above_m' above its last cell, or 'whittle_matern'."
            )
        z, y, x = (
            ((length / h) ** 2 * second_differences(part.stop - part.start)) ** 2
            for length, h, part in zip(options.lengths, cells.grid.spacing, box, strict=True)
        )
        precision = 1 + z[:, None, None] + y[:, None] + x
        return cls(marginal_of(options, cells), CosineCorrelation(precision, waves=True))

    @classmethod
    def bounds(cls, options: SmoothedSettings, cells: Cells) -> tuple[float, float]:
        """Return the lowest and the highest velocity that any cell may have [m/s]."""
        return marginal_kind(options).bounds(options.of_cells, cells)

    @classmethod
    def check(cls, options: SmoothedSettings, cells: Cells) -> Iterable[Finding]:
        """Say how many cells the lengths are, and which fit the grid badly."""
        yield from marginal_kind(options).check(options.of_cells, cells)
        yield from check_lengths(options.lengths, cells)
