"""The mean of the parameters over the last iterations (Polyak & Juditsky 1992)."""

from math import ceil

from pvi_hpc.config.inference import Optimiser
from pvi_hpc.families.family import Parameters
from pvi_hpc.inference.state import Memory

__all__ = ["AVERAGE", "average", "window_start"]

#: Name of the averages in a state's memory.
AVERAGE = "average"


def window_start(settings: Optimiser, n: int) -> int:
    """Return the first of `n` updates whose result is averaged; `n` where none is."""
    return n - ceil(settings.average * n)


def average(parameters: Parameters, memory: Memory, count: int) -> None:
    """Take the parameters into the average, in place, as its number `count` = 0, 1, ..."""
    means = memory[AVERAGE]
    for name, value in parameters.items():
        if count == 0:
            means[name].copy_(value)
        else:
            means[name].add_((value - means[name]) * (1 / (count + 1)))
