"""A line search for the strong Wolfe conditions, one evaluation at a time.

Nocedal & Wright (2006), algorithms 3.5 and 3.6, for a function that is made smaller. All it has
to remember is a dictionary of numbers, so that a checkpoint can hold it.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from math import inf, isfinite, sqrt
from typing import Final, Self, SupportsFloat

__all__ = ["LineSearch", "Point"]

#: Share of the slope's promise that a step must keep.
DECREASE: Final = 1e-4
#: Largest slope at the end of a step, relative to that at its beginning.
CURVATURE: Final = 0.9
#: Growth of a step that is too short.
GROWTH: Final = 2.0
#: Nearest a new step comes to the ends of the interval that holds it, relative to its length.
MARGIN: Final = 0.1


@dataclass(frozen=True)
class Point:
    """Step, value and slope along the line."""

    step: float
    value: float
    slope: float


@dataclass(frozen=True)
class LineSearch:
    """A search in progress: `trial` is the step to evaluate next, unless it is `done`.

    `origin` is the point at step 0; `low` the best point so far that has kept the promise of
    the slope. While `closed`, a good step lies between `low` and `high`.
    """

    origin: Point
    low: Point
    high: Point
    trial: float
    closed: bool = False
    done: bool = False
    count: int = 0

    @classmethod
    def along(cls, value: float, slope: float, trial: float) -> Self:
        """Return a search from a point with a slope below zero."""
        origin = Point(0.0, value, slope)
        return cls(origin, origin, origin, trial)

    def told(self, value: float, slope: float) -> "LineSearch":
        """Return the search after the evaluation of `trial`.

        `value` may be infinite, where the function cannot be evaluated.
        """
        here = Point(self.trial, value, slope)
        promise = self.origin.value + DECREASE * here.step * self.origin.slope
        search = replace(self, count=self.count + 1)
        if not isfinite(value) or value > promise or value >= self.low.value:
            return replace(search, high=here, closed=True)._between()
        if abs(slope) <= -CURVATURE * self.origin.slope:
            return replace(search, low=here, done=True)
        if self.closed:
            beyond = slope * (self.high.step - self.low.step) >= 0
            return replace(search, low=here, high=self.low if beyond else self.high)._between()
        if slope >= 0:
            return replace(search, low=here, high=self.low, closed=True)._between()
        return replace(search, low=here, trial=GROWTH * here.step)

    def _between(self) -> "LineSearch":
        """Choose a step between the ends: the least of the cubic through both."""
        a, b = self.low, self.high
        width = b.step - a.step
        trial = _least_of_cubic(a, b)
        if trial is None:
            trial = a.step + 0.5 * width
        inner, outer = sorted((a.step + MARGIN * width, b.step - MARGIN * width))
        return replace(self, trial=min(max(trial, inner), outer))

    def numbers(self) -> dict[str, float]:
        """Return all numbers of the search."""
        flat = {"trial": self.trial, "closed": float(self.closed), "done": float(self.done)}
        for name in ("origin", "low", "high"):
            flat |= {f"{name}_{key}": x for key, x in asdict(getattr(self, name)).items()}
        return {**flat, "count": float(self.count)}

    @classmethod
    def of_numbers(cls, numbers: Mapping[str, SupportsFloat]) -> Self:
        """Return the search that has these `numbers`, among others perhaps."""
        points = {
            name: Point(*(float(numbers[f"{name}_{field.name}"]) for field in fields(Point)))
            for name in ("origin", "low", "high")
        }
        return cls(
            **points,
            trial=float(numbers["trial"]),
            closed=bool(numbers["closed"]),
            done=bool(numbers["done"]),
            count=int(float(numbers["count"])),
        )


def _least_of_cubic(a: Point, b: Point) -> float | None:
    """Return where the cubic with these values and slopes is least; None where it is not."""
    if inf in (abs(a.value), abs(b.value)) or a.step == b.step:
        return None
    d1 = a.slope + b.slope - 3 * (a.value - b.value) / (a.step - b.step)
    square = d1 * d1 - a.slope * b.slope
    if not isfinite(square) or square < 0:
        return None
    d2 = sqrt(square) if b.step > a.step else -sqrt(square)
    below = b.slope - a.slope + 2 * d2
    if below == 0:
        return None
    return b.step - (b.step - a.step) * (b.slope + d2 - d1) / below
