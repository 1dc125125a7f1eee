"""A grid of one cell along y: the wave equation in two dimensions, by the same kernels."""

import numpy as np
import pytest
from acoustic import model, points, ricker, settings

from pvi_hpc.errors import ConfigError, SolverError
from pvi_hpc.forward.acoustic.acoustic_solver import AcousticSolver, SolverSettings
from pvi_hpc.forward.acoustic.history.storage import Storage

SHAPE, NT = (19, 1, 25), 150
SURFACES = pytest.mark.parametrize("free_surface", [False, True], ids=["absorbing", "free"])
ORDERS = pytest.mark.parametrize("order", [4, 8, 12])
V, H, PEAK, DT = 2000.0, 10.0, 8.0, 4e-4


def line_source(distance, t):
    r"""p = 1/(2 pi) int_0^U s(t - r/c cosh u) du, cosh U = c t / r (Morse & Feshbach 1953).

    It is the spherical wave s(t - R/c) / (4 pi R), integrated along the line of sources.
    """
    share = np.linspace(0, 1, 2001)
    last = np.arccosh(np.maximum(V * t / distance, 1))
    late = t[:, None] - distance / V * np.cosh(share * last[:, None])
    return last * np.trapezoid(ricker(PEAK, late), share, axis=1) / (2 * np.pi)


def simulate(shape, source, receivers, nt=900, **changes):
    """Homogeneous float64 run with equal spacing."""
    options = {"n_pml": 12, "dtype": "float64"} | changes
    grid = SolverSettings(shape, (H, H, H), DT, V, PEAK, **options)
    with AcousticSolver(grid) as solver:
        solver.set_model(np.full(shape, V))
        return solver.forward(source, ricker(PEAK, np.arange(nt) * DT), receivers)


def relative_error(measured, expected):
    return np.linalg.norm(measured - expected) / np.linalg.norm(expected)


@pytest.mark.parametrize(("offset", "bound"), [(0.0, 3e-4), (4.7, 3e-3)], ids=["on", "off"])
@SURFACES
def test_a_homogeneous_section_gives_the_wave_of_a_line_source(offset, bound, free_surface):
    source = np.array([100.0 + offset, 0.0, 240.0 + offset])
    receivers = np.add(source, [[0.0, 0.0, 110.0], [80.0, 0.0, 90.0], [-60.0, 0.0, 160.0]])
    traces = simulate((43, 1, 61), source, receivers, free_surface=free_surface)
    t, expected = np.arange(900) * DT, 0.0
    for sign, sent_from in ((1, source), (-1, source * [-1, 1, 1]))[: 1 + free_surface]:
        away = np.linalg.norm(receivers - sent_from, axis=1)
        expected += sign * np.stack([line_source(r, t) for r in away])
    assert relative_error(traces, expected) < bound


def test_the_layer_of_a_section_reflects_less_than_two_thousandths():
    # Twice the bound in 3D: waves of line sources have a tail of low frequencies.
    source, receivers = np.array([100.0, 0, 120]), np.array([[100.0, 0, 160], [20.0, 0, 220]])
    shift = np.array([40 * H, 0, 40 * H])
    small = simulate((24, 1, 24), source, receivers, n_pml=10)
    large = simulate((104, 1, 104), source + shift, receivers + shift, n_pml=10)
    assert np.all(np.abs(small - large).max(axis=1) < 2e-3 * np.abs(large).max(axis=1))


def shot(seed, **changes):
    """A rough section, off-grid points, and a wavelet."""
    rng = np.random.default_rng(seed)
    grid = settings(shape=SHAPE, **changes)
    wavelet = ricker(25.0, np.arange(NT) * grid.dt)
    return rng, grid, model(rng, grid), (points(rng, grid, 1)[0], wavelet, points(rng, grid, 4))


