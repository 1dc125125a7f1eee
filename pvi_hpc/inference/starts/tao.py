"""The deterministic start by quasi-Newton methods of PETSc's TAO, one gradient an iteration.

TAO wants to call the objective, where a run wants one evaluation at a time, a checkpoint after
each, and the same bits after a kill. So the state holds the start and what every evaluation
gave; an iteration runs TAO from the start, answers from the record, and takes down the first
point that is not in it. That repeats vector operations, not simulations.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import inf
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pvi_hpc.errors import ConfigError
from pvi_hpc.families.family import LOCATION, Parameters
from pvi_hpc.inference.finite import check_values
from pvi_hpc.inference.history import Info
from pvi_hpc.inference.starts.lbfgs import MEMORY
from pvi_hpc.inference.starts.map_search import start_info
from pvi_hpc.inference.state import State
from pvi_hpc.inference.target import Target
from pvi_hpc.numerics.petsc import load_petsc
from pvi_hpc.numerics.reproducible import dot

__all__ = ["TAO", "Tao", "TaoSearch"]

Array = NDArray[np.float64]

#: Name in a state's memory.
TAO: Final = "tao"
#: Iterations and evaluations that TAO may do by itself: as many as it likes.
UNLIMITED: Final = 10**9
#: Loss that ends TAO, with a gradient of zero: no step could be better.
END: Final = -1e30


@dataclass(frozen=True)
class TaoSearch:
    """Moves the location `mu` of a state by evaluations of the target up to `last`.

    Parameters
    ----------
    target
        The log posterior.
    tao
        The method, its first step and its bounds.
    last
        Iteration at which the best point becomes `mu`.
    gain
        Gain of an accepted step [nats] below which `mu` has arrived; None: never.
    """

    target: Target
    tao: "Tao"
    last: int
    gain: float | None = None

    def step(self, state: State) -> tuple[State, Info]:
        """Do one iteration; as `Method.step`. The last one leaves the best point in `mu`.

        Raises
        ------
        ConfigError
            If TAO does not come to the points that the record is of: PETSc has changed since.
        """
        i, mu = state.iteration, state.parameters[LOCATION]
        here = self.tao.inside(mu)
        value = self.target.value(here[None].clone())
        check_values(value, i)
        loss = -float(value.log_likelihood + value.log_prior)
        memory = _recorded(state.memory.get(TAO), here, loss, -value.gradient[0])
        asked, accepted = self.tao.next_point(memory, here)
        slow = len(accepted) > 1 and accepted[-2] - accepted[-1] < (self.gain or -inf)
        over = asked is None or slow or i + 1 >= self.last
        point = memory["best"] if over or asked is None else torch.from_numpy(asked)
        length = float((point - here.double()).abs().max())
        mu.copy_(point)
        rest = {name: part for name, part in state.memory.items() if name != TAO}
        kept = rest if over else {**rest, TAO: memory}
        state = replace(state, iteration=self.last if over else i + 1, memory=kept)
        return state, start_info("map", i, value, length)


@dataclass(frozen=True)
class Tao:
    """A method of TAO: `blmvm` (projected, by L-BFGS) or `bqnls` (active sets, by BFGS).

    `length` is the largest entry of the first step; `bound` the largest size of an unknown.
    """

    kind: str
    length: float
    bound: float | None = None

    def inside(self, mu: Tensor) -> Tensor:
        """Return `mu` `(n,)` within the bounds."""
        return mu if self.bound is None else mu.clamp(-self.bound, self.bound)

    def next_point(
        self, memory: Parameters, newest: Tensor
    ) -> tuple[Array | None, list[float]]:
        """Return the point `(n,)` that TAO asks for next, and the losses that it accepted.

        None where TAO has ended. `memory` is the record; `newest` the point that its last entry
        is of.

        Raises
        ------
        ConfigError
            If TAO does not come to that point.
        """
        petsc = load_petsc(f"'start.lbfgs: {self.kind}'")
        record = _Record(memory, newest, self._shift(memory))
        with _sums_in_order(petsc):
            solver, vectors = self._solver(petsc, memory["start"].numpy())
            solver.setObjectiveGradient(record.answer, vectors[1])
            solver.setMonitor(record.watch)
            try:
                solver.solve()
            finally:
                for thing in (solver, *vectors):
                    thing.destroy()
        if record.astray:
            raise ConfigError(
                "'start.lbfgs' must go on with the PETSc that the run was begun with, but this "
                "one asks for other points; take that one, or begin the run again."
            )
        return record.asked, record.accepted

    def _shift(self, memory: Parameters) -> float:
        """Return what is added to losses: TAO's first step is `2 |loss| / |g|^2` times `g`."""
        first, gradient = float(memory["values"][0]), memory["gradients"][0].numpy()
        largest = float(np.abs(gradient).max(initial=0.0))
        if largest == 0:
            return 0.0
        return 0.5 * self.length * dot(gradient, gradient) / largest - first

    def _solver(self, petsc: Any, start: Array) -> tuple[Any, Sequence[Any]]:
        """Return a solver at a start, and its vectors: solution, gradient and bounds."""
        solver = petsc.TAO().create(comm=petsc.COMM_SELF)
        solver.setType(self.kind)
        solver.setOptionsPrefix("pvi_")
        options, pairs = petsc.Options("pvi_"), f"tao_{self.kind}_mat_lmvm_hist_size"
        options[pairs] = MEMORY
        solution = petsc.Vec().createWithArray(start.copy(), comm=petsc.COMM_SELF)
        vectors = [solution, solution.duplicate()]
        solver.setSolution(solution)
        if self.bound is not None:
            bounds = [solution.duplicate(), solution.duplicate()]
            for vector, bound in zip(bounds, (-self.bound, self.bound), strict=True):
                vector.set(bound)
            solver.setVariableBounds(bounds)
            vectors += bounds
        solver.setTolerances(gatol=0.0, grtol=0.0, gttol=0.0)
        solver.setMaximumIterations(UNLIMITED)
        solver.setMaximumFunctionEvaluations(UNLIMITED)
        solver.setFromOptions()
        options.delValue(pairs)
        return solver, vectors


