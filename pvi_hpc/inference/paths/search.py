"""L-BFGS of several points at once, one evaluation of each an iteration, kept in a state.

The search of Pathfinder: every accepted point and gradient of a path is remembered. A step that
does not bring a fixed share of the growth that its slope promises (Armijo) is shortened.
"""

from itertools import pairwise
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pvi_hpc.families.family import Parameters
from pvi_hpc.inference.paths.gaussians import Point
from pvi_hpc.numerics.reproducible import dot

__all__ = ["PathSearch", "fresh_search"]

Array = NDArray[np.float64]

#: Changes of the gradient that a direction comes from.
PAIRS: Final = 6
ARMIJO: Final = 1e-4
#: A step is shortened to between these shares of itself, at most so many times.
SHORTEST: Final = 0.1
LONGEST: Final = 0.5
TRIES: Final = 25
#: Growth of the log density, relative to its size, at which a path ends.
STILL: Final = 1e-10


def fresh_search(first: Tensor, length: int) -> Parameters:
    """Return the memory of paths of at most `length` points, from points `first` `(P, n)`."""
    paths, n = first.shape

    def zeros(*shape: int) -> Tensor:
        return torch.zeros((paths, *shape), dtype=torch.float64)

    return {
        "points": zeros(length, n),
        "gradients": zeros(length, n),
        "values": zeros(length),
        "counts": zeros(),
        "tried": first.double().clone(),
        "direction": zeros(n),
        "slope": zeros(),
        "length": zeros(),
        "tries": zeros(),
        "done": zeros(),
    }


class PathSearch:
    """The paths in a `memory` made by `fresh_search`; changes it in place."""

    def __init__(self, memory: Parameters) -> None:
        self.memory = memory

    @property
    def active(self) -> list[int]:
        """Numbers of the paths that go on."""
        return [p for p, done in enumerate(self.memory["done"].tolist()) if not done]

    def path(self, p: int) -> list[Point]:
        """Return the points of a path."""
        count = int(self.memory["counts"][p])
        points, gradients = (self.memory[k][p, :count].numpy() for k in ("points", "gradients"))
        values = self.memory["values"][p, :count].tolist()
        return [Point(*row) for row in zip(points, values, gradients, strict=True)]

    def tried(self, p: int) -> Array:
        """Return the point `(n,)` that a path tries."""
        return np.array(self.memory["tried"][p].numpy())

    def take(self, p: int, value: float, gradient: Array) -> None:
        """Learn the log density and gradient at the point that path `p` tries."""
        count = int(self.memory["counts"][p])
        finite = bool(np.isfinite(value) and np.isfinite(gradient).all())
        if not count:
            if not finite:
                self.memory["done"][p] = 1  # a path that begins nowhere has no points
                return
            self._accept(p, value, gradient)
            return
        old = float(self.memory["values"][p, count - 1])
        promised = float(self.memory["slope"][p] * self.memory["length"][p])
        if finite and value - old >= ARMIJO * promised:
            self._accept(p, value, gradient)
            if abs(value - old) <= STILL * max(abs(value), abs(old), 1.0):
                self.memory["done"][p] = 1
            return
        self.memory["tries"][p] += 1
        if int(self.memory["tries"][p]) > TRIES:
            self.memory["done"][p] = 1
            return
        best = 0.5 * promised / (promised - (value - old)) if finite else SHORTEST
        self.memory["length"][p] *= min(LONGEST, max(SHORTEST, best))
        self._try(p)

    def _accept(self, p: int, value: float, gradient: Array) -> None:
        m, count = self.memory, int(self.memory["counts"][p])
        m["points"][p, count] = m["tried"][p]
        m["values"][p, count] = value
        m["gradients"][p, count] = torch.from_numpy(gradient.copy())
        m["counts"][p] += 1
        m["tries"][p] = 0
        if count + 1 == m["points"].shape[1]:
            m["done"][p] = 1
            return
        direction = _direction(self.path(p)[-PAIRS - 1 :])
        slope = dot(gradient, direction)
        m["direction"][p] = torch.from_numpy(direction)
        m["slope"][p], m["length"][p] = slope, 1.0
        if not slope > 0:
            m["done"][p] = 1
        self._try(p)

    def _try(self, p: int) -> None:
        m = self.memory
        last = m["points"][p, int(m["counts"][p]) - 1]
        m["tried"][p] = last + m["length"][p] * m["direction"][p]


def _direction(points: list[Point]) -> Array:
    """Return the quasi-Newton step `(n,)` uphill from the last of the points."""
    gradient = points[-1].gradient
    pairs = []
    for before, after in pairwise(points):
        s, z = after.x - before.x, before.gradient - after.gradient
        if dot(s, z) > 1e-12 * dot(z, z):
            pairs.append((s, z))
    if not pairs:
        size = np.sqrt(dot(gradient, gradient))
        return np.asarray(gradient / max(1.0, size))
    q, weights = gradient.copy(), []
    for s, z in reversed(pairs):
        weights.append(dot(s, q) / dot(s, z))
        q -= weights[-1] * z
    s, z = pairs[-1]
    q *= dot(s, z) / dot(z, z)
    for (s, z), weight in zip(pairs, reversed(weights), strict=True):
        q += s * (weight - dot(z, q) / dot(s, z))
    return q
