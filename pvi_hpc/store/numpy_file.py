"""NumPy files that are either the old one or the whole new one, on disks that may be full.

`numpy.save` reports a full disk as an error without a number, which cannot be told from
others, and `numpy.lib.format.open_memmap` as the end of the process by a bus error.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import DTypeLike, NDArray

from pvi_hpc.store.atomic import atomic_path

__all__ = ["write_array", "write_stack"]


def write_array(path: str | Path, array: NDArray[Any]) -> None:
    """Write one array as `numpy.save` does; errors as `atomic_path`."""
    _write(path, array.shape, array.dtype, [array])


def write_stack(
    path: str | Path, shape: tuple[int, ...], arrays: Iterable[NDArray[Any]], dtype: DTypeLike
) -> None:
    """Write arrays `shape[1:]` as one of `shape`, holding one at a time.

    Raises
    ------
    ValueError
        If `arrays` yields fewer or more than `shape[0]`, or one of another shape; nothing is
        written then.
    OSError
        As `atomic_path`.
    """
    _write(path, shape, np.dtype(dtype), _each(arrays, shape))


def _each(arrays: Iterable[NDArray[Any]], shape: tuple[int, ...]) -> Iterable[NDArray[Any]]:
    found = 0
    for found, array in enumerate(arrays, start=1):
        if found > shape[0] or array.shape != shape[1:]:
            raise ValueError(
                f"'arrays' must be {shape[0]} of shape {shape[1:]}, got number {found} of "
                f"shape {array.shape}."
            )
        yield array
    if found < shape[0]:
        raise ValueError(f"'arrays' must be {shape[0]}, got {found}.")


def _write(
    path: str | Path,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    parts: Iterable[NDArray[Any]],
) -> None:
    header = {"descr": npy.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        npy.write_array_header_1_0(file, header)
        for part in parts:
            file.write(np.ascontiguousarray(part, dtype=dtype).data)
