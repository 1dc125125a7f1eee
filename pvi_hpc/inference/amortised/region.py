"""Part of the prior that a network was trained in, and draws of a posterior inside of it."""

from collections.abc import Callable
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["Region", "draw_inside"]

Array = NDArray[np.float64]

#: Times that draws outside are drawn again.
ATTEMPTS: Final = 20


class Region(Protocol):
    """Part of the prior."""

    def holds(self, theta: Array) -> NDArray[np.bool_]:
        """Return whether unknowns `(..., n)` lie inside, `(...)`."""
        ...

    def to_tree(self) -> dict[str, Any]:
        """Return all numbers, for a file."""
        ...


def draw_inside(
    draw: Callable[[NDArray[np.intp], int], Array], region: Region, k: int, n: int
) -> Array:
    """Return the first `n` draws inside a region for each of `k` observations `(k, n, d)`.

    `draw(rows, attempt)` gives `(len(rows), n, d)`. An observation that the network draws
    nearly nothing inside for, because it is unlike those that the region was made for, is
    given draws from outside too: its posterior shows that the network does not know it.
    """
    first = draw(np.arange(k), 0)
    good = region.holds(first)
    found = [[first[i][good[i]]] for i in range(k)]
    count = good.sum(axis=1)
    for attempt in range(1, ATTEMPTS):
        short = np.flatnonzero(count < n)
        if not len(short):
            break
        more = draw(short, attempt)
        inside = region.holds(more)
        count[short] += inside.sum(axis=1)
        for row, its, which in zip(short, more, inside, strict=True):
            found[row].append(its[which])
    rows = [np.concatenate([*found[i], first[i][~good[i]]])[:n] for i in range(k)]
    return np.stack(rows)
