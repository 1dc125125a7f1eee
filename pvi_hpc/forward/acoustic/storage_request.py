"""What a user asks of the storage of gradients. Knows nothing of the native solver."""

from dataclasses import dataclass
from typing import Literal

__all__ = ["StorageKind", "StorageWish"]

StorageKind = Literal["auto", "full", "decimated", "checkpointed"]


@dataclass(frozen=True)
class StorageWish:
    """What a user asks for.

    Parameters
    ----------
    kind
        One storage, or 'auto'.
    every
        Keep one of so many time steps; None: as `longest_rule` says ('checkpointed': all).
    memory_gb
        What a rank may use, its process included [1e9 bytes].
    f_max
        Highest frequency of the wavelet [Hz].
    folder
        Where the history lies on disk; None: in memory.
    """

    kind: StorageKind = "auto"
    every: int | None = None
    memory_gb: float = 8.0
    f_max: float | None = None
    folder: str | None = None
