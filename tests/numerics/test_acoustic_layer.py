"""Reflection of the absorbing layer, against a domain that goes on behind it."""

import numpy as np
import pytest
from acoustic import ricker

from pvi_hpc.forward.acoustic.acoustic_solver import AcousticSolver, SolverSettings
from pvi_hpc.forward.acoustic.stability import max_time_step

V, H, PEAK = 2000.0, 10.0, 20.0  # 10 points a wavelength at the peak, 4 at 2.5 times that
FACE, BEYOND = 24, 40  # cells up to the layer, cells of the larger domain behind its face
DISTANCE = 9  # of source and receiver from the face, in cells


def reflection(n_pml, order, degrees):
    """Spectral ratio at the peak frequency [dB]: reflected over what goes through the face."""
    aside = round(2 * DISTANCE * np.tan(np.radians(degrees)))
    depth, width = 31, 31 + aside
    x = FACE - 1 - DISTANCE
    source = np.array([15, 15, x]) * H
    receivers = np.array([[15, 15 + aside, x], [15, 15 + aside, x + 2 * DISTANCE]]) * H
    dt = 0.9 * max_time_step(V, (H, H, H), order=order)
    nt = 260
    wavelet = ricker(PEAK, np.arange(nt) * dt)
    traces = []
    for n, at in ((FACE, receivers[:1]), (FACE + BEYOND, receivers)):
        shape = (depth, width, n)
        grid = SolverSettings(
            shape, (H,) * 3, dt, V, PEAK, n_pml=n_pml, order=order, dtype="float64"
        )
        with AcousticSolver(grid) as solver:
            solver.set_model(np.full(shape, V))
            traces.append(solver.forward(source, wavelet, at))
    phase = np.exp(-2j * np.pi * PEAK * dt * np.arange(nt))
    sent_back = (traces[0][0] - traces[1][0]) @ phase
    return 20 * np.log10(abs(sent_back) / abs(traces[1][1] @ phase))


@pytest.mark.slow
@pytest.mark.parametrize("order", [4, 8, 12])
@pytest.mark.parametrize(("n_pml", "bound"), [(10, -40), (20, -60)])
def test_the_layer_absorbs_at_normal_incidence(n_pml, bound, order):
    assert reflection(n_pml, order, 0) < bound


@pytest.mark.slow
@pytest.mark.parametrize("order", [4, 8, 12])
@pytest.mark.parametrize("n_pml", [10, 20])
def test_the_layer_absorbs_at_60_degrees(n_pml, order):
    assert reflection(n_pml, order, 60) < -30