@SURFACES
@ORDERS
@pytest.mark.parametrize(("dtype", "rtol"), [("float64", 1e-11), ("float32", 1e-5)])
def test_born_wavelet_and_gradient_are_adjoint_in_a_section(free_surface, order, dtype, rtol):
    rng, grid, c, its = shot(41, free_surface=free_surface, order=order, dtype=dtype)
    direction = 100 * rng.standard_normal(SHAPE)  # also in the edge cells
    with AcousticSolver(grid) as solver:
        solver.set_model(c)
        traces, linearised = solver.born(*its, direction, store=True)
        # Not independent of the traces, so that the products are far from zero.
        by_speed = solver.gradient(linearised)
        by_wavelet = solver.gradients(traces)[1]
    for left, right in (
        (np.sum(linearised.astype(float) ** 2), np.vdot(direction, by_speed)),
        (np.sum(traces.astype(float) ** 2), np.vdot(its[1], by_wavelet.astype(float))),
    ):
        assert abs(left - right) <= rtol * left


@SURFACES
@ORDERS
def test_the_gradient_of_a_section_passes_the_taylor_test(free_surface, order):
    rng, grid, c, its = shot(42, free_surface=free_surface, order=order)
    direction, observed = 200 * rng.standard_normal(SHAPE), 0.0
    steps = 2.0 ** -np.arange(4, 11)
    with AcousticSolver(grid) as solver:

        def misfit(c):
            solver.set_model(c)
            residual = solver.forward(*its, store=True) - observed
            return 0.5 * np.sum(residual**2), residual

        observed = misfit(model(rng, grid))[1]
        f0, residual = misfit(c)
        slope = np.vdot(solver.gradient(residual), direction)
        remainder = [abs(misfit(c + h * direction)[0] - f0 - h * slope) for h in steps]
        h = 1e-4  # truncation falls as h^2: 1e-8 here
        measured = (misfit(c + h * direction)[0] - misfit(c - h * direction)[0]) / (2 * h)
    assert 1.9 < np.polyfit(np.log(steps), np.log(remainder), 1)[0] < 2.1
    assert abs(measured - slope) <= 1e-7 * abs(measured), f"{measured=}, {slope=}"


@SURFACES
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_storage_and_threads_do_not_change_the_bits_of_a_section(free_surface, dtype):
    exact = (Storage(), Storage(segment=13, slots=2), Storage(segment=1, slots=9))
    near = (Storage(every=3, packed=True), Storage(every=3, packed=True, segment=30, slots=1))
    found = []
    for storages, threads in ((exact, 1), (exact[:2], 2), (near, 1), (near[1:], 2)):
        for storage in storages:
            changes = {"free_surface": free_surface, "dtype": dtype, "threads": threads}
            _, grid, c, its = shot(43, **changes)
            with AcousticSolver(grid, storage=storage) as solver:
                solver.set_model(c)
                traces = solver.forward(*its, store=True)
                found.append(solver.gradient(np.roll(traces, 7, axis=1)))
    for one, others in ((found[0], found[1:5]), (found[5], found[6:])):
        for other in others:
            np.testing.assert_array_equal(other, one)
    assert 1e-9 < relative_error(found[5], found[0]) < 1e-3


def test_neither_spacing_nor_position_along_y_changes_a_section():
    _, grid, c, (source, wavelet, receivers) = shot(44)
    aside = np.array([0.0, 0.5, 0.0]) * grid.spacing
    wide = settings(shape=SHAPE, spacing=(10.0, 500.0, 11.0), dt=grid.dt)
    found = []
    for its, y in ((grid, 0.0), (grid, aside), (grid, -aside), (wide, 20 * aside)):
        with AcousticSolver(its) as solver:
            solver.set_model(c)
            found.append(solver.forward(source + y, wavelet, receivers - y))
    for other in found[1:]:
        np.testing.assert_array_equal(other, found[0])


def test_what_a_section_cannot_do_is_refused():
    _, grid, c, (source, wavelet, receivers) = shot(45)
    with AcousticSolver(grid) as solver:
        solver.set_model(c)
        with pytest.raises(ConfigError, match="'vy' is the slope of the pressure along"):
            solver.forward(source, wavelet, receivers, component="vy")
        with pytest.raises(ConfigError, match=r"point 0 .* outside the grid"):
            solver.forward(source, wavelet, receivers + np.array([0.0, 6.1, 0.0]))
    for shape in ((1, 19, 25), (25, 19, 1), (1, 1, 25), (19, 2, 25)):
        with pytest.raises(SolverError, match="at least 8 cells"):
            AcousticSolver(settings(shape=shape))
