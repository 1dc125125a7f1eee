"""Velocity models from and to files: HDF5, .npy and SEG-Y cubes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import h5py
import numpy as np
from numpy.typing import NDArray

from pvi_hpc.data.hdf5_input import dataset_names, find_dataset, open_hdf5
from pvi_hpc.data.model_grid import check_stated_grid, has_stated_grid
from pvi_hpc.data.model_segy import cube_has_coordinates, read_cube
from pvi_hpc.data.settings import ModelFileSettings
from pvi_hpc.errors import SurveyError
from pvi_hpc.grid import Grid
from pvi_hpc.store.new_hdf5 import new_hdf5

__all__ = ["read_model", "states_grid", "write_model"]

Model = NDArray[np.float32]


def read_model(settings: ModelFileSettings, grid: Grid) -> Model:
    """Read a model `(nz, ny, nx)` [m/s] that must lie on `grid`.

    For a grid of one cell along y, arrays may be `(nz, nx)`, with `axes` z and x.

    Whatever the file says about its grid must agree with it. HDF5: the attributes `axes`,
    `spacing_m`, `origin_m` and `units` of the dataset or a group above it, and coordinates
    that are attached to its axes. SEG-Y: see `pvi_hpc.data.model_segy.read_cube`.

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
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        if isinstance(error, SurveyError):
            raise
        raise SurveyError(f"Cannot read the model file '{path}': {error}.") from error
    _check_values(values, path)
    return np.ascontiguousarray(values, dtype=np.float32).reshape(grid.shape)


def states_grid(settings: ModelFileSettings) -> bool:
    """Tell whether a model file that `read_model` takes says on which grid it lies."""
    path = Path(settings.file)
    reader = READERS[path.suffix.lower()]
    if reader is _read_segy:
        return cube_has_coordinates(path)
    if reader is _read_npy:
        return False
    with open_hdf5(path) as file:
        return has_stated_grid(find_dataset(file, settings.dataset))


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
    with open_hdf5(path) as file:
        values = find_dataset(file, dataset)
        if values is None:
            raise SurveyError(
                f"Model file '{path}' has no dataset '{dataset}', only {dataset_names(file)}; "
                "set 'dataset' to one of them."
            )
        _check_shape(values, grid, path)
        check_stated_grid(values, grid, f"Model file '{path}', dataset '{dataset}'")
        return np.asarray(values[()])


def _read_npy(path: Path, dataset: str, grid: Grid) -> NDArray[Any]:
    # Mapped, so that the shape is compared before anything is read.
    values = np.lib.format.open_memmap(path, mode="r")
    _check_shape(values, grid, path)
    return np.array(values)


def _read_segy(path: Path, dataset: str, grid: Grid) -> NDArray[Any]:
    return read_cube(path, grid)


#: Readers of model files, by the end of the file's name.
READERS: Final[dict[str, Callable[[Path, str, Grid], NDArray[Any]]]] = {
    ".h5": _read_hdf5,
    ".hdf5": _read_hdf5,
    ".npy": _read_npy,
    ".sgy": _read_segy,
    ".segy": _read_segy,
}


def _check_shape(values: Any, grid: Grid, path: Path) -> None:
    """Check shape and type of an array that need not be in memory."""
    nz, ny, nx = grid.shape
    if values.shape != grid.shape and (ny > 1 or values.shape != (nz, nx)):
        raise SurveyError(
            f"Model file '{path}' has shape {values.shape}, 'grid.shape' (nz, ny, nx) is "
            f"{grid.shape}; interpolate the model to the run's grid, or change 'grid.shape'."
        )
    if values.dtype.kind not in "fiu":
        raise SurveyError(f"Model file '{path}' must hold numbers, got {values.dtype}.")


def _check_values(values: NDArray[Any], path: Path) -> None:
    bad = ~(np.isfinite(values) & (values > 0))
    if bad.any():
        cell = tuple(int(i) for i in np.unravel_index(int(bad.argmax()), values.shape))
        raise SurveyError(
            f"Model file '{path}' must hold positive velocities [m/s], but cell (z, y, x) = "
            f"{cell} is {values[cell]} and {int(bad.sum())} cells are bad in all; repair it."
        )
