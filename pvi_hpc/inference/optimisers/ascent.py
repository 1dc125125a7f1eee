"""Ascent without noise: natural gradients, remembered as L-BFGS does, held by a line search.

The two-loop recursion (Nocedal & Wright 2006, algorithm 7.4) begins from the inverse Fisher
information instead of a multiple of the identity, so that a first step is a natural gradient
and later ones learn what it lacks. A step that does not bring a fixed share of what its slope
promises (Armijo) is taken back and shortened. One evaluation a call; all memory is in the
state.
"""

from collections.abc import Mapping
from typing import Final

import numpy as np
import torch
from torch import Tensor

from pvi_hpc.families.capabilities import NaturalGradient
from pvi_hpc.families.family import LOCATION, Parameters
from pvi_hpc.inference.optimisers.natural import relative_change
from pvi_hpc.inference.state import Memory, State

__all__ = ["ASCENT", "Ascent", "fresh_ascent"]

#: Name of the numbers in a state's memory.
ASCENT: Final = "ascent"
#: Changes of the gradient that are remembered.
PAIRS: Final = 10
#: Share of the promised growth that a step must bring.
ARMIJO: Final = 1e-4
#: Bounds of one step: standardised lengths of the mean, relative change of `L`, of a log sd.
MEAN_STEP: Final = 3.0
FACTOR_STEP: Final = 1.0
#: A step is shortened to between these shares of itself.
SHORTEST: Final = 0.1
LONGEST: Final = 0.5
#: Shortened so many times, a step is given up.
TRIES: Final = 25
#: Least cosine of a step and a change of the gradient that are remembered.
CURVED: Final = 1e-10

#: Numbers that a search remembers.
NUMBERS: Final = (
    *("elbo", "decrement", "slope", "length"),
    *("round", "evaluated", "tries", "pairs"),
)


def fresh_ascent(parameters: Parameters) -> Memory:
    """Return the memory before the first evaluation."""

    def zeros(*rows: int) -> Parameters:
        return {k: torch.zeros(*rows, *v.shape, dtype=v.dtype) for k, v in parameters.items()}

    numbers = {name: torch.tensor(0.0, dtype=torch.float64) for name in NUMBERS}
    numbers["evaluated"].fill_(-1)
    return {
        ASCENT: numbers,
        "anchor": zeros(),
        "uphill": zeros(),
        "direction": zeros(),
        "steps": zeros(PAIRS),
        "changes": zeros(PAIRS),
    }


