"""Step size by dual averaging (Hoffman & Gelman 2014, JMLR 15), scales by the draws' sds."""

from dataclasses import dataclass, field
from math import exp, log, sqrt

import numpy as np

from pvi_hpc.diagnostics.samplers.density import Array

__all__ = ["DualAveraging", "RunningScale"]


@dataclass
class DualAveraging:
    """Moves the step until the mean acceptance is `target`; for the warm-up only."""

    first: float
    target: float
    _count: int = 0
    _error: float = 0.0
    _average: float = 0.0
    _log_step: float = field(init=False)

    def __post_init__(self) -> None:
        self._log_step = log(self.first)

    @property
    def numbers(self) -> Array:
        """All that it remembers `(6,)`; `of_numbers` goes on from it."""
        settings = [self.first, self.target]
        return np.array([*settings, self._count, self._error, self._average, self._log_step])

    @classmethod
    def of_numbers(cls, numbers: Array) -> "DualAveraging":
        """Return the one that `numbers` were of."""
        first, target, count, error, average, log_step = map(float, numbers)
        found = cls(first, target, int(count), error, average)
        found._log_step = log_step
        return found

    @property
    def step(self) -> float:
        """The step to try next."""
        return exp(self._log_step)

    @property
    def averaged(self) -> float:
        """The step to keep."""
        return exp(self._average) if self._count else self.first

    def update(self, acceptance: float) -> None:
        """Learn from the mean acceptance of one step."""
        self._count += 1
        i, forget = self._count, 1 / (self._count + 10)
        self._error = (1 - forget) * self._error + forget * (self.target - acceptance)
        self._log_step = log(10 * self.first) - sqrt(i) / 0.05 * self._error
        weight = i**-0.75
        self._average = weight * self._log_step + (1 - weight) * self._average


@dataclass
class RunningScale:
    """Sds of all states seen, shrunk towards 1 while they are few (as Stan does)."""

    n: int
    _count: int = 0
    _mean: Array = field(init=False)
    _squares: Array = field(init=False)

    def __post_init__(self) -> None:
        self._mean, self._squares = np.zeros(self.n), np.zeros(self.n)

    def add(self, x: Array) -> None:
        """Take in states `(C, n)` (Welford 1962)."""
        for row in x:
            self._count += 1
            change = row - self._mean
            self._mean += change / self._count
            self._squares += change * (row - self._mean)

    def scale(self) -> Array:
        """Return the sds `(n,)`."""
        count = self._count
        variance = self._squares / max(1, count - 1)
        shrunk = (count * variance + 5e-3) / (count + 5)
        return np.sqrt(np.maximum(shrunk, 1e-12))
