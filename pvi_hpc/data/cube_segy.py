"""A field as a SEG-Y cube: inlines along y, crosslines along x, samples in depth."""

from pathlib import Path
from typing import Any, Final

import numpy as np
import segyio
from numpy.typing import NDArray

from pvi_hpc.errors import SurveyError
from pvi_hpc.grid import Grid
from pvi_hpc.store.atomic import atomic_path

__all__ = ["write_cube"]

#: Largest number of a signed header word of four bytes.
LARGEST: Final = 2**31 - 1
#: Largest sampling interval of two bytes, in mm; beyond it, it is told in m.
LONGEST_MM: Final = 65535
#: Finest steps of coordinates [m], by the scalar in bytes 71-72 that says it.
SCALARS: Final = {-1000: 1e-3, -100: 1e-2, -10: 0.1, 1: 1.0}


def write_cube(path: str | Path, grid: Grid, field: NDArray[Any], title: str) -> None:
    """Write a field `(nz, ny, nx)` as SEG-Y, IEEE floats, one trace a column of cells.

    Inlines count along y and crosslines along x, from 1. Coordinates of the columns are in
    bytes 181-188 (CDP) and 73-80, with the scalar of bytes 71-72; the sampling interval is the
    depth step in mm, in m where that does not fit; bytes 109-110 hold the first depth in m.

    Raises
    ------
    SurveyError
        If coordinates are too large for SEG-Y, or the field has another shape.
    """
    nz, ny, nx = grid.shape
    if field.shape != grid.shape:
        raise SurveyError(
            f"The field must have the grid's shape {grid.shape}, got {field.shape}."
        )
    scalar, step = _scalar(grid)
    interval = round(1000 * grid.spacing[0])
    interval = interval if interval <= LONGEST_MM else round(grid.spacing[0])
    spec = segyio.spec()
    spec.format, spec.sorting = 5, 2
    spec.samples = grid.axis(0)
    spec.ilines, spec.xlines = np.arange(1, ny + 1), np.arange(1, nx + 1)
    traces = np.ascontiguousarray(np.moveaxis(field, 0, 2).reshape(-1, nz), dtype=np.float32)
    with atomic_path(Path(path)) as temporary, segyio.create(str(temporary), spec) as file:
        file.text[0] = segyio.create_text_header({1: title, 2: "DEPTH IN M, COORDINATES IN M"})
        file.bin.update(
            {segyio.BinField.Interval: interval, segyio.BinField.MeasurementSystem: 1}
        )
        for i, trace in enumerate(traces):
            line, column = divmod(i, nx)
            y, x = (round(grid.axis(a)[k] / step) for a, k in ((1, line), (2, column)))
            file.header[i] = _header(i, line, column, {"y": y, "x": x, "scalar": scalar}) | {
                segyio.su.ns: nz,
                segyio.su.dt: interval,
                segyio.su.delrt: round(grid.origin[0]),
            }
            file.trace[i] = trace


def _header(i: int, line: int, column: int, place: dict[str, int]) -> dict[Any, int]:
    return {
        segyio.su.tracl: i + 1,
        segyio.su.tracr: i + 1,
        segyio.su.cdp: i + 1,
        segyio.su.scalco: place["scalar"],
        segyio.su.counit: 1,
        segyio.su.sx: place["x"],
        segyio.su.sy: place["y"],
        segyio.su.cdpx: place["x"],
        segyio.su.cdpy: place["y"],
        segyio.su.iline: line + 1,
        segyio.su.xline: column + 1,
    }


def _scalar(grid: Grid) -> tuple[int, float]:
    """Return the scalar of the coordinates, and the step that it says [m]."""
    farthest = max(
        abs(edge) for axis in (1, 2) for edge in (grid.origin[axis], grid.upper[axis])
    )
    for scalar, step in SCALARS.items():
        if farthest / step < LARGEST:
            return scalar, step
    raise SurveyError(
        f"'grid.origin_m' must leave all coordinates below {LARGEST} m for SEG-Y, got "
        f"coordinates up to {farthest:g} m; export to NumPy or VTKHDF."
    )
