"""Choice of the states of a run to keep, so that segments can be run again in reverse order."""

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Schedule", "schedule"]


class Schedule(NamedTuple):
    """Reversal of `n` segments with `slots` saved states.

    `split[m, free]` is how many of `m` segments to run before the next state is saved, when
    `free` slots are left; `repeats` how many segments are run more often than once.
    """

    split: NDArray[np.int32]
    repeats: int


def schedule(n: int, slots: int) -> Schedule:
    """Return the schedule that runs the fewest segments again, by dynamic programming.

    Every segment must run once as the one that is stored; what it takes to reach it from a
    saved state is to be least. This is the optimum of revolve [1]_, found by its recursion
    instead of its closed form.

    Parameters
    ----------
    n
        Segments, at least 1.
    slots
        States that can be saved; the initial one needs no slot.

    References
    ----------
    .. [1] Griewank & Walther (2000), ACM TOMS 26(1), 19-45.

    Examples
    --------
    >>> schedule(4, 3).repeats, schedule(4, 0).repeats
    (3, 6)
    """
    split, cost = _table(_power_of_two(n), _power_of_two(slots))  # few tables serve all
    return Schedule(np.ascontiguousarray(split[: n + 1, : slots + 1]), int(cost[n, slots]))


def _power_of_two(n: int) -> int:
    return 1 << max(0, n - 1).bit_length()


@cache
def _table(n: int, slots: int) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Return `split` and the segments run to reach those stored, for up to `n` and `slots`."""
    lengths = np.arange(n + 1)
    cost = np.zeros((n + 1, slots + 1), np.int64)
    split = np.ones((n + 1, slots + 1), np.int32)
    cost[:, 0] = lengths * (lengths - 1) // 2
    split[:, 0] = np.maximum(lengths - 1, 1)
    for free in range(1, slots + 1):
        for m in range(2, n + 1):
            first = lengths[1:m]
            # Run `first`, save, reverse what follows with a slot less, then the first part.
            total = first + cost[m - first, free - 1] + cost[first, free]
            best = int(np.argmin(total))
            split[m, free], cost[m, free] = first[best], total[best]
    return split, cost
