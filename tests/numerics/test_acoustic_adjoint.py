"""The gradient is that of the discrete forward run, to rounding."""

import numpy as np
import pytest
from acoustic import model, points, ricker, settings

from pvi_hpc.errors import NonFiniteError, SolverError
from pvi_hpc.forward.acoustic.acoustic_solver import AcousticSolver
from pvi_hpc.forward.acoustic.history.storage import Storage
from pvi_hpc.forward.acoustic.stability import max_time_step

SURFACES = pytest.mark.parametrize("free_surface", [False, True], ids=["absorbing", "free"])
ORDERS = pytest.mark.parametrize("order", [4, 8, 12])
STEPS = 2.0 ** -np.arange(4, 11)


@SURFACES
@ORDERS
@pytest.mark.parametrize(("dtype", "rtol"), [("float64", 1e-11), ("float32", 1e-5)])
def test_the_adjoint_of_the_source_passes_the_dot_product_test(
    free_surface, order, dtype, rtol
):
    rng = np.random.default_rng(1)
    grid = settings(free_surface=free_surface, order=order, dtype=dtype)
    nt = 150
    wavelet, source = rng.standard_normal(nt), points(rng, grid, 1)[0]
    with AcousticSolver(grid) as solver:
        solver.set_model(model(rng, grid))
        traces = solver.forward(source, wavelet, points(rng, grid, 4), store=True)
        # Not independent of the traces, so that the product is far from zero.
        residual = traces / np.linalg.norm(traces) + 1e-2 * rng.standard_normal(traces.shape)
        by_wavelet = solver.gradients(residual)[1]
    left = np.vdot(traces.astype(float), residual)
    right = np.vdot(wavelet, by_wavelet.astype(float))
    assert abs(left - right) <= rtol * abs(left)


@SURFACES
@ORDERS
def test_the_gradient_passes_the_taylor_test(free_surface, order):
    rng = np.random.default_rng(2)
    grid = settings(free_surface=free_surface, order=order)
    wavelet = ricker(25.0, np.arange(160) * grid.dt)
    source, receivers = points(rng, grid, 1)[0], points(rng, grid, 5)
    true, c = model(rng, grid), model(rng, grid)
    direction = 200 * rng.standard_normal(grid.shape)  # also in the edge cells

    with AcousticSolver(grid) as solver:
        solver.set_model(true)
        observed = solver.forward(source, wavelet, receivers)

        def misfit(c):
            solver.set_model(c)
            residual = solver.forward(source, wavelet, receivers, store=True) - observed
            return 0.5 * np.sum(residual**2), residual

        f0, residual = misfit(c)
        slope = np.vdot(solver.gradient(residual), direction)
        remainder = [abs(misfit(c + h * direction)[0] - f0 - h * slope) for h in STEPS]
        order = np.polyfit(np.log(STEPS), np.log(remainder), 1)[0]
        h = 1e-4  # truncation falls as h^2: 1e-8 here
        measured = (misfit(c + h * direction)[0] - misfit(c - h * direction)[0]) / (2 * h)
    assert 1.9 < order < 2.1, f"Taylor remainder of order {order:.2f}, expected 2"
    assert abs(measured - slope) <= 1e-7 * abs(measured), f"{measured=}, {slope=}"


@SURFACES
@pytest.mark.parametrize("edge", [(0, 5, 5), (18, 9, 9), (9, 0, 9), (9, 9, 24), (18, 21, 24)])
def test_the_gradient_of_an_edge_cell_includes_the_layer_behind_it(free_surface, edge):
    rng = np.random.default_rng(3)
    grid = settings(free_surface=free_surface)
    wavelet = ricker(25.0, np.arange(120) * grid.dt)
    source, receivers = points(rng, grid, 1)[0], points(rng, grid, 3)
    c = model(rng, grid)
    residual = rng.standard_normal((3, 120))
    with AcousticSolver(grid) as solver:
        solver.set_model(c)
        solver.forward(source, wavelet, receivers, store=True)
        slope = solver.gradient(residual)[edge]

        def product(h):
            moved = c.copy()
            moved[edge] += h
            solver.set_model(moved)
            return np.vdot(solver.forward(source, wavelet, receivers), residual)

        measured = (product(0.5) - product(-0.5)) / 1.0
        rounding = 1e-14 * abs(product(0.0))  # of that difference
    # On a free surface p = 0, and so does the gradient.
    assert measured == pytest.approx(slope, rel=1e-5, abs=rounding)


def test_two_threads_give_the_same_bits_as_one():
    rng = np.random.default_rng(4)
    grid = settings(dtype="float32", shape=(19, 45, 25))
    c, wavelet = model(rng, grid), rng.standard_normal(60)
    source, receivers = points(rng, grid, 1)[0], points(rng, grid, 3)
    results = []
    for threads in (1, 2):
        with AcousticSolver(
            settings(dtype="float32", shape=(19, 45, 25), threads=threads)
        ) as s:
            s.set_model(c)
            traces = s.forward(source, wavelet, receivers, store=True)
            results.append((traces, s.gradient(traces)))
    np.testing.assert_array_equal(results[0][0], results[1][0])
    np.testing.assert_array_equal(results[0][1], results[1][1])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_shots_in_any_order_and_grouping_give_the_same_bits(dtype):
    rng = np.random.default_rng(8)
    grid = settings(dtype=dtype, threads=2)
    c, receivers = model(rng, grid), points(rng, grid, 3)
    sources, wavelets = points(rng, grid, 3), rng.standard_normal((3, 70))

    def simulate(shots):
        with AcousticSolver(grid, storage=Storage(every=2, packed=True)) as solver:
            solver.set_model(c)
            for i in shots:
                traces = solver.forward(sources[i], wavelets[i], receivers, store=True)
                yield i, traces, solver.gradient(traces)

    alone = {i: result for shot in range(3) for i, *result in simulate([shot])}
    for order in ([0, 1, 2], [2, 0, 1, 0], [1, 2]):
        for i, *result in simulate(order):
            for mine, expected in zip(result, alone[i], strict=True):
                np.testing.assert_array_equal(mine, expected, err_msg=f"{i} of {order}")


def test_a_gradient_without_a_stored_forward_is_refused():
    grid = settings()
    with AcousticSolver(grid) as solver:
        solver.set_model(np.full(grid.shape, 2000.0))
        with pytest.raises(SolverError, match="store=True"):
            solver.gradient(np.ones((1, 10)))


def test_a_model_beyond_the_stability_limit_is_refused():
    grid = settings()
    with AcousticSolver(grid) as solver, pytest.raises(SolverError, match="UNSTABLE"):
        solver.set_model(np.full(grid.shape, 4000.0))


def test_overflow_is_reported_as_not_finite():
    spacing = (0.1, 0.1, 0.1)
    grid = settings(spacing=spacing, dt=0.8 * max_time_step(2000.0, spacing), dtype="float32")
    with AcousticSolver(grid) as solver:
        solver.set_model(np.full(grid.shape, 2000.0))
        with pytest.raises(NonFiniteError, match="not finite"):
            solver.forward([0.9, 0.9, 0.9], np.full(50, 3e38), [[0.8, 0.9, 0.9]])
