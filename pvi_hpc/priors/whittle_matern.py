r"""Correlated cells by the Whittle-Matern operator, whose lengths and dips may vary in space.

A Gaussian copula (`pvi_hpc.priors.copula`) with the correlation of
:math:`z = D A^{-\alpha/2} \xi`, :math:`A = 1 - \nabla \cdot H \nabla` on the unknown cells, no
flux through their edges, and :math:`D` such that every cell has unit variance (Lindgren, Rue &
Lindstroem 2011, Journal of the Royal Statistical Society B 73, section 2). Far from edges and
with a constant :math:`H = \ell^2 / (2\nu)` that is a Matern field of smoothness
:math:`\nu = \alpha - d/2` in `d` dimensions.
"""

from collections.abc import Iterable
from functools import lru_cache
from hashlib import blake2b
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from pvi_hpc.errors import ConfigError, Finding, ok
from pvi_hpc.grid import Cells
from pvi_hpc.numerics.petsc import has_petsc
from pvi_hpc.priors.copula import CopulaPrior
from pvi_hpc.priors.correlated import (
    CorrelatedSettings,
    check_lengths,
    marginal_kind,
    marginal_of,
)
from pvi_hpc.priors.correlations.coefficients import AngleValues, LengthValues, rotated_tensor
from pvi_hpc.priors.correlations.correlation import Correlation
from pvi_hpc.priors.correlations.cosine import CosineCorrelation, second_differences
from pvi_hpc.priors.correlations.layered import LayeredCorrelation
from pvi_hpc.priors.correlations.spde import SpdeCorrelation
from pvi_hpc.priors.settings import PriorSettings

__all__ = ["WhittleMatern", "WhittleMaternSettings"]

Array = NDArray[np.float64]


class WhittleMaternSettings(CorrelatedSettings):
    """Correlated cells whose lengths and dips may vary in space; fixed cells of any shape."""

    kind: Literal["whittle_matern"]
    length_m: LengthValues | tuple[LengthValues, LengthValues, LengthValues] = Field(
        description="Correlation length, one or (z, y, x) [m]: a number, a table "
        "{depth_m, values} or a file with that of every cell."
    )
    dip_deg: AngleValues = Field(
        0.0, description="Dip of layers below the horizontal [degrees], as a length is given."
    )
    azimuth_deg: AngleValues = Field(
        0.0, description="Direction that layers dip to, from x towards y [degrees]."
    )
    alpha: Literal[2, 3, 4] = Field(
        2,
        description="Power of the operator: in 3D a smoothness of 0.5 (2), 1.5 (3) or 2.5 (4); "
        "3 needs lengths that are numbers, and no dip.",
    )
    solver: Literal["auto", "petsc", "cosine"] = Field(
        "auto",
        description="cosine: for coefficients that depend on depth only; petsc: for any; "
        "auto: cosine where it can.",
    )
    unknowns: Literal["auto", "waves", "cells"] = Field(
        "auto",
        description="waves: amplitudes of cosine waves, which data tie less to each other, by "
        "cosine transforms only; cells: what PETSc has; auto: waves where they can be.",
    )
    tolerance: Annotated[float, Field(ge=1e-14, le=1e-4)] = Field(
        1e-10, description="Relative residual of PETSc's solves."
    )

    @property
    def lengths(self) -> tuple[LengthValues, LengthValues, LengthValues]:
        """Lengths along z, y and x."""
        length = self.length_m
        return length if isinstance(length, tuple) else (length, length, length)

    @property
    def by_depth(self) -> bool:
        """True where nothing but depth changes the coefficients, and nothing dips."""
        numbers = all(isinstance(v, float) or v.by_depth for v in self.lengths)
        return numbers and self.dip_deg == 0

    @model_validator(mode="after")
    def _solver_fits(self) -> Self:
        numbers = all(isinstance(length, float) for length in self.lengths)
        if self.alpha == 3 and (self.solver == "petsc" or self.dip_deg != 0 or not numbers):
            raise ValueError(
                "'alpha: 3' needs lengths that are numbers, 'dip_deg: 0' and not 'solver: "
                "petsc', because only cosine transforms have the root of the operator; choose "
                "2 or 4"
            )
        only_cosine = self.solver == "cosine" or self.unknowns == "waves"
        if only_cosine and (self.solver == "petsc" or not self.by_depth):
            raise ValueError(
                "'solver: cosine' and 'unknowns: waves' need lengths that are numbers or "
                "tables by depth and 'dip_deg: 0', and not 'solver: petsc'; choose 'auto'"
            )
        return self


