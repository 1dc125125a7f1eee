"""Datasets of HDF5 files that a user names, which somebody else may have made."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import h5py
import numpy as np

from pvi_hpc.errors import SurveyError

__all__ = [
    "check_storage",
    "dataset_names",
    "find_dataset",
    "find_member",
    "open_hdf5",
    "text_of",
]

#: A dataset may be this large whatever is stored of it.
SMALL: Final = 2**26
#: A larger one must not be more than so many times what is stored of it.
LARGEST_RATIO: Final = 200
#: Names that an error lists.
LISTED: Final = 20


@contextmanager
def open_hdf5(path: str | Path) -> Iterator[Any]:
    """Open an HDF5 file for reading, without a lock: some cluster file systems have none."""
    with h5py.File(path, "r", locking=False) as file:
        yield file


def find_dataset(file: Any, name: str) -> Any:
    """Return a dataset of an open file, or None if there is none of this name.

    The values must be in the file itself, and nothing is read before that is known.

    Raises
    ------
    SurveyError
        If the dataset is reached by a soft or external link, is stored in other files, or is
        far larger than what is stored of it.
    """
    found = find_member(file, name)
    if not isinstance(found, h5py.Dataset):
        return None
    check_storage(file, name, found)
    return found


def find_member(file: Any, name: str) -> Any:
    """Return what an open file holds under a name, or None, and follow no link out of it.

    A link may lead to any file that its reader may read, and to one that is never answered
    from. `h5py` follows links even to tell whether they exist.

    Raises
    ------
    SurveyError
        If there is a soft or external link on the way.
    """
    node = file
    for part in (part for part in name.split("/") if part):
        if not isinstance(node, h5py.Group) or not node.id.links.exists(part.encode()):
            return None
        kind = node.id.links.get_info(part.encode()).type
        if kind != h5py.h5l.TYPE_HARD:
            said = "a soft" if kind == h5py.h5l.TYPE_SOFT else "an external"
            _refuse(file, name, f"is reached by {said} link, '{part}'")
        node = node[part]
    return node


def check_storage(file: Any, name: str, dataset: Any) -> None:
    """Check that the values of a dataset are in its file and about as large as stored.

    Errors as `find_dataset`.
    """
    if dataset.external:
        _refuse(file, name, f"has its values in the file '{dataset.external[0][0]}'")
    if dataset.is_virtual:
        _refuse(file, name, "is virtual: its values are in other files")
    size, stored = (
        int(dataset.size or 0) * dataset.dtype.itemsize,
        dataset.id.get_storage_size(),
    )
    if size > max(SMALL, LARGEST_RATIO * stored):
        _refuse(file, name, f"claims {size / 1e6:.0f} MB, but only {stored} bytes are stored")
    if dataset.chunks is not None:
        chunk = int(np.prod(dataset.chunks, dtype=float)) * dataset.dtype.itemsize
        if chunk > max(SMALL, size):
            _refuse(
                file, name, f"has chunks of {chunk / 1e6:.0f} MB, more than its values need"
            )
        plist = dataset.id.get_create_plist()
        filters = Counter(plist.get_filter(i)[0] for i in range(plist.get_nfilters()))
        if filters and max(filters.values()) > 1:
            _refuse(file, name, "is compressed several times over")


def dataset_names(file: Any) -> str:
    """Return the names at the root of an open file, for a message."""
    names = sorted(file)
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return f"{names[:LISTED]}{more}"


def text_of(value: object) -> str | None:
    """Return a text attribute, which programs write as text, bytes or an array of one."""
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.reshape(-1)[0]
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace").rstrip("\0")
    return str(value) if isinstance(value, str) else None


def _refuse(file: Any, name: str, fault: str) -> None:
    raise SurveyError(
        f"'{file.filename}', dataset '{name}' {fault}; the values must be in the file itself: "
        "write a copy of them ('h5repack', or h5py: 'new[name] = old[name][()]')."
    )
