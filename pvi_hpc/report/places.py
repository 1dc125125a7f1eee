"""Places that the report shows: the cells of its slices and wells."""

from typing import NamedTuple

import numpy as np

from pvi_hpc.config.project import ReportSettings
from pvi_hpc.grid import Grid

__all__ = ["PLANES", "Plane", "Well", "plane_title", "planes", "slice_indices", "wells"]

KM = 1e-3


class Plane(NamedTuple):
    """A kind of section: the axis it is perpendicular to, and those it shows."""

    name: str
    normal: int
    vertical: int
    horizontal: int


#: Axis numbers are those of the fields: 0 z, 1 y, 2 x.
PLANES = (
    Plane("Depth slice", 0, 1, 2),
    Plane("Inline section", 1, 0, 2),
    Plane("Crossline section", 2, 0, 1),
)


class Well(NamedTuple):
    """A column of cells."""

    iy: int
    ix: int
    label: str


def planes(grid: Grid) -> tuple[Plane, ...]:
    """Return the planes to show: those along two axes of more than one cell.

    On a grid that has no such plane, the one along its longest axis.
    """
    found = tuple(
        p for p in PLANES if min(grid.shape[p.vertical], grid.shape[p.horizontal]) > 1
    )
    longest = int(np.argmax(grid.shape))
    return found or tuple(p for p in PLANES if longest in (p.vertical, p.horizontal))[-1:]


def slice_indices(grid: Grid, settings: ReportSettings) -> tuple[int, int, int]:
    """Return the cells `(iz, iy, ix)` the slices go through; the middle if not chosen."""
    chosen = (settings.depth_m, settings.y_m, settings.x_m)
    iz, iy, ix = (
        grid.shape[axis] // 2 if value is None else _nearest(grid, axis, value)
        for axis, value in enumerate(chosen)
    )
    return iz, iy, ix


def wells(grid: Grid, settings: ReportSettings) -> tuple[Well, ...]:
    """Return the wells chosen, or three along the diagonal of the map."""
    if settings.wells_y_x_m:
        cells = [(_nearest(grid, 1, y), _nearest(grid, 2, x)) for y, x in settings.wells_y_x_m]
    else:
        _, ny, nx = grid.shape
        cells = [(i * ny // 4, i * nx // 4) for i in (1, 2, 3)]
    cells = list(dict.fromkeys(cells))  # a thin grid has fewer columns
    return tuple(
        Well(iy, ix, f"y = {grid.axis(1)[iy] * KM:.2f} km, x = {grid.axis(2)[ix] * KM:.2f} km")
        for iy, ix in cells
    )


def plane_title(plane: Plane, grid: Grid, index: int) -> str:
    """Return a heading such as `Inline section, y = 1.20 km`."""
    return f"{plane.name}, {'zyx'[plane.normal]} = {grid.axis(plane.normal)[index] * KM:.2f} km"


def _nearest(grid: Grid, axis: int, value: float) -> int:
    return int(np.abs(grid.axis(axis) - value).argmin())
