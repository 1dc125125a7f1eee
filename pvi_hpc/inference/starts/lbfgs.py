"""The deterministic start by limited-memory BFGS (Nocedal & Wright 2006, algorithm 7.4).

One gradient of all shots an iteration, no line search: a point that is worse than the one
before is taken back, and half the step is tried next. Converges in far fewer gradients than
Adam where there is no noise.
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
from pvi_hpc.inference.starts.map_search import start_info
from pvi_hpc.inference.state import State
from pvi_hpc.inference.target import Target

__all__ = ["LBFGS", "LbfgsSearch", "fresh_pairs"]

Array = NDArray[np.float64]

#: Number of steps, and of changes of the gradient, that L-BFGS remembers.
MEMORY: Final = 8
#: Name in a state's memory.
LBFGS: Final = "lbfgs"
#: Loss of log density, relative to its size, that counts as rounding of a new point.
SLACK: Final = 1e-12


def fresh_pairs(mu: Tensor) -> Parameters:
    """Return the memory before the first iteration, for a mean `(n,)`; all float64."""
    line = torch.zeros(len(mu), dtype=torch.float64)
    pairs = torch.zeros(MEMORY, len(mu), dtype=torch.float64)
    return {
        "point": line,
        "gradient": line.clone(),
        "direction": line.clone(),
        "steps": pairs,
        "changes": pairs.clone(),
        "log_density": torch.tensor(-torch.inf, dtype=torch.float64),
        "scale": torch.tensor(1.0, dtype=torch.float64),
    }


@dataclass(frozen=True)
class LbfgsSearch:
    """Moves the location `mu` of a state in `iterations` evaluations of the target.

    `length` bounds the largest entry of the first step, before any curvature is known.
    """

    target: Target
    length: float
    iterations: int

    def step(self, state: State) -> tuple[State, Info]:
        """Do one iteration; as `Method.step`. The last one leaves the best point in `mu`."""
        i, mu, memory = state.iteration, state.parameters[LOCATION], state.memory[LBFGS]
        value = self.target.value(mu[None].clone())
        check_values(value, i)
        found = float(value.log_likelihood + value.log_prior)
        best = float(memory["log_density"])
        if found >= best - SLACK * abs(best):
            self._accept(memory, mu.double(), value.gradient[0], found)
        else:
            memory["scale"].mul_(0.5)
        scale = float(memory["scale"])
        last = i + 1 >= self.iterations
        point = memory["point"] if last else memory["point"] + memory["direction"] * scale
        mu.copy_(point)
        return replace(state, iteration=i + 1), start_info("map", i, value, scale)

    def _accept(self, memory: Parameters, mu: Tensor, gradient: Tensor, found: float) -> None:
        step, change = mu - memory["point"], memory["gradient"] - gradient
        first = bool(memory["log_density"].isinf())
        # Only a positive product keeps the approximation positive definite.
        if not first and _dot(step.numpy(), change.numpy()) > 0:
            for name, newest in (("steps", step), ("changes", change)):
                memory[name].copy_(torch.cat([memory[name][1:], newest[None]]))
        memory["point"].copy_(mu)
        memory["gradient"].copy_(gradient)
        memory["log_density"].fill_(found)
        memory["scale"].fill_(1.0)
        steps, changes = memory["steps"].numpy(), memory["changes"].numpy()
        direction = ascent(gradient.numpy(), steps, changes, self.length)
        memory["direction"].copy_(torch.from_numpy(direction))


def ascent(gradient: Array, steps: Array, changes: Array, length: float) -> Array:
    """Return the quasi-Newton step `(n,)` uphill from the pairs `(m, n)`, newest last.

    Pairs that are all zero are not there yet; without any, the step is along the gradient,
    `length` in its largest entry.
    """
    known = [k for k in range(len(steps)) if changes[k].any()]
    q, weights = gradient.copy(), {}
    for k in reversed(known):
        weights[k] = _dot(steps[k], q) / _dot(steps[k], changes[k])
        q -= weights[k] * changes[k]
    if known:
        s, y = steps[known[-1]], changes[known[-1]]
        q *= _dot(s, y) / _dot(y, y)
    else:
        q *= length / max(float(np.abs(q).max()), np.finfo(float).tiny)
    for k in known:
        q += steps[k] * (weights[k] - _dot(changes[k], q) / _dot(steps[k], changes[k]))
    return q


def _dot(a: Array, b: Array) -> float:
    # Not a BLAS product, whose order of addition depends on threads.
    return float(np.sum(a * b))
