"""Arrays of a prior that come from files: values of cells, and matrices between cells."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import h5py
import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.sparse import csr_array, load_npz

from pvi_hpc.errors import ConfigError
from pvi_hpc.plugins import PathName, Settings

__all__ = ["ArrayFile", "files_of", "read_array", "read_matrix", "read_rectangle"]

Array = NDArray[np.float64]


class ArrayFile(Settings):
    """An array in a file: .npy, .h5, or a sparse matrix in .npz."""

    file: PathName = Field(description="Path of the file, in float32 or float64.")
    dataset: str | None = Field(
        None, description="Dataset of an HDF5 file; null: the only one there is."
    )


def files_of(value: object) -> list[Path]:
    """Return the files that settings, or values of them, name."""
    if isinstance(value, ArrayFile):
        return [Path(value.file)]
    parts: Iterable[object] = ()
    if isinstance(value, Settings):
        parts = (item for _, item in value)
    elif isinstance(value, tuple):
        parts = value
    return [path for part in parts for path in files_of(part)]


def read_array(source: ArrayFile, shape: tuple[int, ...], setting: str) -> Array:
    """Return the array of a file, which must be finite and have `shape`.

    Raises
    ------
    ConfigError
        If the file is missing, damaged or of another kind, or the array does not fit.
    """
    found = _read(source, setting)
    if not isinstance(found, np.ndarray) or found.shape != shape:
        raise ConfigError(
            f"'{setting}' must be an array of shape {shape}, like the grid (nz, ny, nx); "
            f"'{source.file}' holds {_kind(found)}. Interpolate it to the grid of the run."
        )
    if not np.isfinite(found).all():
        raise ConfigError(f"'{setting}' must be finite, but '{source.file}' is not; repair it.")
    return found


def read_matrix(source: ArrayFile, setting: str) -> Array | csr_array:
    """Return the square matrix of a file, dense or sparse.

    A sparse one is what `scipy.sparse.save_npz` writes, or in HDF5 a group with the datasets
    `data`, `indices` and `indptr` of its rows.

    Raises
    ------
    ConfigError
        If the file is missing, damaged or of another kind, or the matrix is not square.
    """
    found = read_rectangle(source, setting)
    if found.shape[0] != found.shape[1]:
        raise ConfigError(
            f"'{setting}' must be a square matrix; '{source.file}' holds {_kind(found)}."
        )
    return found


def read_rectangle(source: ArrayFile, setting: str) -> Array | csr_array:
    """Return the matrix of a file, of any shape, dense or sparse.

    Files are those of `read_matrix`; a group of HDF5 that is not square also has the dataset
    `shape`, of two numbers.

    Raises
    ------
    ConfigError
        If the file is missing, damaged or of another kind, or holds no finite matrix.
    """
    found: Array | csr_array = _read(source, setting)
    if found.ndim != 2:
        raise ConfigError(
            f"'{setting}' must be a matrix; '{source.file}' holds {_kind(found)}."
        )
    values = found if isinstance(found, np.ndarray) else found.data
    if not np.isfinite(values).all():
        raise ConfigError(f"'{setting}' must be finite, but '{source.file}' is not; repair it.")
    return found


def _kind(found: Array | csr_array) -> str:
    sparse = "" if isinstance(found, np.ndarray) else "a sparse matrix of "
    return f"{sparse}shape {found.shape}"


def _read(source: ArrayFile, setting: str) -> Any:
    path = Path(source.file)
    readers = {".npy": _npy, ".npz": _npz, ".h5": _hdf5, ".hdf5": _hdf5}
    if path.suffix.lower() not in readers:
        raise ConfigError(
            f"'{setting}.file' must end in {', '.join(readers)}, got '{source.file}'."
        )
    if not path.is_file():
        raise ConfigError(
            f"'{setting}.file' must be a file, but '{path}' is none; paths are relative to the "
            f"directory of the run, here '{Path.cwd()}'."
        )
    try:
        return readers[path.suffix.lower()](path, source, setting)
    except (OSError, ValueError, KeyError, RuntimeError, EOFError, BadZipFile) as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(
            f"'{setting}': '{path}' cannot be read ({error}); repair it."
        ) from error


def _npy(path: Path, source: ArrayFile, setting: str) -> Array:
    return np.asarray(np.load(path, allow_pickle=False), dtype=np.float64)


def _npz(path: Path, source: ArrayFile, setting: str) -> csr_array:
    return csr_array(load_npz(path), dtype=np.float64)


def _hdf5(path: Path, source: ArrayFile, setting: str) -> Array | csr_array:
    with h5py.File(path) as file:
        name = source.dataset
        if name is None:
            names = list(file)
            if len(names) != 1:
                raise ConfigError(
                    f"'{setting}.dataset' must be one of {', '.join(names)}, the contents of "
                    f"'{path}', got none; choose one."
                )
            (name,) = names
        if name not in file:
            raise ConfigError(
                f"'{setting}.dataset' must be one of {', '.join(file)}, the contents of "
                f"'{path}', got '{name}'."
            )
        node = file[name]
        if isinstance(node, h5py.Dataset):
            return np.asarray(node[()], dtype=np.float64)
        parts = node["data"][()], node["indices"][()], node["indptr"][()]
        n = len(parts[2]) - 1
        shape = tuple(int(k) for k in node["shape"][()]) if "shape" in node else (n, n)
        return csr_array(parts, shape=shape, dtype=np.float64)
