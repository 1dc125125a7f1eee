"""Posterior samples as netCDF4, the way ArviZ and xarray expect them.

Group `posterior`, variable `velocity` with dimensions `(chain, draw, z, y, x)`. Samples are
written and read one at a time, so a run of any size fits into memory.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import h5netcdf
import numpy as np
from numpy.typing import NDArray

from pvi_hpc.grid import Grid
from pvi_hpc.store.new_hdf5 import new_hdf5
from pvi_hpc.store.result_schema import ResultFileError, check_schema, stamp

__all__ = [
    "SCHEMA_VERSION",
    "count_samples",
    "iter_samples",
    "sample_attributes",
    "write_samples",
]

SCHEMA: Final = "pvi_hpc.samples"
SCHEMA_VERSION: Final = 1

#: Number of cells of one HDF5 chunk: 16 MiB of float32.
CHUNK_CELLS: Final = 4 * 1024**2

#: All planes of a model.
WHOLE: Final = slice(None)

Sample = NDArray[np.float32]


def write_samples(
    path: str | Path,
    grid: Grid,
    samples: Iterable[NDArray[Any]],
    n_draws: int,
    attributes: Mapping[str, str] | None = None,
) -> None:
    """Write `n_draws` velocity models `(nz, ny, nx)` [m/s], taking one at a time.

    `samples` may be a generator: no more than one model is held in memory.

    Raises
    ------
    ResultFileError
        If `samples` yields fewer or more models, or one of another shape; nothing is
        written then.
    """
    with new_hdf5(path) as stream, h5netcdf.File(stream, "w") as file:
        stamp(file, SCHEMA, SCHEMA_VERSION, attributes or {})
        velocity = _create(file.create_group("posterior"), grid, n_draws, attributes or {})
        written = 0
        for written, model in enumerate(samples, start=1):
            if written > n_draws or np.shape(model) != grid.shape:
                raise ResultFileError(
                    f"'samples' must yield {n_draws} models of shape {grid.shape}, got "
                    f"number {written} of shape {np.shape(model)}."
                )
            velocity[0, written - 1] = np.asarray(model, dtype=np.float32)
            stream.check()
        if written < n_draws:
            raise ResultFileError(f"'samples' must yield {n_draws} models, got {written}.")


def sample_attributes(path: str | Path) -> dict[str, str]:
    """Return the attributes that a file was written with; errors as `check_schema`."""
    return check_schema(path, SCHEMA, SCHEMA_VERSION)


def count_samples(path: str | Path) -> int:
    """Return the number of samples of a file; errors as `check_schema`."""
    check_schema(path, SCHEMA, SCHEMA_VERSION)
    with h5netcdf.File(path, "r") as file:
        return int(file["posterior"].variables["velocity"].shape[1])


def iter_samples(
    path: str | Path, *, start: int = 0, stop: int | None = None, depths: slice = WHOLE
) -> Iterator[Sample]:
    """Yield the samples `start` to `stop` of a file, `(nz, ny, nx)` float32 [m/s] each.

    Of each, only the planes `depths` are read.
    """
    n_draws = count_samples(path)
    # A chunk that fits into HDF5's cache would be read whole for a few of its planes.
    with h5netcdf.File(path, "r", rdcc_nbytes=0) as file:
        velocity = file["posterior"].variables["velocity"]
        for i in range(start, n_draws if stop is None else min(stop, n_draws)):
            yield np.asarray(velocity[0, i, depths], dtype=np.float32)


def _create(group: Any, grid: Grid, n_draws: int, attributes: Mapping[str, str]) -> Any:
    nz, ny, nx = grid.shape
    group.dimensions = {"chain": 1, "draw": n_draws, "z": nz, "y": ny, "x": nx}
    for name, n in (("chain", 1), ("draw", n_draws)):
        group.create_variable(name, (name,), data=np.arange(n))
    for i, name in enumerate(("z", "y", "x")):
        axis = group.create_variable(name, (name,), data=grid.axis(i))
        axis.attrs["units"] = "m"
        axis.attrs["long_name"] = "depth" if name == "z" else f"{name} coordinate"
    group.variables["z"].attrs["positive"] = "down"
    for name, value in attributes.items():
        group.attrs[name] = str(value)
    slab = max(1, min(nz, CHUNK_CELLS // (ny * nx)))
    velocity = group.create_variable(
        "velocity",
        ("chain", "draw", "z", "y", "x"),
        dtype=np.float32,
        chunks=(1, 1, slab, ny, nx),
    )
    velocity.attrs["units"] = "m/s"
    velocity.attrs["long_name"] = "P-wave velocity"
    return velocity
