"""Off-grid weights and the limits of the time step."""

import numpy as np
import pytest

from pvi_hpc.errors import ConfigError
from pvi_hpc.forward.acoustic.hicks import point_weights
from pvi_hpc.forward.acoustic.stability import max_time_step, points_per_wavelength

SHAPE, SPACING = (30, 31, 32), (10.0, 12.0, 11.0)


def test_weights_interpolate_a_wave_of_five_points_a_wavelength():
    rng = np.random.default_rng(8)
    x = rng.uniform(0, 290, (50, 3)) * [1, 1.2, 1.1]
    start, weights = point_weights(x, SHAPE, SPACING)
    for axis, h in enumerate(SPACING):
        cells = (start[:, axis, None] + np.arange(8)) * h
        k = 2 * np.pi / (5 * h)
        value = np.sum(weights[:, axis] * np.cos(k * cells), axis=1)
        np.testing.assert_allclose(value, np.cos(k * x[:, axis]), atol=4e-3)


def test_a_point_on_a_cell_has_one_weight():
    _, weights = point_weights(np.array([[50.0, 120.0, 341.0]]), SHAPE, SPACING)
    assert np.count_nonzero(weights) == 3
    assert weights.sum() == 3.0


def test_weights_above_a_free_surface_return_as_minus_their_image():
    x = np.array([[14.0, 100.0, 100.0]])
    plain_start, plain = point_weights(x, SHAPE, SPACING)
    start, folded = point_weights(x, SHAPE, SPACING, free_surface=True)
    odd = np.sin(0.04 * 10.0 * np.arange(-20, 20))  # f(-z) = -f(z)
    expected = odd[20 + plain_start[0, 0] + np.arange(8)] @ plain[0, 0]
    assert odd[20 + start[0, 0] + np.arange(8)] @ folded[0, 0] == pytest.approx(expected)
    assert np.all(folded[0, 0][start[0, 0] + np.arange(8) <= 0] == 0)


@pytest.mark.parametrize("bad", [[-1.0, 0, 0], [0, 0, 352.0]])
def test_a_point_outside_the_grid_is_named(bad):
    with pytest.raises(ConfigError, match="point 0"):
        point_weights(np.array([bad]), SHAPE, SPACING)


def test_the_time_step_follows_the_spacing_of_every_axis():
    assert max_time_step(2000, (10, 10, 10)) == pytest.approx(0.4529 * 10 / 2000, rel=1e-4)
    assert max_time_step(2000, (5, 10, 10)) < max_time_step(2000, (10, 10, 10))
    with pytest.raises(ConfigError):
        max_time_step(0, (10, 10, 10))
    with pytest.raises(ConfigError):
        points_per_wavelength(1500, (10, 10, 10), -1)
