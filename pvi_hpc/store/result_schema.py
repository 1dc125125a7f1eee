"""Common parts of all result files: a schema name, a version, and the grid."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from pvi_hpc.errors import PviError
from pvi_hpc.grid import Grid

__all__ = ["ResultFileError", "check_schema", "read_grid", "stamp", "write_grid"]

AXES = ("z", "y", "x")


class ResultFileError(PviError, ValueError):
    """A result file is missing, damaged, or of another kind or version."""


def stamp(file: Any, schema: str, version: int, attributes: Mapping[str, str]) -> None:
    """Say in the root attributes of an open file what it is; `attributes` as text."""
    file.attrs["schema"] = schema
    file.attrs["schema_version"] = version
    file.attrs["axes"] = ",".join(AXES)
    for name, value in attributes.items():
        file.attrs[f"user_{name}"] = str(value)


def check_schema(path: str | Path, schema: str, version: int) -> dict[str, str]:
    """Return the user's attributes of a file that `stamp` marked.

    Raises
    ------
    ResultFileError
        If the file cannot be opened, or is of another schema or a later version.
    """
    try:
        with h5py.File(path, "r") as file:
            attributes = dict(file.attrs)
    except OSError as error:
        raise ResultFileError(
            f"Cannot read '{path}': {error}. Run the step that writes it again."
        ) from error
    # netCDF has no scalar attributes: h5netcdf wrote arrays of one number.
    version_found = int(np.ravel(attributes.get("schema_version", 0))[0])
    found = (attributes.get("schema"), version_found)
    if found[0] != schema or not 1 <= found[1] <= version:
        raise ResultFileError(
            f"'{path}' must hold schema '{schema}' of version 1 to {version}, got "
            f"'{found[0]}' version {found[1]}; write it again with this pvi_hpc."
        )
    return {k[5:]: str(v) for k, v in attributes.items() if k.startswith("user_")}


def write_grid(file: Any, grid: Grid) -> Sequence[Any]:
    """Write the coordinates `z`, `y`, `x` [m] as HDF5 dimension scales and return them."""
    file.attrs["spacing_m"] = np.asarray(grid.spacing)
    file.attrs["origin_m"] = np.asarray(grid.origin)
    scales = [file.create_dataset(name, data=grid.axis(i)) for i, name in enumerate(AXES)]
    for name, scale in zip(AXES, scales, strict=True):
        scale.make_scale(name)
        scale.attrs["units"] = "m"
    scales[0].attrs["positive"] = "down"
    return scales


def read_grid(file: Any) -> Grid:
    """Read what `write_grid` wrote."""
    nz, ny, nx = (len(file[name]) for name in AXES)
    dz, dy, dx = (float(h) for h in file.attrs["spacing_m"])
    z, y, x = (float(o) for o in file.attrs["origin_m"])
    return Grid((nz, ny, nx), (dz, dy, dx), (z, y, x))
