"""Identity of a result: the model, the shots and the forward problem that it came from."""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["model_hash", "task_identity"]


def model_hash(model: NDArray[Any]) -> str:
    """Return the hash of a model's shape, type and bytes."""
    array = np.ascontiguousarray(model)
    digest = hashlib.blake2b(f"{array.shape} {array.dtype}".encode(), digest_size=16)
    digest.update(array.data)
    return digest.hexdigest()


def task_identity(
    model: str,
    shots: Sequence[int],
    fingerprint: str,
    want: str,
    keys: Sequence[int] = (),
    precisions: Sequence[float] = (),
) -> str:
    """Return the identity of a task; `precisions` are those of the groups of data.

    Both sides compute it, each from what it has: the controller from what it asked for, the
    gang from the model it loaded, the shots and the keys of noise that it ran, and the settings
    it was started with.
    """
    parts: list[Any] = [model, [int(shot) for shot in shots], fingerprint, want]
    if keys:
        parts.append([int(key) for key in keys])
    if precisions:
        parts.append({"precisions": [float(precision) for precision in precisions]})
    return hashlib.blake2b(json.dumps(parts).encode(), digest_size=16).hexdigest()
