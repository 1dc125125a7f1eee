"""Fields for ParaView: a VTKHDF ImageData file, version 2.0.

Depth points down here and up there: ParaView draws z upwards, has no positive-down axis,
and several of its filters reject a negative spacing. So the file holds *elevation*,
z = -depth, with the deepest plane first; a model then hangs below z = 0 the right way up
and `(x, y, z)` stays right-handed. The point array `depth` [m] is there to label and clip.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import h5py
import numpy as np
from numpy.typing import NDArray

from pvi_hpc.grid import Grid
from pvi_hpc.store.new_hdf5 import new_hdf5
from pvi_hpc.store.posterior_file import PosteriorSummary
from pvi_hpc.store.result_schema import ResultFileError

__all__ = ["VERSION", "summary_fields", "write_vtkhdf"]

VERSION: Final = (2, 0)


def write_vtkhdf(
    path: str | Path,
    grid: Grid,
    fields: Mapping[str, NDArray[Any]],
    attributes: Mapping[str, str] | None = None,
) -> None:
    """Write fields `(nz, ny, nx)` by name as the point data of one image.

    The first field is the one ParaView colours by. Name the file `.vtkhdf`. `attributes` are
    free text for people, in the file's root, where ParaView does not look.

    Raises
    ------
    ResultFileError
        If a field has another shape than the grid.

    References
    ----------
    .. [1] VTKHDF format specification, docs.vtk.org, section ImageData.
    """
    for name, value in fields.items():
        if value.shape != grid.shape:
            raise ResultFileError(
                f"'{name}' must have the grid's shape {grid.shape}, got {value.shape}."
            )
    with new_hdf5(path) as stream, h5py.File(stream, "w") as file:
        file.attrs.update({f"user_{k}": str(v) for k, v in (attributes or {}).items()})
        root = file.create_group("VTKHDF")
        _describe(root, grid)
        points = root.create_group("PointData")
        for name, value in fields.items():
            points.create_dataset(name, data=np.asarray(value, dtype=np.float32)[::-1])
        depth = np.broadcast_to(grid.axis(0)[::-1, None, None], grid.shape)
        points.create_dataset("depth", data=depth.astype(np.float32))
        points[next(iter(fields), "depth")].attrs["Attribute"] = np.bytes_("Scalars")


def summary_fields(summary: PosteriorSummary) -> dict[str, NDArray[Any]]:
    """Return everything of a summary that is worth seeing in 3D, by name [m/s].

    Beside the fields of the summary: quantiles as `q05`, the ratio of posterior to prior sd
    as `sd_ratio` (1 where the prior has no spread), and `error` = mean - true.
    """
    fields: dict[str, NDArray[Any]] = dict(summary.fields())
    for q, value in summary.quantiles.items():
        fields[f"q{100 * q:04.1f}".replace(".0", "")] = value
    spread = summary.prior_sd > 0
    ratio = np.ones_like(summary.sd)
    fields["sd_ratio"] = np.divide(summary.sd, summary.prior_sd, out=ratio, where=spread)
    if summary.true is not None:
        fields["error"] = summary.mean - summary.true
    fields["fixed"] = summary.fixed
    return fields


def _describe(root: Any, grid: Grid) -> None:
    (nz, ny, nx), (dz, dy, dx) = grid.shape, grid.spacing
    root.attrs["Version"] = np.asarray(VERSION, dtype=np.int64)
    # The reader wants a fixed-length ASCII string; h5py writes str as variable-length UTF-8.
    root.attrs["Type"] = np.bytes_("ImageData")
    extent = (0, nx - 1, 0, ny - 1, 0, nz - 1)
    root.attrs["WholeExtent"] = np.asarray(extent, dtype=np.int64)
    origin = (grid.origin[2], grid.origin[1], -grid.upper[0])
    root.attrs["Origin"] = np.asarray(origin, dtype=np.float64)
    root.attrs["Spacing"] = np.asarray((dx, dy, dz), dtype=np.float64)
    root.attrs["Direction"] = np.eye(3).ravel()
