"""A user's request for the storage of gradients; it knows nothing of the native solver."""

from dataclasses import dataclass
from typing import Literal

__all__ = ["StorageKind", "StorageWish"]

StorageKind = Literal["auto", "full", "decimated", "checkpointed"]


@dataclass(frozen=True)
class StorageWish:
    """A user's request for the storage of gradients.

    Parameters
    ----------
    kind
        One storage, or 'auto'.
    every
        Keep one of so many time steps; None: as `longest_rule` says ('checkpointed': all).
    memory_gb
        Memory that a rank may use, its process included [1e9 bytes].
    f_max
        Highest frequency of the wavelet [Hz].
    folder
        Folder of the history on disk; None: it stays in memory.
    """

    kind: StorageKind = "auto"
    every: int | None = None
    memory_gb: float = 8.0
    f_max: float | None = None
    folder: str | None = None
