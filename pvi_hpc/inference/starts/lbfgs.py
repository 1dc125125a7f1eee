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
#: Names of points: that which directions begin at, and the best along the direction.
POINT, BEST = "point", "best"


def fresh_pairs(mu: Tensor) -> Parameters:
    """Return the memory before the first iteration, for a mean `(n,)`; all float64."""
    line = torch.zeros(len(mu), dtype=torch.float64)
    pairs = torch.zeros(MEMORY, len(mu), dtype=torch.float64)
    names = (POINT, "gradient", "direction", BEST, "best_gradient")
    numbers = LineSearch.along(0.0, 0.0, 1.0).numbers()
    return {
        **{name: line.clone() for name in names},
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
    up to `last` are skipped.
    """

    target: Target
    length: float
    last: int
    gain: float | None = None

    def step(self, state: State) -> tuple[State, Info]:
        """Do one iteration; as `Method.step`. The last one leaves the best point in `mu`."""
        i, mu, memory = state.iteration, state.parameters[LOCATION], state.memory[LBFGS]
        value = self.target.value(mu[None].clone())
        check_values(value, i)
        loss = -float(value.log_likelihood + value.log_prior)
        arrived = self._told(memory, mu.double(), value.gradient[0], loss)
        search = _search(memory)
        over = arrived or i + 1 >= self.last
        trial = memory[POINT] + memory["direction"] * search.trial
        mu.copy_(memory[BEST] if over else trial)
        if over:
            state = replace(state, memory={k: v for k, v in state.memory.items() if k != LBFGS})
        state = replace(state, iteration=self.last if over else i + 1)
        return state, start_info("map", i, value, search.trial)

    def _told(self, memory: Parameters, mu: Tensor, gradient: Tensor, loss: float) -> bool:
        """Take an evaluation into the memory; return whether there is nothing left to gain."""
        if not memory["begun"]:
            memory["begun"].fill_(1)
            _copy(memory, {BEST: mu, "best_gradient": gradient})
            return self._turn(memory, loss)
        slope = -dot(gradient.numpy(), memory["direction"].numpy())
        before = _search(memory)
        search = before.told(loss, slope)
        if search.low != before.low:
            _copy(memory, {BEST: mu, "best_gradient": gradient})
        if search.done or search.count >= LONGEST:
            return self._turn(memory, search.low.value, found=search.low.step > 0)
        _store(memory, search)
        return False

    def _turn(self, memory: Parameters, loss: float, *, found: bool = True) -> bool:
        """Begin a search from the best point, along a new direction."""
        if found:
            step = memory[BEST] - memory[POINT]
            change = memory["gradient"] - memory["best_gradient"]
            # Only a positive product keeps the approximation positive definite.
            if memory["direction"].any() and dot(step.numpy(), change.numpy()) > 0:
                for name, newest in (("steps", step), ("changes", change)):
                    memory[name].copy_(torch.cat([memory[name][1:], newest[None]]))
        elif not memory["changes"].any():
            return True  # not even the gradient leads further
        else:
            memory["steps"].zero_()
            memory["changes"].zero_()
        _copy(memory, {POINT: memory[BEST], "gradient": memory["best_gradient"]})
        gradient = memory["gradient"].numpy()
        steps, changes = memory["steps"].numpy(), memory["changes"].numpy()
        direction = ascent(gradient, steps, changes, self.length)
        memory["direction"].copy_(torch.from_numpy(direction))
        promise = dot(gradient, direction)
        _store(memory, LineSearch.along(loss, -promise, 1.0))
        known = bool(memory["changes"].any())
        return promise == 0 or (known and self.gain is not None and 0.5 * promise < self.gain)


def ascent(gradient: Array, steps: Array, changes: Array, length: float) -> Array:
    """Return the quasi-Newton step `(n,)` uphill from the pairs `(m, n)`, newest last.

    Pairs that are all zero are not there yet; without any, the step is along the gradient,
    `length` in its largest entry.
    """
    known = [k for k in range(len(steps)) if changes[k].any()]
    q, weights = gradient.copy(), {}
    for k in reversed(known):
        weights[k] = dot(steps[k], q) / dot(steps[k], changes[k])
        q -= weights[k] * changes[k]
    if known:
        s, y = steps[known[-1]], changes[known[-1]]
        q *= dot(s, y) / dot(y, y)
    else:
        q *= length / max(float(np.abs(q).max()), np.finfo(float).tiny)
    for k in known:
        q += steps[k] * (weights[k] - dot(changes[k], q) / dot(steps[k], changes[k]))
    return q


def _search(memory: Parameters) -> LineSearch:
    numbers = LineSearch.along(0.0, 0.0, 1.0).numbers()
    return LineSearch.of_numbers({name: float(memory[name]) for name in numbers})


def _store(memory: Parameters, search: LineSearch) -> None:
    for name, number in search.numbers().items():
        memory[name].fill_(number)


def _copy(memory: Parameters, values: Parameters) -> None:
    for name, value in values.items():
        memory[name].copy_(value)
