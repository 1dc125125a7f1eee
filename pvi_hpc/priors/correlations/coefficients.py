"""Lengths and angles of a correlated prior that may vary in space."""

from collections.abc import Sequence
from typing import Annotated, Any, Generic, Self, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Discriminator, Field, PositiveFloat, Tag, model_validator

from pvi_hpc.errors import ConfigError
from pvi_hpc.grid import Cells
from pvi_hpc.plugins import Depths, Settings
from pvi_hpc.priors.correlations.cell_files import ArrayFile, read_array

__all__ = ["AngleValues", "LengthValues", "rotated_tensor"]

Array = NDArray[np.float64]
Number = TypeVar("Number")


class DepthTable(Settings, Generic[Number]):
    """Values by depth: linear between the nodes, constant beyond."""

    depth_m: Depths = Field(description="Nodes of the table [m].")
    values: tuple[Number, ...] = Field(description="Value at every node.")

    @property
    def by_depth(self) -> bool:
        """True: only depth changes them."""
        return True

    def at(self, cells: Cells, setting: str) -> Array:
        """Return the values of all cells `(nz, ny, nx)`."""
        profile = np.interp(cells.grid.axis(0), self.depth_m, np.asarray(self.values, float))
        return np.broadcast_to(profile[:, None, None], cells.grid.shape)

    @model_validator(mode="after")
    def _table(self) -> Self:
        if len(self.values) != len(self.depth_m):
            raise ValueError(
                f"'values' must have {len(self.depth_m)} values like 'depth_m', got "
                f"{len(self.values)}"
            )
        if any(b <= a for a, b in zip(self.depth_m, self.depth_m[1:], strict=False)):
            raise ValueError(f"'depth_m' must increase, got {self.depth_m}")
        return self


class AngleTable(DepthTable[float]):
    """Angles by depth [degrees]: linear between the nodes, constant beyond."""


class LengthTable(DepthTable[PositiveFloat]):
    """Lengths by depth [m]: linear between the nodes, constant beyond."""


class AngleFile(ArrayFile):
    """Angles of all cells, from a file."""

    @property
    def by_depth(self) -> bool:
        """False: they may change in any direction."""
        return False

    def at(self, cells: Cells, setting: str) -> Array:
        """Return the values of all cells `(nz, ny, nx)`."""
        return read_array(self, cells.grid.shape, setting)


class LengthFile(AngleFile):
    """Lengths of all cells, from a file."""

    def at(self, cells: Cells, setting: str) -> Array:
        """Return the values of all cells `(nz, ny, nx)`; ConfigError if one is not positive."""
        found = super().at(cells, setting)
        if found.min() <= 0:
            raise ConfigError(
                f"'{setting}' must be positive [m], but '{self.file}' holds {found.min():g}."
            )
        return found


def _branch(value: Any) -> str:
    if isinstance(value, (DepthTable, AngleFile)):
        return "[file]" if isinstance(value, AngleFile) else "[table]"
    if isinstance(value, dict):
        return "[file]" if "file" in value else "[table]"
    return "[number]"


#: A length [m], or an angle [degrees]: a number, a table by depth or a file by cell.
LengthValues: TypeAlias = Annotated[
    Annotated[PositiveFloat, Tag("[number]")]
    | Annotated[LengthTable, Tag("[table]")]
    | Annotated[LengthFile, Tag("[file]")],
    Discriminator(_branch),
]
AngleValues: TypeAlias = Annotated[
    Annotated[float, Tag("[number]")]
    | Annotated[AngleTable, Tag("[table]")]
    | Annotated[AngleFile, Tag("[file]")],
    Discriminator(_branch),
]


def rotated_tensor(lengths: Sequence[Array], dip: Array, azimuth: Array) -> Array:
    """Return `R diag(length^2) R^T` of every cell `(3, 3, nz, ny, nx)` [m2], axes (z, y, x).

    Parameters
    ----------
    lengths
        Lengths across layers, along strike and down dip [m].
    dip
        Angle of layers below the horizontal [degrees].
    azimuth
        Direction of dip, from x towards y [degrees].
    """
    d, a = np.radians(dip), np.radians(azimuth)
    nothing = np.zeros_like(d)
    across = np.stack([np.cos(d), -np.sin(d) * np.sin(a), -np.sin(d) * np.cos(a)])
    strike = np.stack([nothing, np.cos(a), -np.sin(a)])
    down = np.stack([np.sin(d), np.cos(d) * np.sin(a), np.cos(d) * np.cos(a)])
    total = np.zeros((3, 3, *d.shape))
    for length, axis in zip(lengths, (across, strike, down), strict=True):
        total += length**2 * axis[:, None] * axis[None]
    return total