@contextmanager
def _sums_in_order(petsc: Any) -> Iterator[None]:
    """Let vectors made meanwhile add up in one order.

    As it comes, PETSc takes vectors that happen to lie evenly in memory as one matrix, whose
    products BLAS adds up in another order: bits then change from call to call.
    """
    names, options = ("vec_mdot_use_gemv", "vec_maxpy_use_gemv"), petsc.Options()
    for name in names:
        options[name] = False
    try:
        yield
    finally:
        for name in names:
            options.delValue(name)


class _Record:
    """Answers TAO from a record, until it asks for a point that is not there."""

    def __init__(self, memory: Parameters, newest: Tensor, shift: float) -> None:
        self.values, self.gradients = memory["values"].numpy(), memory["gradients"].numpy()
        self.newest, self.shift = newest, shift
        self.asked: Array | None = None
        self.accepted: list[float] = []
        self.astray = False
        self._count = 0

    def answer(self, _: Any, x: Any, gradient: Any) -> float:
        """Return the shifted loss at `x` and set its gradient."""
        i = self._count
        self._count += 1
        if i >= len(self.values):
            if self.asked is None:
                self.asked = np.array(x.getArray(readonly=1))
            gradient.set(0.0)
            return END
        if i == len(self.values) - 1:
            here = torch.from_numpy(np.array(x.getArray(readonly=1))).to(self.newest.dtype)
            # PETSc takes no exception here: what called asks afterwards.
            self.astray = not torch.equal(here, self.newest)
        gradient.setArray(self.gradients[i])
        return float(self.values[i] + self.shift)

    def watch(self, solver: Any) -> None:
        """Take down the loss of an accepted point."""
        value = solver.getObjectiveValue()
        if self.asked is None and value != END:
            self.accepted.append(float(value))


def _recorded(memory: Parameters | None, mu: Tensor, loss: float, slope: Tensor) -> Parameters:
    """Return the record with one more evaluation, at `mu` `(n,)`."""
    here, value = mu.double().clone(), torch.tensor([loss], dtype=torch.float64)
    if memory is None:
        row = slope.double()[None].clone()
        return {"start": here, "best": here.clone(), "values": value, "gradients": row}
    better = loss < float(memory["values"].min())
    return {
        "start": memory["start"],
        "best": here if better else memory["best"],
        "values": torch.cat([memory["values"], value]),
        "gradients": torch.cat([memory["gradients"], slope.double()[None]]),
    }
