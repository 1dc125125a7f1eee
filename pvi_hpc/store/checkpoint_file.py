"""The bytes of a checkpoint: a nested dictionary as HDF5, every byte of it under a digest.

512 bytes of text (an HDF5 user block) hold a BLAKE2b digest of all that follows: an HDF5
file with the attributes `schema`, `fingerprint` and `iteration`, and the tree as groups and
datasets, each with its own digest. Nothing is given to the HDF5 library before the first
digest has matched, since damaged metadata can hang or crash it. Nor does that library write to
the disk, so that a full one cannot leave it half-way: it lays a file out in memory without its
large arrays, which are then digested and written in one stream, with no copy of them.
"""

from collections.abc import Callable, Mapping
from hashlib import blake2b
from numbers import Integral, Real
from pathlib import Path
from typing import Any, Final, TypeAlias

import h5py
import numpy as np
from numpy.typing import NDArray

from pvi_hpc.errors import CheckpointError
from pvi_hpc.store.sparse_file import PIECE, SparseFile

__all__ = ["DamagedError", "Tree", "read_checkpoint", "write_checkpoint"]

#: Nested dictionaries of arrays, floats, integers and strings.
Tree: TypeAlias = dict[str, Any]

SCHEMA: Final = 1
HEADER_SIZE: Final = 512
MAGIC: Final = b"pvi_hpc checkpoint blake2b "
#: Smallest size of an array that is streamed past HDF5 [bytes].
LARGE: Final = 2**16

SCALARS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "bool": bool,
    "int": int,
    "float": float,
    "str": lambda array: bytes(array).decode(),
}


class DamagedError(CheckpointError):
    """A file is not what was written."""


def write_checkpoint(
    path: Path, tree: Mapping[str, Any], fingerprint: str, iteration: int
) -> None:
    """Write a checkpoint; `path` holds half of one if this raises OSError."""
    image = SparseFile()
    large: dict[int, NDArray[Any]] = {}
    with h5py.File(image, "w", userblock_size=HEADER_SIZE) as file:
        file.attrs.update(schema=SCHEMA, fingerprint=fingerprint, iteration=iteration)
        _write_group(file, tree, large)
    digest = blake2b()
    with path.open("wb") as out:
        out.write(bytes(HEADER_SIZE))
        for piece in image.stream(HEADER_SIZE, large):
            digest.update(piece)
            out.write(piece)
        out.seek(0)
        out.write(_header(digest.hexdigest()))


def read_checkpoint(path: Path, iteration: int) -> tuple[str, Tree]:
    """Return fingerprint and tree of a file, every byte of it verified.

    Raises
    ------
    DamagedError
        If the file cannot be read, is not what was written, or is of another iteration.
    """
    try:
        verified = _verify(path)
    except OSError as error:
        raise DamagedError(f"'{path}' cannot be read: {error}") from error
    if not verified:
        raise DamagedError(f"'{path}' is damaged: its digest does not match")
    with h5py.File(path, "r", locking=False) as file:
        found = int(file.attrs["schema"]), int(file.attrs["iteration"])
        if found != (SCHEMA, iteration):
            raise DamagedError(
                f"'{path}' has schema and iteration {found}, expected {(SCHEMA, iteration)}"
            )
        return str(file.attrs["fingerprint"]), _read_group(file, path)


def _verify(path: Path) -> bool:
    """Return whether the header holds the digest of all that follows."""
    digest = blake2b()
    with path.open("rb") as file:
        header = file.read(HEADER_SIZE)
        while piece := file.read(PIECE):
            digest.update(piece)
    return header == _header(digest.hexdigest())


def _header(digest: str) -> bytes:
    return (MAGIC + digest.encode() + b"\n").ljust(HEADER_SIZE, b"\0")


def _write_group(
    group: h5py.Group, tree: Mapping[str, Any], large: dict[int, NDArray[Any]]
) -> None:
    """Make the datasets of a tree; those that are `large` get space, and a place there."""
    for name, value in tree.items():
        if isinstance(value, Mapping):
            _write_group(group.create_group(name), value, large)
            continue
        text = isinstance(value, str)
        array = np.array(bytearray(value.encode()), np.uint8) if text else np.asarray(value)
        if array.nbytes < LARGE:
            dataset = group.create_dataset(name, data=array)
        else:
            array = np.ascontiguousarray(array)
            dataset = group.create_dataset(name, array.shape, array.dtype, dcpl=_reserved())
            large[dataset.id.get_offset()] = array
        dataset.attrs["kind"] = _kind(value)
        dataset.attrs["blake2b"] = _digest(array)


def _reserved() -> h5py.h5p.PropDCID:
    """Return the properties of a dataset that gets its space in the file but no content."""
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    properties.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    return properties


def _read_group(group: h5py.Group, path: Path) -> Tree:
    tree: Tree = {}
    for name, item in group.items():
        if isinstance(item, h5py.Group):
            tree[name] = _read_group(item, path)
            continue
        array = np.asarray(item[()])
        if _digest(array) != item.attrs["blake2b"]:
            raise DamagedError(f"'{path}' is damaged in '{item.name}'")
        kind = item.attrs["kind"]
        tree[name] = array if kind == "array" else SCALARS[kind](array)
    return tree


def _kind(value: object) -> str:
    kinds = {bool: "bool", Integral: "int", Real: "float", str: "str"}
    return next((name for kind, name in kinds.items() if isinstance(value, kind)), "array")


def _digest(array: NDArray[Any]) -> str:
    digest = blake2b(f"{array.dtype.str} {array.shape}".encode())
    digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
