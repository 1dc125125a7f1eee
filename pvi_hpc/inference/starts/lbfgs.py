"""The deterministic start by limited-memory BFGS (Nocedal & Wright 2006, algorithm 7.4).

One gradient of all shots an iteration. Steps fulfil the strong Wolfe conditions, which keep the
approximate Hessian positive definite; where a search finds no such step, the best point that
it saw is taken, and directions begin anew from the gradient.
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pvi_hpc.families.family import LOCATION, Parameters
from pvi_hpc.inference.finite import check_values
from pvi_hpc.inference.history import Info
from pvi_hpc.inference.starts.line_search import LineSearch
from pvi_hpc.inference.starts.map_search import start_info
from pvi_hpc.inference.starts.noise_metric import METRIC, NoiseMetric
from pvi_hpc.inference.state import State
from pvi_hpc.inference.target import Target
from pvi_hpc.numerics.reproducible import dot

__all__ = ["LBFGS", "LbfgsSearch", "fresh_pairs"]

Array = NDArray[np.float64]

#: Number of steps, and of changes of the gradient, that L-BFGS remembers.
MEMORY: Final = 8
#: Name in a state's memory.
LBFGS: Final = "lbfgs"
#: Most evaluations of a search along one direction.
LONGEST: Final = 8
#: Largest entry of a first step along a gradient in a metric, in units of the prior's sd.
LARGEST: Final = 1.0
#: Names of points: that which directions begin at, and the best along the direction.
POINT, BEST = "point", "best"


def fresh_pairs(mu: Tensor, *, metric: bool = False) -> Parameters:
    """Return the memory before the first iteration, for a mean `(n,)`; all float64."""
    line = torch.zeros(len(mu), dtype=torch.float64)
    pairs = torch.zeros(MEMORY, len(mu), dtype=torch.float64)
    names = (POINT, "gradient", "direction", BEST, "best_gradient")
    numbers = LineSearch.along(0.0, 0.0, 1.0).numbers()
    solved = {"solved": line, "solved_changes": pairs} if metric else {}
    return {
        **{name: line.clone() for name in names},
        **{name: value.clone() for name, value in solved.items()},
        "steps": pairs,
        "changes": pairs.clone(),
        "begun": torch.tensor(0.0, dtype=torch.float64),
        **{name: torch.tensor(x, dtype=torch.float64) for name, x in numbers.items()},
    }


@dataclass(frozen=True)
class LbfgsSearch:
    """Moves the location `mu` of a state by evaluations of the target up to `last`.

    `length` bounds the largest entry of the first step, before any curvature is known. Where a
    quasi-Newton step promises to gain less than `gain` nats, `mu` has arrived: the iterations
    up to `last` are skipped. With a `metric` the first approximation of the Hessian is that.
    """

    target: Target
    length: float
    last: int
    gain: float | None = None
    metric: NoiseMetric | None = None

    def step(self, state: State) -> tuple[State, Info]:
        """Do one iteration; as `Method.step`. The last one leaves the best point in `mu`."""
        i, mu, memory = state.iteration, state.parameters[LOCATION], state.memory[LBFGS]
        value = self.target.value(mu[None].clone())
        check_values(value, i)
        loss = -float(value.log_likelihood + value.log_prior)
        arrived = self._told(state, value.gradient[0], loss)
        search = LineSearch.of_numbers(memory)
        over = arrived or i + 1 >= self.last
        trial = memory[POINT] + memory["direction"] * search.trial
        mu.copy_(memory[BEST] if over else trial)
        if over:
            kept = {k: v for k, v in state.memory.items() if k not in (LBFGS, METRIC)}
            state = replace(state, memory=kept)
        state = replace(state, iteration=self.last if over else i + 1)
        return state, start_info("map", i, value, search.trial)

    def _told(self, state: State, gradient: Tensor, loss: float) -> bool:
        """Take an evaluation into the memory; return whether there is nothing left to gain."""
        memory, mu = state.memory[LBFGS], state.parameters[LOCATION].double()
        if not memory["begun"]:
            memory["begun"].fill_(1)
            _copy(memory, {BEST: mu, "best_gradient": gradient})
            return self._turn(state, loss)
        slope = -dot(gradient.numpy(), memory["direction"].numpy())
        before = LineSearch.of_numbers(memory)
        search = before.told(loss, slope)
        if search.low != before.low:
            _copy(memory, {BEST: mu, "best_gradient": gradient})
        if search.done or search.count >= LONGEST:
            return self._turn(state, search.low.value, found=search.low.step > 0)
        _store(memory, search)
        return False

    def _turn(self, state: State, loss: float, *, found: bool = True) -> bool:
        """Begin a search from the best point, along a new direction."""
        memory = state.memory[LBFGS]
        solved = None
        if self.metric is not None:
            solved = self.metric.solve(state, memory["best_gradient"])
        if found:
            self._remember(memory, solved)
        elif not memory["changes"].any():
            return True  # not even the gradient leads further
        else:
            _forget(memory)
        _copy(memory, {POINT: memory[BEST], "gradient": memory["best_gradient"]})
        if solved is not None:
            memory["solved"].copy_(solved)
        gradient, direction = memory["gradient"].numpy(), self._direction(memory)
        promise = dot(gradient, direction)
        if promise < 0:  # rounding, or solves that are not exact
            _forget(memory)
            direction = self._direction(memory)
            promise = dot(gradient, direction)
        memory["direction"].copy_(torch.from_numpy(direction))
        _store(memory, LineSearch.along(loss, -promise, 1.0))
        known = bool(memory["changes"].any())
        return promise == 0 or (known and self.gain is not None and 0.5 * promise < self.gain)

    def _remember(self, memory: Parameters, solved: Tensor | None) -> None:
        """Add the step to the best point, and the change of the gradient, to the pairs."""
        step = memory[BEST] - memory[POINT]
        change = memory["gradient"] - memory["best_gradient"]
        # Only a positive product keeps the approximation positive definite.
        if not memory["direction"].any() or dot(step.numpy(), change.numpy()) <= 0:
            return
        pairs = [("steps", step), ("changes", change)]
        if solved is not None:
            pairs.append(("solved_changes", memory["solved"] - solved))
        for name, newest in pairs:
            memory[name].copy_(torch.cat([memory[name][1:], newest[None]]))

    def _direction(self, memory: Parameters) -> Array:
        if self.metric is None:
            return ascent(_pairs(memory, "gradient", "changes"), self.length)
        return ascent(_pairs(memory, "solved", "solved_changes"), None)


@dataclass(frozen=True)
class Pairs:
    """A gradient `(n,)` and pairs `(m, n)`, newest last, with their products by `H_0`.

    Pairs that are all zero are not there yet.
    """

    gradient: Array
    steps: Array
    changes: Array
    scaled: Array
    scaled_changes: Array


def ascent(pairs: Pairs, length: float | None) -> Array:
    """Return the quasi-Newton step `(n,)` uphill.

    Without any pair it is along `scaled`: `length` in its largest entry, or as long as it is,
    at most `LARGEST`, where that is None.
    """
    p = pairs
    known = [k for k in range(len(p.steps)) if p.changes[k].any()]
    # `H_0` is linear, so that its product with what the first loop leaves needs no new one.
    q, out, weights = p.gradient.copy(), p.scaled.copy(), {}
    for k in reversed(known):
        weights[k] = dot(p.steps[k], q) / dot(p.steps[k], p.changes[k])
        q -= weights[k] * p.changes[k]
        out -= weights[k] * p.scaled_changes[k]
    if known:
        s, y, scaled = p.steps[known[-1]], p.changes[known[-1]], p.scaled_changes[known[-1]]
        out *= dot(s, y) / max(dot(y, scaled), np.finfo(float).tiny)
    else:
        size = max(float(np.abs(out).max()), np.finfo(float).tiny)
        out *= length / size if length is not None else min(1.0, LARGEST / size)
    for k in known:
        product = dot(p.changes[k], out) / dot(p.steps[k], p.changes[k])
        out += p.steps[k] * (weights[k] - product)
    return out


def _pairs(memory: Parameters, scaled: str, scaled_changes: str) -> Pairs:
    names = ("gradient", "steps", "changes", scaled, scaled_changes)
    return Pairs(*(memory[name].numpy() for name in names))


def _forget(memory: Parameters) -> None:
    for name in ("steps", "changes", "solved_changes"):
        if name in memory:
            memory[name].zero_()


def _store(memory: Parameters, search: LineSearch) -> None:
    for name, number in search.numbers().items():
        memory[name].fill_(number)


def _copy(memory: Parameters, values: Parameters) -> None:
    for name, value in values.items():
        memory[name].copy_(value)
