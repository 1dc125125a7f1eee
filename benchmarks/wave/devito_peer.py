"""Devito: the same stencil, generated and tuned for this machine, in a damping layer."""

from typing import Any

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
configuration["autotuning"] = "aggressive"


class Peer:
    """Forward and gradient of a case; a gradient includes its forward, stored in full."""

    def __init__(self, case: Case) -> None:
        self.case = case
        n = case.n + 2 * case.layer
        self.grid = Grid(shape=3 * (n,), extent=3 * ((n - 1) * case.spacing,), dtype=np.float32)
        self.m = Function(name="m", grid=self.grid, space_order=8)
        velocity = np.pad(case.model(), case.layer, mode="edge")
        self.m.data[:] = velocity**-2
        self.damp = Function(name="damp", grid=self.grid, space_order=0)
        self.damp.data[:] = _damping(case)
        self.source = self._points("src", case.source()[None], case.wavelet()[None])
        self.receivers = self._points("rec", case.receivers(), None)
        self.back = self._points("adj", case.receivers(), case.residual())
        self.run = self._forward_operator(save=False)
        self.stored: tuple[Operator, TimeFunction] | None = None
        self.adjoint: tuple[Operator, Function, TimeFunction] | None = None

    def forward(self) -> Any:
        """Return the traces `(n_rec, nt)`."""
        operator, field = self.run
        return self._simulate(operator, field)

    def gradient(self) -> Any:
        """Return d/dc of `sum(residual * traces)` `(n, n, n)`."""
        if self.stored is None:
            self.stored = self._forward_operator(save=True)
            self.adjoint = self._adjoint_operator(self.stored[1])
        self._simulate(*self.stored)
        operator, gradient, field = self.adjoint
        gradient.data[:] = 0
        field.data[:] = 0
        operator.apply(dt=self.case.dt, time_m=1, time_M=self.case.nt - 2)
        inside = 3 * (slice(self.case.layer, -self.case.layer),)
        by_m = np.array(gradient.data[inside])
        return -2 * by_m / self.case.model() ** 3

    def _simulate(self, operator: Operator, field: TimeFunction) -> Any:
        if field.save is None:
            field.data[:] = 0
        else:
            field.data[:2] = 0
        operator.apply(dt=self.case.dt, time_m=1, time_M=self.case.nt - 2)
        return np.array(self.receivers.data).T

    def _forward_operator(self, *, save: bool) -> tuple[Operator, TimeFunction]:
        nt = self.case.nt
        u = TimeFunction(
            name="u", grid=self.grid, time_order=2, space_order=8, save=nt if save else None
        )
        equation = self.m * u.dt2 - u.laplace + self.damp * u.dt
        step = Eq(u.forward, solve(equation, u.forward))
        dt = self.grid.stepping_dim.spacing
        volume = self.case.spacing**3
        source = self.source.inject(u.forward, expr=self.source * dt**2 / self.m / volume)
        traces = self.receivers.interpolate(u)
        operator = Operator([step, source, traces], subs=self.grid.spacing_map)
        return operator, u

    def _adjoint_operator(self, u: TimeFunction) -> tuple[Operator, Function, TimeFunction]:
        v = TimeFunction(name="v", grid=self.grid, time_order=2, space_order=8)
        gradient = Function(name="grad", grid=self.grid)
        equation = self.m * v.dt2 - v.laplace + self.damp * v.dt.T
        step = Eq(v.backward, solve(equation, v.backward))
        dt = self.grid.stepping_dim.spacing
        residual = self.back.inject(v.backward, expr=self.back * dt**2 / self.m)
        # v takes a discrete delta and the sum over time steps stands for an integral over dt.
        update = Eq(gradient, gradient - u.dt2 * v)
        operator = Operator([step, residual, update], subs=self.grid.spacing_map)
        return operator, gradient, v

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
    n = case.n + 2 * case.layer
    cells = np.arange(n)
    depth = np.clip(np.maximum(case.layer - cells, cells - (n - 1 - case.layer)), 0, None)
    share = depth / case.layer
    rate = 3 * np.log(1e3) / (2 * case.layer * case.spacing) * share**2 / case.fastest
    return rate[:, None, None] + rate[None, :, None] + rate[None, None, :]
