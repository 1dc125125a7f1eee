"""Born modelling is the derivative of the discrete forward run, Gauss-Newton its square."""

import numpy as np
import pytest
from acoustic import model, points, ricker, settings

from pvi_hpc.forward.acoustic.acoustic_solver import AcousticSolver
from pvi_hpc.forward.acoustic.history.storage import Storage

SURFACES = pytest.mark.parametrize("free_surface", [False, True], ids=["absorbing", "free"])
ORDERS = pytest.mark.parametrize("order", [4, 8, 12])
NT = 140


def problem(seed, **changes):
    rng = np.random.default_rng(seed)
    grid = settings(**changes)
    wavelet = ricker(25.0, np.arange(NT) * grid.dt)
    shot = points(rng, grid, 1)[0], wavelet, points(rng, grid, 4)
    direction = 100 * rng.standard_normal(grid.shape)  # also in the edge cells
    return rng, grid, model(rng, grid), shot, direction


@SURFACES
@ORDERS
@pytest.mark.parametrize("component", ["pressure", "vz", "vx"])
def test_born_and_gradient_are_adjoint(free_surface, order, component):
    rng, grid, c, shot, direction = problem(21, free_surface=free_surface, order=order)
    with AcousticSolver(grid) as solver:
        solver.set_model(c)
        plain = solver.forward(*shot, component=component)
        traces, linearised = solver.born(*shot, direction, store=True, component=component)
        noise = rng.standard_normal(traces.shape)
        residual = linearised + 0.1 * np.linalg.norm(linearised) * noise / NT
        gradient = solver.gradient(residual)
    left, right = np.vdot(linearised, residual), np.vdot(direction, gradient)
    np.testing.assert_array_equal(traces, plain)
    assert abs(left - right) <= 1e-12 * abs(left)


@SURFACES
@ORDERS
def test_born_is_the_derivative_of_the_forward_run(free_surface, order):
    _, grid, c, shot, direction = problem(22, free_surface=free_surface, order=order)
    with AcousticSolver(grid) as solver:
        solver.set_model(c)
        linearised = solver.born(*shot, direction).linearised

        def moved(h):
            solver.set_model(c + h * direction)
            return solver.forward(*shot)

        # Central differences err by h^2: the coarse one shows it, the two cancel it.
        coarse, fine = ((moved(h) - moved(-h)) / (2 * h) for h in (2e-2, 1e-2))
    size = np.linalg.norm(linearised)
    measured = (4 * fine - coarse) / 3
    assert np.linalg.norm(measured - linearised) <= 1e-8 * size
    assert np.linalg.norm(coarse - fine) <= 1e-3 * size


@SURFACES
@ORDERS
def test_the_gauss_newton_product_is_symmetric_and_weighted(free_surface, order):
    rng, grid, c, shot, u = problem(23, free_surface=free_surface, order=order)
    v = 100 * rng.standard_normal(grid.shape)
    weights = rng.uniform(0.2, 3.0, (4, 1))
    with AcousticSolver(grid, storage=Storage(segment=50, slots=1)) as solver:
        solver.set_model(c)
        hu = solver.gauss_newton(*shot, u, weights=weights)
        hv = solver.gauss_newton(*shot, v, weights=weights)
        ju, jv = (solver.born(*shot, d).linearised for d in (u, v))
    assert np.vdot(v, hu) == pytest.approx(np.vdot(u, hv), rel=1e-11)
    assert np.vdot(v, hu) == pytest.approx(np.vdot(jv, weights * ju), rel=1e-11)


def test_born_is_linear_in_the_direction():
    rng, grid, c, shot, u = problem(24)
    v = 100 * rng.standard_normal(grid.shape)
    with AcousticSolver(grid) as solver:
        solver.set_model(c)
        ju, jv, both = (solver.born(*shot, d).linearised for d in (u, v, 2 * u - 3 * v))
    np.testing.assert_allclose(both, 2 * ju - 3 * jv, rtol=0, atol=1e-12 * np.abs(both).max())
