"""Velocity models from and to files: HDF5, .npy and SEG-Y cubes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import h5py
import numpy as np
import segyio
from numpy.typing import NDArray

from pvi_hpc.data.segy import open_segy
from pvi_hpc.data.settings import ModelFileSettings
from pvi_hpc.errors import SurveyError
from pvi_hpc.grid import Grid
from pvi_hpc.store.new_hdf5 import new_hdf5

__all__ = ["read_model", "write_model"]

Model = NDArray[np.float32]


def read_model(settings: ModelFileSettings, grid: Grid) -> Model:
    """Read a model `(nz, ny, nx)` [m/s] that must lie on `grid`.

    HDF5: the dataset's attributes `spacing_m` (one or three values) and `origin_m`, where
    it has them, must be the grid's. SEG-Y: the samples are z; sorted by inline (y), then
    crossline (x).

    Raises
    ------
    SurveyError
        If the file is missing or of another kind, is on another grid, or holds values
        that are not finite and positive.
    """
    path = Path(settings.file)
    if path.suffix.lower() not in READERS:
        raise SurveyError(
            f"Model file '{path}' must end in {', '.join(READERS)}, got '{path.suffix}'."
        )
    try:
        values = READERS[path.suffix.lower()](path, settings.dataset, grid)
    except FileNotFoundError as error:
        raise SurveyError(
            f"Model file '{path}' does not exist; paths are relative to the directory of the "
            f"run, here '{Path.cwd()}'."
        ) from error
    except (OSError, ValueError, RuntimeError) as error:
        if isinstance(error, SurveyError):
            raise
        raise SurveyError(f"Cannot read the model file '{path}': {error}.") from error
    _check_values(values, grid, path)
    return np.ascontiguousarray(values, dtype=np.float32)


def write_model(model: NDArray[Any], grid: Grid, path: str | Path, dataset: str = "vp") -> None:
    """Write a model `(nz, ny, nx)` [m/s] as HDF5 with its grid, atomically."""
    with new_hdf5(path) as stream, h5py.File(stream, "w") as file:
        values = file.create_dataset(dataset, data=np.asarray(model, dtype=np.float32))
        values.attrs.update(
            units="m/s", axes="z,y,x", spacing_m=grid.spacing, origin_m=grid.origin
        )


def _read_hdf5(path: Path, dataset: str, grid: Grid) -> NDArray[Any]:
    if not path.exists():
        raise FileNotFoundError(path)
    with h5py.File(path, "r", locking=False) as file:
        if dataset not in file or not isinstance(file[dataset], h5py.Dataset):
            raise SurveyError(
                f"Model file '{path}' has no dataset '{dataset}', only {sorted(file)}; set "
                "'dataset' to one of them."
            )
        values = file[dataset]
        for name, setting, expected in (
            ("spacing", "grid.spacing_m", grid.spacing),
            ("origin", "grid.origin_m", grid.origin),
        ):
            found = values.attrs.get(f"{name}_m", values.attrs.get(name))
            if found is not None and not np.allclose(found, expected, rtol=1e-6, atol=1e-6):
                raise SurveyError(
                    f"Model file '{path}', dataset '{dataset}' has {name} "
                    f"{np.asarray(found).tolist()} m, '{setting}' is {list(expected)} m; "
                    f"interpolate the model to the run's grid, or change '{setting}'."
                )
        return np.asarray(values[()])


def _read_npy(path: Path, dataset: str, grid: Grid) -> NDArray[Any]:
    return np.asarray(np.load(path, allow_pickle=False))


def _read_segy(path: Path, dataset: str, grid: Grid) -> NDArray[Any]:
    with open_segy(path) as file:
        traces = np.asarray(file.trace.raw[:], dtype=np.float32)
        inline = np.asarray(file.attributes(segyio.TraceField.INLINE_3D)[:])
        crossline = np.asarray(file.attributes(segyio.TraceField.CROSSLINE_3D)[:])
    lines, columns = np.unique(inline), np.unique(crossline)
    order = np.lexsort((crossline, inline))
    pairs = {(int(a), int(b)) for a, b in zip(inline, crossline, strict=True)}
    if not len(pairs) == len(traces) == len(lines) * len(columns):
        raise SurveyError(
            f"Model file '{path}': {len(traces)} traces on {len(lines)} inlines (bytes "
            f"189-192) and {len(columns)} crosslines (bytes 193-196) do not fill a cube, one "
            "trace each; correct these headers or use HDF5."
        )
    cube = traces[order].reshape(len(lines), len(columns), -1)
    return np.moveaxis(cube, 2, 0)


#: Readers of model files, by the end of the file's name.
READERS: Final[dict[str, Callable[[Path, str, Grid], NDArray[Any]]]] = {
    ".h5": _read_hdf5,
    ".hdf5": _read_hdf5,
    ".npy": _read_npy,
    ".sgy": _read_segy,
    ".segy": _read_segy,
}


def _check_values(values: NDArray[Any], grid: Grid, path: Path) -> None:
    if values.shape != grid.shape:
        raise SurveyError(
            f"Model file '{path}' has shape {values.shape}, 'grid.shape' (nz, ny, nx) is "
            f"{grid.shape}; interpolate the model to the run's grid, or change 'grid.shape'."
        )
    if values.dtype.kind not in "fiu":
        raise SurveyError(f"Model file '{path}' must hold numbers, got {values.dtype}.")
    bad = ~(np.isfinite(values) & (values > 0))
    if bad.any():
        cell = tuple(int(i) for i in np.unravel_index(int(bad.argmax()), values.shape))
        raise SurveyError(
            f"Model file '{path}' must hold positive velocities [m/s], but cell (z, y, x) = "
            f"{cell} is {values[cell]} and {int(bad.sum())} cells are bad in all; repair it."
        )
