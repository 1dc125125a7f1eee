"""Receivers of particle velocity record the integral of the pressure's slope."""

import numpy as np
import pytest
from acoustic import model, points, ricker, settings

from pvi_hpc.errors import ConfigError
from pvi_hpc.forward.acoustic.acoustic_solver import AcousticSolver, SolverSettings
from pvi_hpc.forward.acoustic.component import AXIS
from pvi_hpc.forward.acoustic.hicks import slope_weights

V, H, PEAK, DT, DENSITY = 2000.0, 10.0, 8.0, 4e-4, 1800.0


def ricker_integral(t):
    """Integral over time of the Ricker wavelet of `ricker`."""
    s = t - 1.2 / PEAK
    return s * np.exp(-((np.pi * PEAK * s) ** 2))


@pytest.mark.parametrize("offset", [0.0, 4.7], ids=["on grid", "off grid"])
def test_a_homogeneous_medium_gives_the_analytic_particle_velocity(offset):
    nt, shape = 900, (33, 34, 35)
    source = np.array([160.0, 150.0, 140.0]) + offset
    receivers = np.add(source, [[70.0, 60.0, 80.0], [-50.0, 70.0, -60.0]])
    grid = SolverSettings(
        shape, (H, H, H), DT, V, PEAK, n_pml=12, dtype="float64", density=DENSITY
    )
    t = np.arange(nt) * DT
    arm = receivers - source
    r = np.linalg.norm(arm, axis=1)[:, None]
    # v = -(1/rho) int dp/dr dt along the arm, p = s(t - r/c) / (4 pi r).
    late = t - r / V
    radial = (ricker(PEAK, late) / V + ricker_integral(late) / r) / (4 * np.pi * r * DENSITY)
    with AcousticSolver(grid) as solver:
        solver.set_model(np.full(shape, V))
        for component, axis in AXIS.items():
            traces = solver.forward(source, ricker(PEAK, t), receivers, component=component)
            expected = radial * arm[:, axis, None] / r
            error = np.linalg.norm(traces - expected) / np.linalg.norm(expected)
            assert error < 0.01, component


@pytest.mark.parametrize("free_surface", [False, True], ids=["absorbing", "free"])
@pytest.mark.parametrize("component", sorted(AXIS))
def test_the_gradient_of_velocity_data_passes_the_dot_product_and_taylor_tests(
    component, free_surface
):
    rng = np.random.default_rng(31)
    grid = settings(free_surface=free_surface)
    wavelet = ricker(25.0, np.arange(120) * grid.dt)
    source, receivers = points(rng, grid, 1)[0], points(rng, grid, 3)
    c, direction = model(rng, grid), rng.standard_normal(grid.shape)
    with AcousticSolver(grid) as solver:
        solver.set_model(c)
        traces = solver.forward(source, wavelet, receivers, store=True, component=component)
        residual = np.roll(traces, 5, axis=1)
        gradient, by_wavelet = solver.gradients(residual)

        def product(h):
            solver.set_model(c + h * direction)
            return np.vdot(
                solver.forward(source, wavelet, receivers, component=component), residual
            )

        measured = (product(0.05) - product(-0.05)) / 0.1
    assert np.vdot(wavelet, by_wavelet) == pytest.approx(np.vdot(traces, residual), rel=1e-11)
    assert np.vdot(gradient, direction) == pytest.approx(measured, rel=1e-6)


def test_slopes_are_right_from_four_points_a_wavelength_on():
    cells = np.arange(8) - 3
    for x in np.linspace(0, 1, 11):
        weights = slope_weights((cells - x)[None])[0]
        for points_per_wave in (4, 5, 8, 20):
            k = 2 * np.pi / points_per_wave
            error = abs(np.sum(weights * np.exp(1j * k * (cells - x))) - 1j * k) / k
            assert error < (5e-3 if points_per_wave == 4 else 2e-3)


def test_only_a_vertical_velocity_can_be_recorded_on_a_free_surface():
    rng = np.random.default_rng(32)
    grid = settings(free_surface=True)
    at_surface = np.array([[0.0, 110.0, 120.0]])
    wavelet, source = ricker(25.0, np.arange(90) * grid.dt), points(rng, grid, 1)[0]
    with AcousticSolver(grid) as solver:
        solver.set_model(model(rng, grid))
        assert np.abs(solver.forward(source, wavelet, at_surface, component="vz")).max() > 0
        with pytest.raises(ConfigError, match="below a free surface"):
            solver.forward(source, wavelet, at_surface)
