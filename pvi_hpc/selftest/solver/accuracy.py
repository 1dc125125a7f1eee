"""Accuracy of the scheme at the user's sampling: against the exact wave, and its orders."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import numpy as np

from pvi_hpc.forward.acoustic.acoustic_solver import AcousticSolver
from pvi_hpc.forward.acoustic.stability import max_time_step
from pvi_hpc.selftest.outcome import Outcome
from pvi_hpc.selftest.solver.case import DELAY, Array, VerifyCase

__all__ = ["check_accuracy"]

#: Distance of the receiver from the source along an axis, in cells of the coarsest grid.
RECEIVER_CELLS: Final = 4
#: Coarsest grid of the test of orders; no reflection from its edge comes back in time.
COARSE_CELLS: Final = 33
#: Grid points of the shortest wavelength, on the coarsest grid.
POINTS: Final = 4
#: Nodes of the integral along a line source.
LINE_NODES: Final = 801


def check_accuracy(case: VerifyCase) -> Iterator[Outcome]:
    """Yield the error against the exact wave, and the orders of convergence."""
    yield _exact_wave(case.homogeneous())
    yield _order_in_time(case.homogeneous())
    yield _order_in_space(case)


def _exact_wave(case: VerifyCase) -> Outcome:
    """p = s(t - r / c) / (4 pi r), at the slowest velocity: the worst sampled wave.

    In a section it is that of a line source.
    """
    speed, grid = case.slowest, case.settings
    source = np.rint(case.extent() / 2 / grid.spacing) * grid.spacing
    away = np.array([[0, 0, 1], [1, 0, 0], [0.6, 0.6, 0.5], [0, 1, 0]]) * case.extended
    offsets = RECEIVER_CELLS * away[away.any(axis=1)]
    receivers = source + offsets * grid.spacing
    distance = np.linalg.norm(receivers - source, axis=1)[:, None]
    last = 2 * DELAY / case.peak + float(distance.max()) / speed
    case = replace(case, steps=int(last / grid.dt) + 1)
    traces = _forward(case, speed, source, receivers)
    if case.extended.all():
        exact = case.wavelet(distance / speed) / (4 * np.pi * distance)
    else:
        exact = _of_line_source(case, distance / speed)
    error = float(np.linalg.norm(traces - exact) / np.linalg.norm(exact))
    remedy = "Too few cells per wavelength: a finer grid, or a wavelet of lower frequency."
    return Outcome.below(f"exact wave at {speed:g} m/s", error, 5e-2, remedy)


def _of_line_source(case: VerifyCase, delay: Array) -> Array:
    r"""Return :math:`\int_0^U s(t - \tau \cosh u)\,du / 2\pi`, :math:`\cosh U = t / \tau`.

    `delay` `(n, 1)` holds the travel times :math:`\tau` [s]. Spherical waves, integrated along
    the line of their sources.
    """
    share = np.linspace(0, 1, LINE_NODES)[:, None, None]
    t = np.arange(case.steps) * case.settings.dt
    last = np.arccosh(np.maximum(t / delay, 1))
    late = delay * np.cosh(share * last)
    wave: Array = last * np.trapezoid(case.wavelet(late), share, axis=0) / (2 * np.pi)
    return wave


def _order_in_time(case: VerifyCase) -> Outcome:
    """Halving the time step twice: the differences fall as its square."""
    speed, dt = 0.5 * (case.slowest + case.fastest), case.settings.dt
    source = case.extent() / 2
    receivers = source + np.array([[0.0, 0.0, RECEIVER_CELLS * case.settings.spacing[2]]])
    steps = int((2 * DELAY / case.peak + (receivers - source).max() / speed) / dt) + 1
    runs = []
    for part in (1, 2, 4):
        settings = replace(case.settings, dt=dt / part)
        finer = replace(case, settings=settings, steps=(steps - 1) * part + 1)
        runs.append(_forward(finer, speed, source, receivers)[:, ::part])
    return _order("order in time", runs, 2, 1.8, 2.2)


def _order_in_space(case: VerifyCase) -> Outcome:
    """Halving the spacing twice at one time step: the differences fall as its power.

    The receiver lies on the diagonal: within some 5 cells of the source the error of high
    orders is that of the singular field there, which falls more slowly.
    """
    h, order = float(max(case.settings.spacing)), case.settings.order
    speed = 0.5 * (case.slowest + case.fastest)
    peak = speed / (2.5 * POINTS * h)
    dt = 0.8 * max_time_step(speed, 3 * (h / 4,), order=order)
    source = np.where(case.extended, COARSE_CELLS // 2 * h, 0.0)
    receivers = (source + np.where(case.extended, RECEIVER_CELLS * h, 0.0))[None]
    steps = int((2 * (COARSE_CELLS // 2) - RECEIVER_CELLS) * h / speed / dt)
    runs = []
    for part in (1, 2, 4):
        cells = (COARSE_CELLS - 1) * part + 1
        settings = replace(
            case.settings,
            shape=case.cut(cells),
            spacing=3 * (h / part,),
            dt=dt,
            free_surface=False,
        )
        finer = replace(case, settings=settings, peak=peak, steps=steps)
        runs.append(_forward(finer, speed, source, receivers))
    return _order("order in space", runs, order, order - 1.5, order + 1.5)


def _forward(case: VerifyCase, speed: float, source: Array, receivers: Array) -> Array:
    with AcousticSolver(case.settings) as solver:
        solver.set_model(np.full(case.settings.shape, speed))
        traces: Array = solver.forward(source, case.wavelet(), receivers)
        return traces


def _order(name: str, runs: list[Array], order: int, least: float, most: float) -> Outcome:
    coarse = float(np.linalg.norm(runs[0] - runs[1]))
    fine = float(np.linalg.norm(runs[1] - runs[2]))
    return Outcome.between(f"{name} (scheme: {order})", np.log2(coarse / fine), least, most)
