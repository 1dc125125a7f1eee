"""Test of whether the ELBO still grows: two windows of iterations against their noise."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pvi_hpc.inference.settings import StopSettings

__all__ = ["fresh_trace", "growth", "has_converged"]

Array = NDArray[np.float64]


def fresh_trace(stop: StopSettings) -> Tensor:
    """Return room for the ELBOs of two windows, `(2 window,)`, all NaN."""
    return torch.full((2 * stop.window,), torch.nan, dtype=torch.float64)


def has_converged(stop: StopSettings, trace: Tensor, i: int) -> bool:
    """Return whether to stop after iteration `i` = 0, 1, ..., the newest of the trace.

    The trace `(2 window,)` holds iteration `i` at `i` modulo its length. The test is made at
    the end of each window: made every iteration, chance alone would end a run that grows.
    """
    window = stop.window
    if i + 1 < 2 * window or (i + 1) % window:
        return False
    values = np.roll(trace.numpy(), -(i + 1))
    grown, error = growth(values[:window], values[window:])
    return grown <= stop.tolerance * error


def growth(before: Array, after: Array) -> tuple[float, float]:
    """Return how much the mean of independent estimates grew, and its standard error."""
    variance = before.var(ddof=1) / len(before) + after.var(ddof=1) / len(after)
    return float(after.mean() - before.mean()), float(np.sqrt(variance))
