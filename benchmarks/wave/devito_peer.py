"""Devito at its best: options and block shapes are tried once, outside the timing."""

import time
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from case import Case
from devito import (
    Eq,
    Function,
    Grid,
    Operator,
    SparseTimeFunction,
    TimeFunction,
    configuration,
    solve,
)

__all__ = ["Peer"]

configuration["log-level"] = "ERROR"
configuration["language"] = "openmp"
# A tuned call tunes again in every call that follows: the blocks that it found are given.
configuration["autotuning"] = "off"

#: Ways of `Operator` to optimise; `advanced` is Devito's default.
OPTIONS: Final[dict[str, Any]] = {
    "advanced": "advanced",
    "advanced, linearised": ("advanced", {"linearize": True}),
}
#: Cells of a block along z and y that are tried beside Devito's default and its tuner's choice.
BLOCKS: Final = ((8, 8), (8, 32), (16, 16), (16, 64), (32, 32))
#: Time steps and repetitions of a trial.
STEPS, TRIALS = 10, 3


@dataclass(frozen=True)
class Tuned:
    """An operator with the arguments that made it fastest."""

    operator: Operator
    field: TimeFunction
    blocks: dict[str, int]
    option: str
    seconds: float

    def __str__(self) -> str:
        """Name the option and the cells of a block."""
        blocks = " x ".join(map(str, self.blocks.values())) or "by default"
        return f"{self.option}, blocks {blocks}"

    def apply(self, case: Case) -> None:
        """Run all time steps."""
        self.operator.apply(dt=case.dt, time_m=1, time_M=case.nt - 2, **self.blocks)


def tune(operator: Operator, field: TimeFunction, case: Case, option: str) -> Tuned:
    """Return an operator with the best of Devito's blocks and of a few others.

    The tuner of Devito runs once here, and is never asked again.
    """
    last = min(1 + STEPS, case.nt - 2)
    operator.apply(dt=case.dt, time_m=1, time_M=last, autotune="aggressive")
    sizes = [p.name for p in operator.parameters if "_blk" in p.name]
    tuned = operator._state["autotuning"][-1].get("tuned", {})
    shapes: list[dict[str, int]] = [{}, {name: tuned[name] for name in sizes if name in tuned}]
    if len(sizes) == 2:
        fitting = [shape for shape in BLOCKS if max(shape) <= min(case.padded)]
        shapes += [dict(zip(sizes, shape, strict=True)) for shape in fitting]
    found = []
    for blocks in shapes:
        seconds = []
        for _ in range(TRIALS):
            start = time.perf_counter()
            operator.apply(dt=case.dt, time_m=1, time_M=last, **blocks)
            seconds.append(time.perf_counter() - start)
        found.append(Tuned(operator, field, blocks, option, min(seconds)))
    return min(found, key=lambda each: each.seconds)


