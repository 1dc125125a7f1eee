"""Random numbers keyed by what they are for, so that no generator state is ever stored."""

import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["keyed_rng", "standard_normal"]

#: Count of numbers that come from one key; the next numbers have a key of their own.
BLOCK: Final = 2**20

#: Fewest numbers, 5 ms of work, that gain from threads (measured: 2 x 1e5 lose).
WORTH_A_THREAD: Final = 2**19


def keyed_rng(seed: int, purpose: str, *index: int) -> np.random.Generator:
    """Return the generator of `(seed, purpose, index...)`, the same on every machine.

    Counter-based (Philox, Salmon et al. 2011): two keys give independent streams.

    Examples
    --------
    >>> a = keyed_rng(7, "epsilon", 3, 0).standard_normal()
    >>> a == keyed_rng(7, "epsilon", 3, 0).standard_normal()
    True
    """
    entropy = [seed, zlib.crc32(purpose.encode()), *index]
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(entropy)))


def standard_normal(
    out: NDArray[Any], keys: Sequence[tuple[int, str, *tuple[int, ...]]], threads: int = 1
) -> None:
    """Fill each row of `out` `(S, n)`, float32 or float64, with the numbers of its key.

    They are those of `keyed_rng`. Every million has a key of its own, so that `threads` can
    share the work and not the bits. The numbers of float32 are not those of float64 rounded.
    """

    def fill(place: tuple[int, int]) -> None:
        row, block = place
        part = out[row, block * BLOCK : (block + 1) * BLOCK]
        rng = keyed_rng(*keys[row], block) if block else keyed_rng(*keys[row])
        rng.standard_normal(out=part, dtype=out.dtype.type)

    places = [(row, i) for row in range(len(keys)) for i in range(-(-out.shape[1] // BLOCK))]
    if threads == 1 or len(places) < 2 or out.size < WORTH_A_THREAD:
        for place in places:
            fill(place)
        return
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(fill, places))
