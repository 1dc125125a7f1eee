"""Properties that hold to rounding on any grid: adjoint, gradient, reciprocity, linearity."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import numpy as np

from pvi_hpc.forward.acoustic.acoustic_solver import AcousticSolver
from pvi_hpc.selftest.outcome import Outcome
from pvi_hpc.selftest.solver.case import Array, VerifyCase

__all__ = ["check_properties"]

STEPS: Final = 2.0 ** -np.arange(4, 10)
BROKEN: Final = "The library is not what was tested; rebuild it, and report it if it stays."


def check_properties(case: VerifyCase) -> Iterator[Outcome]:
    """Yield the outcomes of all of them."""
    rng = np.random.default_rng(0)
    with AcousticSolver(case.settings) as solver:
        solver.set_model(case.model(rng))
        yield _adjoint(case, solver, rng)
        yield _linearity(case, solver, rng)
        yield _born(case, solver, rng)
        yield from _gradient(case, solver, rng)
    yield _reciprocity(case, rng)


def _adjoint(case: VerifyCase, solver: AcousticSolver, rng: np.random.Generator) -> Outcome:
    """<F s, r> = <s, F' r> for the wavelet s, whatever the residual r."""
    wavelet = rng.standard_normal(case.steps)
    traces = solver.forward(case.points(rng, 1)[0], wavelet, case.points(rng, 4), store=True)
    residual = traces / np.linalg.norm(traces) + 1e-2 * rng.standard_normal(traces.shape)
    by_wavelet = solver.gradients(residual)[1]
    left, right = np.vdot(traces, residual), np.vdot(wavelet, by_wavelet)
    return Outcome.below("adjoint: dot product", abs(left - right) / abs(left), 1e-11, BROKEN)


def _linearity(case: VerifyCase, solver: AcousticSolver, rng: np.random.Generator) -> Outcome:
    source, receivers = case.points(rng, 1)[0], case.points(rng, 3)
    s, t = rng.standard_normal((2, case.steps))
    both = solver.forward(source, 2 * s - 3 * t, receivers)
    apart = 2 * solver.forward(source, s, receivers) - 3 * solver.forward(source, t, receivers)
    error = float(np.abs(both - apart).max() / np.abs(both).max())
    return Outcome.below("linear in the source", error, 1e-11, BROKEN)


def _reciprocity(case: VerifyCase, rng: np.random.Generator) -> Outcome:
    """Without the layer: what that sends back is reciprocal to its own accuracy only."""
    here, there = case.inner_points(rng, 2)
    wavelet = case.wavelet()
    with AcousticSolver(replace(case.settings, n_pml=0)) as solver:
        solver.set_model(case.model(rng))
        forth = solver.forward(here, wavelet, there[None])
        back = solver.forward(there, wavelet, here[None])
    # A wave that has not arrived yet would compare rounding with rounding.
    scale = max(float(np.linalg.norm(forth)), 1e-12 * float(np.linalg.norm(wavelet)))
    error = float(np.linalg.norm(forth - back)) / scale
    return Outcome.below("reciprocity", error, 1e-9, BROKEN)


def _born(case: VerifyCase, solver: AcousticSolver, rng: np.random.Generator) -> Outcome:
    """<J v, w> = <v, J' w> for a change v of the model and a residual w."""
    direction = rng.standard_normal(case.settings.shape)
    at = case.points(rng, 1)[0], case.wavelet(), case.points(rng, 4)
    derivative = solver.born(*at, direction, store=True).linearised
    residual = derivative / np.linalg.norm(derivative)
    residual += 1e-2 * rng.standard_normal(derivative.shape) / np.sqrt(derivative.size)
    gradient = solver.gradient(residual)
    assert gradient is not None  # this process is rank 0
    left, right = np.vdot(derivative, residual), np.vdot(direction, gradient)
    return Outcome.below("Born: dot product", abs(left - right) / abs(left), 1e-11, BROKEN)


def _gradient(
    case: VerifyCase, solver: AcousticSolver, rng: np.random.Generator
) -> Iterator[Outcome]:
    """Taylor remainder of order 2, and the length of the gradient along a direction."""
    source, receivers, wavelet = case.points(rng, 1)[0], case.points(rng, 5), case.wavelet()
    true, start = case.model(rng), case.model(rng)
    direction = 0.05 * (case.fastest - case.slowest) * rng.standard_normal(start.shape)
    # No perturbation may leave the stable range.
    direction = np.clip(direction, case.slowest - start, case.fastest - start)
    solver.set_model(true)
    observed = solver.forward(source, wavelet, receivers)

    def misfit(model: Array) -> tuple[float, Array]:
        solver.set_model(model)
        residual = solver.forward(source, wavelet, receivers, store=True) - observed
        return 0.5 * float(np.sum(residual**2)), residual

    f0, residual = misfit(start)
    gradient = solver.gradient(residual)
    assert gradient is not None  # this process is rank 0
    slope = float(np.vdot(gradient, direction))
    remainders = [abs(misfit(start + h * direction)[0] - f0 - h * slope) for h in STEPS]
    order = float(np.polyfit(np.log(STEPS), np.log(remainders), 1)[0])
    yield Outcome.between("gradient: order of the Taylor remainder", order, 1.9, 2.1, BROKEN)
    h = 1e-4
    plus, minus = misfit(start + h * direction)[0], misfit(start - h * direction)[0]
    measured = (plus - minus) / (2 * h)
    error = abs(measured - slope) / abs(measured)
    yield Outcome.below("gradient: directional derivative", error, 1e-6, BROKEN)