class WhittleMatern(CopulaPrior[Correlation]):
    """Cells with the distributions of `marginal` and the correlation of the operator."""

    Options: ClassVar[type[PriorSettings]] = WhittleMaternSettings

    @classmethod
    def from_options(cls, options: WhittleMaternSettings, cells: Cells) -> Self:
        """Return the prior of the active cells.

        Raises
        ------
        ConfigError
            If a file does not fit the grid, the solver the cells, or PETSc is missing.
        """
        return cls(marginal_of(options, cells), _correlation(options, cells))

    @classmethod
    def bounds(cls, options: WhittleMaternSettings, cells: Cells) -> tuple[float, float]:
        """Return the lowest and the highest velocity that any cell may have [m/s]."""
        return marginal_kind(options).bounds(options.of_cells, cells)

    @classmethod
    def check(cls, options: WhittleMaternSettings, cells: Cells) -> Iterable[Finding]:
        """Say which solver serves, and which lengths fit the grid badly."""
        yield from marginal_kind(options).check(options.of_cells, cells)
        middle = [_typical(options, axis, cells) for axis in range(3)]
        yield from check_lengths((middle[0], middle[1], middle[2]), cells)
        cosine = _by_cosine(options, cells)
        if cosine or has_petsc():
            way = "cosine transforms" if cosine else "PETSc"
            yield ok("prior.solver", f"the operator is solved by {way}.")


def _by_cosine(options: WhittleMaternSettings, cells: Cells) -> bool:
    only_cosine = options.solver == "cosine" or options.unknowns == "waves"
    if (only_cosine or options.alpha == 3) and cells.box is None:
        raise ConfigError(
            "'prior.solver: cosine', 'prior.unknowns: waves' and 'prior.alpha: 3' need unknown "
            "cells that fill a box of the grid; choose 'auto', which takes PETSc for others, "
            "and 'alpha: 2'."
        )
    return options.solver != "petsc" and options.by_depth and cells.box is not None


def _typical(options: WhittleMaternSettings, axis: int, cells: Cells) -> float:
    value = options.lengths[axis]
    if isinstance(value, float):
        return value
    return float(np.median(value.at(cells, f"prior.length_m[{'zyx'[axis]}]")[cells.active]))


def _correlation(options: WhittleMaternSettings, cells: Cells) -> Correlation:
    box, spacing, alpha = _hull(cells), cells.grid.spacing, options.alpha
    active = cells.active[box]
    # Of an axis with one cell nothing flows along it.
    dimensions = sum(n > 1 for n in active.shape)
    nu = alpha - 0.5 * dimensions
    names = [f"prior.length_m[{axis}]" for axis in "zyx"]
    lengths = [_values(v, cells, s)[box] for v, s in zip(options.lengths, names, strict=True)]
    if not _by_cosine(options, cells):
        angles = [
            _values(v, cells, f"prior.{name}")[box]
            for name, v in (("dip_deg", options.dip_deg), ("azimuth_deg", options.azimuth_deg))
        ]
        tensor = rotated_tensor(lengths, angles[0], angles[1]) / (2 * nu)
        h = np.asarray(spacing)
        tensor /= (h[:, None] * h)[..., None, None, None]
        return _spde(_Content(tensor, active), alpha, options.tolerance)
    diffusion = np.stack(
        [v[:, 0, 0] ** 2 / (2 * nu * h * h) for v, h in zip(lengths, spacing, strict=True)]
    )
    waves = options.unknowns != "cells"
    if not all(isinstance(length, float) for length in options.lengths):
        return LayeredCorrelation(active.shape, diffusion, alpha, waves)
    along = [
        d * second_differences(n) for d, n in zip(diffusion[:, 0], active.shape, strict=True)
    ]
    spectrum = 1 + along[0][:, None, None] + along[1][:, None] + along[2]
    return CosineCorrelation(spectrum**alpha, waves)


class _Content:
    """Coefficients of an operator, equal where all their bytes are."""

    def __init__(self, tensor: Array, active: NDArray[np.bool_]) -> None:
        self.tensor, self.active = tensor, active
        digest = blake2b(np.ascontiguousarray(tensor).data)
        digest.update(np.ascontiguousarray(active).data)
        self._digest = active.shape, digest.digest()

    def __hash__(self) -> int:
        return hash(self._digest)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Content) and self._digest == other._digest


@lru_cache(maxsize=2)
def _spde(content: _Content, alpha: int, tolerance: float) -> SpdeCorrelation:
    """Return a correlation whose variances, which take long, are computed once."""
    return SpdeCorrelation(content.tensor, content.active, alpha, tolerance)


def _values(value: Any, cells: Cells, setting: str) -> Array:
    if isinstance(value, float):
        return np.full(cells.grid.shape, value)
    found: Array = value.at(cells, setting)
    return found


def _hull(cells: Cells) -> tuple[slice, slice, slice]:
    """Return the smallest box of the grid that holds the active cells."""
    others = (1, 2), (0, 2), (0, 1)
    held = [np.flatnonzero(cells.active.any(axis=axes)) for axes in others]
    z, y, x = (slice(int(k[0]), int(k[-1]) + 1) for k in held)
    return z, y, x
