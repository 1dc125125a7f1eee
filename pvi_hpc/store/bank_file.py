"""Files of a bank of prior draws: one a chunk, atomic, with a digest of every byte."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pvi_hpc.store.atomic import atomic_path
from pvi_hpc.store.checkpoint_file import DamagedError, read_checkpoint, write_checkpoint

__all__ = ["BankChunk", "chunk_path", "read_chunk", "write_chunk"]

Array = NDArray[np.float32]
#: Separator of the kind of a failure from its message, and of failures.
FIELD: Final = "\t"
LINE: Final = "\n"


@dataclass(frozen=True)
class BankChunk:
    """Consecutive draws of the prior and their data.

    Parameters
    ----------
    first
        Number of the first draw.
    theta
        Unknowns `(B, n)`, standard normal under the prior.
    models
        Values of the unknown cells `(B, n)` in the order of the flattened grid [m/s].
    data
        Simulated data without noise `(B, d)`, shot by shot; NaN where the simulation failed.
    failures
        Kind and first line of the message of each simulation that failed, by draw.
    """

    first: int
    theta: Array
    models: Array
    data: Array
    failures: Mapping[int, tuple[str, str]] = field(default_factory=dict)


def chunk_path(folder: Path, index: int) -> Path:
    """Return the file of a chunk."""
    return folder / f"{index:06d}.h5"


def write_chunk(folder: Path, index: int, fingerprint: str, chunk: BankChunk) -> None:
    """Write a chunk atomically; the same chunk gives the same bytes.

    Raises
    ------
    OSError
        If the disk is full or read-only; there is no new file then.
    """
    lines = (
        FIELD.join((str(draw), kind, message))
        for draw, (kind, message) in chunk.failures.items()
    )
    tree = {
        "first": chunk.first,
        "theta": chunk.theta,
        "models": chunk.models,
        "data": chunk.data,
        "failures": LINE.join(lines) or FIELD,
    }
    with atomic_path(chunk_path(folder, index)) as path:
        write_checkpoint(path, tree, fingerprint, index)


def read_chunk(folder: Path, index: int, fingerprint: str) -> BankChunk | None:
    """Return a chunk, its digest verified; None if it is missing, damaged or another's."""
    try:
        found, tree = read_checkpoint(chunk_path(folder, index), index)
    except DamagedError:
        return None
    if found != fingerprint:
        return None
    failures = {}
    for line in filter(str.strip, tree["failures"].split(LINE)):
        draw, kind, message = line.split(FIELD, 2)
        failures[int(draw)] = kind, message
    return BankChunk(tree["first"], tree["theta"], tree["models"], tree["data"], failures)