class Peer:
    """Forward and gradient of a case; a gradient includes its forward, stored in full."""

    def __init__(self, case: Case) -> None:
        self.case = case
        extent = tuple((n - 1) * case.spacing for n in case.padded)
        self.grid = Grid(shape=case.padded, extent=extent, dtype=np.float32)
        self.m = Function(name="m", grid=self.grid, space_order=8)
        velocity = np.pad(case.model(), case.layer, mode="edge")
        self.m.data[:] = velocity**-2
        self.damp = Function(name="damp", grid=self.grid, space_order=0)
        self.damp.data[:] = _damping(case)
        self.source = self._points("src", case.source()[None], case.wavelet()[None])
        self.receivers = self._points("rec", case.receivers(), None)
        self.back = self._points("adj", case.receivers(), case.residual())
        self.run: Tuned | None = None
        self.stored: Tuned | None = None
        self.adjoint: Tuned | None = None
        self.by_m: Function | None = None

    @property
    def settings(self) -> str:
        """The option and the blocks that were fastest, of each operator."""
        parts = {"forward": self.run, "stored": self.stored, "adjoint": self.adjoint}
        return "; ".join(f"{name}: {part}" for name, part in parts.items() if part)

    def forward(self) -> Any:
        """Return the traces `(n_rec, nt)`."""
        if self.run is None:
            self.run = self._best()
        return self._simulate(self.run)

    def gradient(self) -> Any:
        """Return d/dc of `sum(residual * traces)` `(n, n, n)`."""
        if self.stored is None or self.adjoint is None or self.by_m is None:
            # A second history would not fit: the option is that of the forward run.
            how = (self.run or self._best()).option
            self.by_m = Function(name="grad", grid=self.grid)
            stored = self._forward_operator(how, save=self.case.nt)
            self.stored = tune(*stored, self.case, how)
            adjoint = self._adjoint_operator(how, self.stored.field, self.by_m)
            self.adjoint = tune(*adjoint, self.case, how)
        self._simulate(self.stored)
        self.by_m.data[:] = 0
        self.adjoint.field.data[:] = 0
        self.adjoint.apply(self.case)
        inside = 3 * (slice(self.case.layer, -self.case.layer),)
        by_m = np.array(self.by_m.data[inside])
        return -2 * by_m / self.case.model() ** 3

    def _best(self) -> Tuned:
        """Return the fastest of the forward operators with each of `OPTIONS`."""
        found = [tune(*self._forward_operator(how), self.case, how) for how in OPTIONS]
        return min(found, key=lambda each: each.seconds)

    def _simulate(self, tuned: Tuned) -> Any:
        steps = slice(None) if tuned.field.save is None else slice(2)
        tuned.field.data[steps] = 0
        tuned.apply(self.case)
        return np.array(self.receivers.data).T

    def _forward_operator(
        self, how: str, save: int | None = None
    ) -> tuple[Operator, TimeFunction]:
        u = TimeFunction(name="u", grid=self.grid, time_order=2, space_order=8, save=save)
        equation = self.m * u.dt2 - u.laplace + self.damp * u.dt
        step = Eq(u.forward, solve(equation, u.forward))
        dt = self.grid.stepping_dim.spacing
        volume = self.case.spacing**3
        source = self.source.inject(u.forward, expr=self.source * dt**2 / self.m / volume)
        traces = self.receivers.interpolate(u)
        parts = [step, source, traces]
        operator = Operator(parts, subs=self.grid.spacing_map, opt=OPTIONS[how])
        return operator, u

    def _adjoint_operator(
        self, how: str, u: TimeFunction, gradient: Function
    ) -> tuple[Operator, TimeFunction]:
        v = TimeFunction(name="v", grid=self.grid, time_order=2, space_order=8)
        equation = self.m * v.dt2 - v.laplace + self.damp * v.dt.T
        step = Eq(v.backward, solve(equation, v.backward))
        dt = self.grid.stepping_dim.spacing
        residual = self.back.inject(v.backward, expr=self.back * dt**2 / self.m)
        # v takes a discrete delta and the sum over time steps stands for an integral over dt.
        update = Eq(gradient, gradient - u.dt2 * v)
        parts = [step, residual, update]
        operator = Operator(parts, subs=self.grid.spacing_map, opt=OPTIONS[how])
        return operator, v

    def _points(self, name: str, cells: Any, values: Any) -> SparseTimeFunction:
        points = SparseTimeFunction(
            name=name, grid=self.grid, npoint=len(cells), nt=self.case.nt
        )
        points.coordinates.data[:] = (cells + self.case.layer) * self.case.spacing
        if values is not None:
            points.data[:] = values.T
        return points


def _damping(case: Case) -> Any:
    """Return the usual sponge, quadratic in the depth within the layer."""
    z, y, x = (_rate(case, n) for n in case.padded)
    return z[:, None, None] + y[None, :, None] + x[None, None, :]


def _rate(case: Case, n: int) -> Any:
    cells = np.arange(n)
    depth = np.clip(np.maximum(case.layer - cells, cells - (n - 1 - case.layer)), 0, None)
    share = depth / case.layer
    return 3 * np.log(1e3) / (2 * case.layer * case.spacing) * share**2 / case.fastest
