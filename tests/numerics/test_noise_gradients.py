"""Gradients of noise in the data are the transpose of the data's derivative."""

import numpy as np
import pytest
from execution_case import (
    GRID,
    N_SAMPLES,
    STEPS,
    make_models,
    make_setup,
    make_solver,
    make_survey,
)

from pvi_hpc.forward.comparison import noise_of

SHOT = 2


@pytest.fixture
def solver(tmp_path):
    made = make_solver(make_setup(tmp_path, "float64"), tmp_path)
    made.set_model(make_models(1)[0])
    yield made
    made.close()


def test_noise_pulled_back_passes_the_dot_product_test(solver):
    keys = (7, 8, 7)
    gradients = solver.noise_gradients(SHOT, keys).gradient
    assert gradients.shape == (3, *GRID.shape)
    # One stored run serves every key, in any order.
    np.testing.assert_array_equal(gradients[0], gradients[2])
    shot = make_survey().shots[SHOT]
    direction = np.random.default_rng(1).standard_normal(GRID.shape)
    places = GRID.relative(shot.source), solver.wavelet, GRID.relative(shot.receivers)
    linearised = solver.waves.born(*places, direction).linearised[:, ::STEPS][:, :N_SAMPLES]
    for key, gradient in zip(keys, gradients, strict=True):
        expected = np.vdot(noise_of(shot, N_SAMPLES, key, SHOT), linearised)
        assert np.vdot(gradient, direction) == pytest.approx(expected, rel=1e-9)


def test_the_noise_of_a_trace_is_signs_over_its_sd_and_nothing_where_it_is_left_out():
    shot = make_survey().shots[SHOT]
    noise = noise_of(shot, N_SAMPLES, 3, SHOT)
    expected = np.where(np.isfinite(shot.noise_sd), 1 / shot.noise_sd, 0)
    np.testing.assert_allclose(abs(noise), np.tile(expected[:, None], N_SAMPLES))
    assert 0.3 < (noise[0] > 0).mean() < 0.7
    assert not np.array_equal(noise, noise_of(shot, N_SAMPLES, 4, SHOT))
    assert not np.array_equal(noise, noise_of(shot, N_SAMPLES, 3, SHOT + 1))
