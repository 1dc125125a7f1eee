"""The forward run solves the wave equation, and the layer lets waves out."""

import numpy as np
import pytest
from acoustic import model, points, ricker, settings

from pvi_hpc.forward.acoustic.acoustic_solver import AcousticSolver, SolverSettings

V, H, PEAK = 2000.0, 10.0, 8.0  # 2000 / (2.5 * 8 * 10): 10 points a shortest wavelength
DT = 2e-4


def simulate(shape, source, receivers, nt, **changes):
    """Homogeneous float64 run with equal spacing."""
    options = {"n_pml": 12, "dtype": "float64"} | changes
    grid = SolverSettings(shape, (H, H, H), DT, V, PEAK, **options)
    with AcousticSolver(grid) as solver:
        solver.set_model(np.full(shape, V))
        return solver.forward(source, ricker(PEAK, np.arange(nt) * DT), receivers)


def spherical(source, receivers, nt):
    """p = s(t - r/c) / (4 pi r)."""
    r = np.linalg.norm(np.asarray(receivers) - source, axis=1)[:, None]
    return ricker(PEAK, np.arange(nt) * DT - r / V) / (4 * np.pi * r)


def relative_error(measured, expected):
    return np.linalg.norm(measured - expected) / np.linalg.norm(expected)


@pytest.mark.parametrize("offset", [0.0, 4.7], ids=["on grid", "off grid"])
def test_a_homogeneous_medium_gives_the_analytic_wave(offset):
    source = np.array([160.0, 150.0, 140.0]) + offset
    receivers = np.add(source, [[0.0, 110.0, 0.0], [80.0, 60.0, 50.0], [-70.0, 90.0, 103.0]])
    traces = simulate((33, 34, 35), source, receivers, 2000)
    assert relative_error(traces, spherical(source, receivers, 2000)) < 0.005


@pytest.mark.parametrize("offset", [0.0, 3.3], ids=["on grid", "off grid"])
def test_a_free_surface_adds_the_negative_image(offset):
    source = np.array([40.0, 150.0, 140.0]) + offset
    receivers = np.add(source, [[0.0, 110.0, 0.0], [50.0, 60.0, 50.0], [-30.0, 90.0, 103.0]])
    traces = simulate((25, 34, 35), source, receivers, 2000, free_surface=True)
    expected = spherical(source, receivers, 2000) - spherical(
        source * [-1, 1, 1], receivers, 2000
    )
    assert relative_error(traces, expected) < 0.005


def test_the_layer_reflects_less_than_a_thousandth():
    source, near = np.array([100.0, 110.0, 120.0]), np.array([[100.0, 160.0, 120.0]])
    far = np.array([[20.0, 200.0, 220.0]])
    receivers, shift = np.concatenate([near, far]), 40 * H
    small = simulate((24, 24, 24), source, receivers, 1500, n_pml=10, dtype="float32")
    large = simulate(
        (104, 104, 104), source + shift, receivers + shift, 1500, n_pml=10, dtype="float32"
    )
    peak = np.abs(large).max(axis=1)
    assert np.all(np.abs(small - large).max(axis=1) < 1e-3 * peak)


@pytest.mark.parametrize("order", [4, 8, 12])
@pytest.mark.parametrize(("n_pml", "rtol"), [(0, 1e-12), (6, 1e-4)], ids=["no layer", "layer"])
@pytest.mark.parametrize("free_surface", [False, True], ids=["absorbing", "free"])
def test_source_and_receiver_can_be_exchanged(free_surface, n_pml, rtol, order):
    """To rounding; what the layer sends back is reciprocal to its own accuracy only."""
    rng = np.random.default_rng(5)
    grid = settings(free_surface=free_surface, n_pml=n_pml, order=order)
    a, b = np.array([75.0, 110.0, 133.0]), np.array([95.0, 125.0, 99.0])
    wavelet = ricker(25.0, np.arange(200) * grid.dt)
    with AcousticSolver(grid) as solver:
        solver.set_model(model(rng, grid))
        there = solver.forward(a, wavelet, b[None])
        back = solver.forward(b, wavelet, a[None])
    assert relative_error(there, back) < rtol


def test_traces_are_linear_in_the_wavelet():
    rng = np.random.default_rng(6)
    grid = settings()
    source, receivers = points(rng, grid, 1)[0], points(rng, grid, 3)
    s, t = rng.standard_normal((2, 60))
    with AcousticSolver(grid) as solver:
        solver.set_model(model(rng, grid))
        both = solver.forward(source, 2 * s - 3 * t, receivers)
        apart = 2 * solver.forward(source, s, receivers) - 3 * solver.forward(
            source, t, receivers
        )
    np.testing.assert_allclose(both, apart, rtol=0, atol=1e-13 * np.abs(both).max())
