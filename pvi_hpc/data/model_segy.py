"""Velocity models in SEG-Y: a cube of traces along z, and the place that headers state."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pvi_hpc.data.trace_files.segy import read_segy_records
from pvi_hpc.data.trace_files.segy_layout import SegyLayout, read_layout
from pvi_hpc.data.trace_files.trace_headers import scale_factor
from pvi_hpc.errors import SurveyError
from pvi_hpc.grid import Grid

__all__ = ["cube_has_coordinates", "read_cube"]

Headers = Mapping[str, NDArray[Any]]

FIELDS: Final[Mapping[str, tuple[int, str]]] = {
    "SourceGroupScalar": (71, "i2"),
    "CoordinateUnits": (89, "i2"),
    "DelayRecordingTime": (109, "i2"),
    "TRACE_SAMPLE_INTERVAL": (117, "u2"),
    "CDP_X": (181, "i4"),
    "CDP_Y": (185, "i4"),
    "INLINE_3D": (189, "i4"),
    "CROSSLINE_3D": (193, "i4"),
}
#: Coordinates may be off by this share of the spacing, beside their rounding.
SLACK: Final = 0.01


def read_cube(path: Path, grid: Grid) -> NDArray[np.float32]:
    """Read a cube `(nz, ny, nx)`: samples are z, inlines y and crosslines x, all increasing.

    Sampling interval, first depth and coordinates of the traces must be the grid's, where
    the headers hold them.

    Raises
    ------
    SurveyError
        If the traces do not fill a cube, or the headers say that it lies elsewhere.
    """
    layout = read_layout(path)
    nz, ny, nx = grid.shape
    if layout.records.n_samples != nz or layout.records.n_traces > ny * nx:
        raise SurveyError(
            f"Model file '{path}' has {layout.records.n_traces} traces of "
            f"{layout.records.n_samples} samples, 'grid.shape' (nz, ny, nx) = {grid.shape} "
            f"needs {ny * nx} traces of {nz}; interpolate the model to the run's grid, or "
            "change 'grid.shape'."
        )
    records = read_segy_records(layout, FIELDS)
    headers = records.headers
    inline, crossline = headers["INLINE_3D"], headers["CROSSLINE_3D"]
    lines, columns = np.unique(inline), np.unique(crossline)
    pairs = {(int(a), int(b)) for a, b in zip(inline, crossline, strict=True)}
    if not len(pairs) == len(inline) == len(lines) * len(columns):
        raise SurveyError(
            f"Model file '{path}': {len(inline)} traces on {len(lines)} inlines (bytes "
            f"189-192) and {len(columns)} crosslines (bytes 193-196) do not fill a cube, one "
            "trace each; correct these headers or use HDF5."
        )
    _check_depths(layout, headers, grid)
    place = np.searchsorted(lines, inline), np.searchsorted(columns, crossline)
    _check_coordinates(path, headers, place, grid)
    cube = np.empty((len(lines), len(columns), nz), dtype=np.float32)
    cube[place] = records.data
    return np.moveaxis(cube, 2, 0)


def cube_has_coordinates(path: Path) -> bool:
    """Tell whether the headers of a cube hold coordinates of its traces."""
    layout = read_layout(path)
    first = replace(layout.records, n_traces=min(2, layout.records.n_traces))
    headers = read_segy_records(replace(layout, records=first), FIELDS).headers
    return bool(headers["CDP_X"].any() or headers["CDP_Y"].any())


def _check_depths(layout: SegyLayout, headers: Headers, grid: Grid) -> None:
    """Compare sampling interval and first depth, in mm or m, with the grid's z axis."""
    path, step = layout.records.path, np.unique(headers["TRACE_SAMPLE_INTERVAL"])
    stated = [x for x in (layout.micro, *step.tolist()) if x]
    first = [x for x in np.unique(headers["DelayRecordingTime"]).tolist() if x]
    for name, values, setting, expected in (
        ("a sampling interval", stated, "grid.spacing_m[0]", grid.spacing[0]),
        ("a first sample (bytes 109-110)", first, "grid.origin_m[0]", grid.origin[0]),
    ):
        for value in values:
            if min(abs(value - expected), abs(value - 1000 * expected)) > 0.5:
                raise SurveyError(
                    f"Model file '{path}' has {name} of {value:g}, '{setting}' is "
                    f"{expected:g} m: {1000 * expected:g} (mm) or {expected:g} (m) is needed; "
                    f"interpolate the model to the run's grid, correct '{setting}', or set "
                    "this header to 0."
                )


def _check_coordinates(
    path: Path, headers: Headers, place: tuple[NDArray[Any], NDArray[Any]], grid: Grid
) -> None:
    if not (headers["CDP_X"].any() or headers["CDP_Y"].any()):
        return
    units = headers["CoordinateUnits"]
    if not np.isin(units, (0, 1)).all():
        raise SurveyError(
            f"Model file '{path}' has CoordinateUnits (bytes 89-90) = "
            f"{int(units[~np.isin(units, (0, 1))][0])}, expected 0 or 1 (metres); project its "
            "coordinates (bytes 181-188) to metres, or clear them."
        )
    factor = scale_factor(headers["SourceGroupScalar"])
    for axis, name in ((1, "CDP_Y"), (2, "CDP_X")):
        found = headers[name] * factor
        expected = grid.origin[axis] + grid.spacing[axis] * place[axis - 1]
        off = np.abs(found - expected) > SLACK * grid.spacing[axis] + 0.5 * factor
        if off.any():
            i = int(off.argmax())
            first = FIELDS[name][0]
            raise SurveyError(
                f"Model file '{path}': trace {i + 1} (inline {headers['INLINE_3D'][i]}, "
                f"crossline {headers['CROSSLINE_3D'][i]}) has {name} = {found[i]:g} m (bytes "
                f"{first}-{first + 3}), but in the grid it is at {'zyx'[axis]} = "
                f"{expected[i]:g} m, and {int(off.sum())} of {len(off)} traces do not fit: "
                "inlines must increase with y and crosslines with x. Renumber them, correct "
                "'grid.origin_m' and 'grid.spacing_m', or clear the coordinates."
            )