class Ascent:
    """The search that a `state` remembers, of a family's parameters; changes it in place."""

    def __init__(self, family: NaturalGradient, state: State) -> None:
        self.family, self.memory = family, state.memory
        self.numbers = state.memory[ASCENT]

    @property
    def anchor(self) -> Parameters:
        """The best parameters of this round."""
        return self.memory["anchor"]

    @property
    def is_fresh(self) -> bool:
        """True before there is an anchor."""
        return float(self.numbers["evaluated"]) < 0

    @property
    def is_first(self) -> bool:
        """True if a round begins: its anchor has not been evaluated."""
        return float(self.numbers["evaluated"]) <= 0

    @property
    def round(self) -> int:
        """Number of the round, 0, 1, ..."""
        return int(self.numbers["round"])

    @property
    def length(self) -> float:
        """Length of the step that is tried."""
        return float(self.numbers["length"])

    @property
    def decrement(self) -> float:
        """Squared length of the natural gradient at the anchor."""
        return float(self.numbers["decrement"])

    def place(self, parameters: Parameters) -> None:
        """Begin at `parameters`."""
        _copy(self.anchor, parameters)
        self.numbers["evaluated"].fill_(0)

    def end_round(self, parameters: Parameters) -> None:
        """Leave the anchor in `parameters` and begin a new round there."""
        _copy(parameters, self.anchor)
        for name in ("evaluated", "pairs", "tries"):
            self.numbers[name].fill_(0)
        self.numbers["round"].add_(1)

    def take(
        self, parameters: Parameters, elbo: float, gradient: Parameters | None, tolerance: float
    ) -> bool:
        """Learn the ELBO and its gradient at `parameters`; leave there what to try next.

        `gradient` is None where one of them is not finite. True if the round is over: the
        natural gradient's squared length is below `tolerance`, or no step brings growth.
        """
        promised = float(self.numbers["slope"]) * self.length
        grown = elbo - float(self.numbers["elbo"])
        if self.is_first or (gradient is not None and grown >= ARMIJO * promised):
            assert gradient is not None
            self._accept(parameters, elbo, gradient)
            if self.decrement < tolerance:
                return True
            self._aim()
        elif float(self.numbers["tries"].add_(1)) > TRIES:
            if not float(self.numbers["pairs"]):
                return True
            self.numbers["pairs"].fill_(0)  # they mislead: begin with the natural gradient
            self._aim()
        else:
            best = 0.5 * promised / (promised - grown) if np.isfinite(grown) else SHORTEST
            self.numbers["length"].mul_(min(LONGEST, max(SHORTEST, best)))
        for name, value in self.anchor.items():
            parameters[name].copy_(value + self.length * self.memory["direction"][name])
        return False

    def _accept(self, parameters: Parameters, elbo: float, gradient: Parameters) -> None:
        if not self.is_first:
            step = {k: v - self.anchor[k] for k, v in parameters.items()}
            change = {k: self.memory["uphill"][k] - v for k, v in gradient.items()}
            length = np.sqrt(_dot(step, step) * _dot(change, change))
            if _dot(step, change) > CURVED * length:
                self._remember(step, change)
        _copy(self.anchor, parameters)
        _copy(self.memory["uphill"], gradient)
        self.numbers["elbo"].fill_(elbo)
        self.numbers["evaluated"].fill_(1)
        self.numbers["tries"].fill_(0)
        natural = self.family.natural(self.anchor, gradient)
        self.numbers["decrement"].fill_(max(0.0, _dot(gradient, natural)))

    def _remember(self, step: Parameters, change: Parameters) -> None:
        for name, newest in (("steps", step), ("changes", change)):
            for key, rows in self.memory[name].items():
                rows.copy_(torch.cat([rows[1:], newest[key][None]]))
        self.numbers["pairs"].fill_(min(PAIRS, int(self.numbers["pairs"]) + 1))

    def _aim(self) -> None:
        """Set direction, slope and first length from the gradient and the pairs."""
        gradient = self.memory["uphill"]
        direction = self._quasi_newton(gradient)
        slope = _dot(gradient, direction)
        if not (slope > 0 and np.isfinite(slope)):
            self.numbers["pairs"].fill_(0)
            direction = self.family.natural(self.anchor, gradient)
            slope = _dot(gradient, direction)
        _copy(self.memory["direction"], direction)
        self.numbers["slope"].fill_(slope)
        self.numbers["tries"].fill_(0)
        self.numbers["length"].fill_(self._bounded(direction))

    def _quasi_newton(self, gradient: Parameters) -> Parameters:
        rows = range(PAIRS - int(self.numbers["pairs"]), PAIRS)
        steps = {i: _row(self.memory["steps"], i) for i in rows}
        changes = {i: _row(self.memory["changes"], i) for i in rows}
        weights, q = {}, {k: v.clone() for k, v in gradient.items()}
        for i in reversed(rows):
            weights[i] = _dot(steps[i], q) / _dot(steps[i], changes[i])
            q = {k: v - weights[i] * changes[i][k] for k, v in q.items()}
        q = self.family.natural(self.anchor, q)
        for i in rows:
            back = weights[i] - _dot(changes[i], q) / _dot(steps[i], changes[i])
            q = {k: v + back * steps[i][k] for k, v in q.items()}
        return q

    def _bounded(self, direction: Parameters) -> float:
        """Return the largest length up to 1 within the bounds of one step."""
        length = 1.0
        if "log_sd" in direction:
            length = min(length, FACTOR_STEP / _largest(direction["log_sd"]))
        moved = {k: v + length * direction[k] for k, v in self.anchor.items()}
        probe = torch.ones_like(direction[LOCATION])[None]
        change = relative_change(self.family, self.anchor, moved, probe)
        shift = self.family.solve(self.anchor, direction[LOCATION][None])
        mean = MEAN_STEP / max(float(np.sqrt(_dot({"": shift}, {"": shift}))), 1e-300)
        factor = length * min(1.0, FACTOR_STEP / max(change, 1e-300))
        return min(mean, factor)


def _largest(x: Tensor) -> float:
    return max(float(x.abs().max()), 1e-300)


def _row(stack: Parameters, i: int) -> Parameters:
    return {name: rows[i] for name, rows in stack.items()}


def _copy(to: Parameters, of: Mapping[str, Tensor]) -> None:
    for name, value in of.items():
        to[name].copy_(value)


def _dot(a: Parameters, b: Parameters) -> float:
    # Not a BLAS product, whose order of addition depends on threads; names in their order.
    return float(np.sum([np.sum(a[k].numpy() * b[k].numpy()) for k in sorted(a)]))
