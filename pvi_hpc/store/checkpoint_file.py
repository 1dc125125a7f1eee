"""The bytes of a checkpoint: a nested dictionary as HDF5, every byte of it under a digest.

512 bytes of text (an HDF5 user block) hold a BLAKE2b digest of all that follows: an HDF5
file with the attributes `schema`, `fingerprint` and `iteration`, and the tree as groups and
datasets, each with its own digest. Nothing is given to the HDF5 library before the first
digest has matched, since damaged metadata can hang or crash it. A file is made in memory and
written in one go, so that a full disk cannot leave HDF5 half-way.
"""

import io
from collections.abc import Callable, Mapping
from hashlib import blake2b
from numbers import Integral, Real
from pathlib import Path
from typing import Any, Final, TypeAlias

import h5py
import numpy as np
from numpy.typing import NDArray

from pvi_hpc.errors import CheckpointError

__all__ = ["DamagedError", "Tree", "decode", "encode"]

#: Nested dictionaries of arrays, floats, integers and strings.
Tree: TypeAlias = dict[str, Any]

SCHEMA: Final = 1
HEADER_SIZE: Final = 512
MAGIC: Final = b"pvi_hpc checkpoint blake2b "

SCALARS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "bool": bool,
    "int": int,
    "float": float,
    "str": lambda array: bytes(array).decode(),
}


class DamagedError(CheckpointError):
    """A file is not what was written."""


def encode(tree: Mapping[str, Any], fingerprint: str, iteration: int) -> memoryview:
    """Return the bytes of a checkpoint."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", userblock_size=HEADER_SIZE) as file:
        file.attrs.update(schema=SCHEMA, fingerprint=fingerprint, iteration=iteration)
        _write_group(file, tree)
    content = buffer.getbuffer()
    content[:HEADER_SIZE] = _header(content[HEADER_SIZE:])
    return content


def decode(path: Path, iteration: int) -> tuple[str, Tree]:
    """Return fingerprint and tree of a file, every byte of it verified.

    Raises
    ------
    DamagedError
        If the file cannot be read, is not what was written, or is of another iteration.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DamagedError(f"'{path}' cannot be read: {error}") from error
    if content[:HEADER_SIZE] != _header(memoryview(content)[HEADER_SIZE:]):
        raise DamagedError(f"'{path}' is damaged: its digest does not match")
    with h5py.File(io.BytesIO(content), "r") as file:
        found = int(file.attrs["schema"]), int(file.attrs["iteration"])
        if found != (SCHEMA, iteration):
            raise DamagedError(
                f"'{path}' has schema and iteration {found}, expected {(SCHEMA, iteration)}"
            )
        return str(file.attrs["fingerprint"]), _read_group(file, path)


def _header(body: memoryview) -> bytes:
    line = MAGIC + blake2b(body).hexdigest().encode() + b"\n"
    return line.ljust(HEADER_SIZE, b"\0")


def _write_group(group: h5py.Group, tree: Mapping[str, Any]) -> None:
    for name, value in tree.items():
        if isinstance(value, Mapping):
            _write_group(group.create_group(name), value)
            continue
        text = isinstance(value, str)
        array = np.array(bytearray(value.encode()), np.uint8) if text else np.asarray(value)
        dataset = group.create_dataset(name, data=array)
        dataset.attrs["kind"] = _kind(value)
        dataset.attrs["blake2b"] = _digest(array)


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
