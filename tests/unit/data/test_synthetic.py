"""Generated models, geometries and noise: deterministic, bounded, as configured."""

import numpy as np
import pytest

from pvi_hpc.data.settings import (
    GeneratorSettings,
    LineSettings,
    ModelFileSettings,
    PositionsSettings,
    SyntheticSettings,
)
from pvi_hpc.data.survey import Wavelet
from pvi_hpc.data.synthetic import add_noise, generate_model, geometry
from pvi_hpc.errors import SurveyError
from pvi_hpc.grid import Grid

GRID = Grid((40, 36, 44), (20.0, 25.0, 25.0), (10.0, 0.0, -50.0))
FLAT = GeneratorSettings(n_faults=0, n_channels=0, fold_m=0.0, throw_m=0.0)
WAVELET = Wavelet(np.array([0.0, 1.0]), 0.004)


def synthetic(**changes):
    values = {
        "model": ModelFileSettings(file="m.h5"),
        "sources": PositionsSettings(
            depth_m=20,
            y=LineSettings(first_m=0, last_m=100, n=2),
            x=LineSettings(first_m=5, last_m=15, n=3),
        ),
        "receivers": PositionsSettings(
            depth_m=30,
            y=LineSettings(first_m=0, last_m=10, n=2),
            x=LineSettings(first_m=0, last_m=30, n=4),
        ),
        "n_samples": 50,
        "dt_s": 0.004,
        "noise_level": 0.1,
    }
    return SyntheticSettings(**{**values, **changes})


def with_data(scale=2.0):
    survey = geometry(synthetic(n_samples=4000), WAVELET)
    data = [scale * np.sin(0.1 * np.arange(4000) + i) * np.ones((8, 1)) for i in range(6)]
    return survey.with_data(data)


def test_the_same_seed_gives_the_same_model_and_another_seed_another():
    a, b = (
        generate_model(GeneratorSettings(seed=3), GRID),
        generate_model(GeneratorSettings(seed=3), GRID),
    )
    np.testing.assert_array_equal(a, b)
    assert a.dtype == np.float32
    assert np.abs(a - generate_model(GeneratorSettings(seed=4), GRID)).max() > 100


@pytest.mark.parametrize("seed", range(5))
def test_velocities_stay_within_their_bounds_and_grow_with_depth(seed):
    settings = GeneratorSettings(seed=seed, n_channels=3, n_faults=4)
    model = generate_model(settings, GRID)
    assert model.min() >= 1800 * (1 - 0.08) - 1
    assert model.max() <= 3600 * (1 + 0.08) + 1
    mean = model.mean(axis=(1, 2))
    assert np.polyfit(np.arange(40), mean, 1)[0] * 40 == pytest.approx(1800, rel=0.25)


def test_without_folds_faults_and_channels_the_layers_are_flat():
    model = generate_model(FLAT, GRID)
    assert np.ptp(model, axis=(1, 2)).max() == 0
    # Each of 7 interfaces is a jump that the compaction trend alone does not make.
    jumps = np.abs(np.diff(model[:, 0, 0])) > 80
    assert 7 <= jumps.sum() <= 14


def test_each_ingredient_changes_the_flat_layers():
    flat = generate_model(FLAT, GRID)
    for change in ({"fold_m": 60.0}, {"n_faults": 1, "throw_m": 60.0}, {"n_channels": 1}):
        model = generate_model(FLAT.model_copy(update=change), GRID)
        assert np.ptp(model, axis=(1, 2)).max() > 100, change
        assert np.abs(model - flat).max() > 100, change


def test_channels_are_slow_bodies_of_limited_size():
    flat = generate_model(FLAT, GRID)
    model = generate_model(FLAT.model_copy(update={"n_channels": 1}), GRID)
    inside = model < flat - 1
    assert 0.002 < inside.mean() < 0.05
    assert (model <= flat + 1e-3).all()
    np.testing.assert_allclose((model / flat)[inside].min(), 0.85, atol=0.01)


def test_the_hanging_wall_of_a_fault_is_lower_by_the_throw():
    settings = FLAT.model_copy(update={"n_faults": 1, "throw_m": 100.0})
    shallow = Grid((40, 8, 80), (10.0, 25.0, 25.0))
    model = generate_model(settings, shallow)
    # Depth at which each column first reaches a velocity of the middle of the model.
    depth = 10.0 * (model[:, 4, :] > 2500).argmax(axis=0)
    assert 60 <= np.ptp(depth) <= 110


def test_water_lies_on_top_and_nowhere_else():
    model = generate_model(GeneratorSettings(water_m=155.0), GRID)
    assert (model[:8] == 1500).all()
    assert (model[8:] > 1600).all()


def test_water_deeper_than_the_grid_is_refused():
    with pytest.raises(SurveyError, match=r"water_m' must be less than.*790 m, got 900"):
        generate_model(GeneratorSettings(water_m=900.0), GRID)


def test_shots_and_receivers_are_numbered_with_x_fastest():
    survey = geometry(synthetic(), WAVELET)
    assert [shot.id for shot in survey.shots] == [1, 2, 3, 4, 5, 6]
    np.testing.assert_array_equal(survey.shots[1].source, [20, 0, 10])
    np.testing.assert_array_equal(survey.shots[3].source, [20, 100, 5])
    assert survey.shots[5].receivers.shape == (8, 3)
    np.testing.assert_array_equal(survey.shots[0].receivers[1], [30, 0, 10])
    np.testing.assert_array_equal(survey.shots[0].receivers[4], [30, 10, 0])
    assert (survey.dt, survey.n_samples, survey.shots[0].data.shape) == (0.004, 50, (8, 0))


def test_noise_has_the_level_asked_for_and_sets_noise_sd():
    clean = with_data()
    noisy = add_noise(clean, 0.2, seed=1)
    sd = 0.2 * 2 / np.sqrt(2)
    for a, b in zip(noisy.shots, clean.shots, strict=True):
        np.testing.assert_allclose(a.noise_sd, sd, rtol=1e-3)
        assert np.std(a.data - b.data) == pytest.approx(sd, rel=0.03)
    residual = [a.data - b.data for a, b in zip(noisy.shots, clean.shots, strict=True)]
    assert abs(np.corrcoef(residual[0].ravel(), residual[1].ravel())[0, 1]) < 0.03


def test_noise_depends_on_the_seed_alone():
    a, b, c = (add_noise(with_data(), 0.2, seed=s).shots[2].data for s in (1, 1, 2))
    np.testing.assert_array_equal(a, b)
    assert np.abs(a - c).max() > 0.1


def test_level_zero_adds_nothing_but_keeps_the_likelihood_defined():
    clean = with_data()
    silent = add_noise(clean, 0.0, seed=1)
    np.testing.assert_array_equal(silent.shots[0].data, clean.shots[0].data)
    np.testing.assert_allclose(silent.shots[0].noise_sd, 0.01 * 2 / np.sqrt(2), rtol=1e-3)


def test_clean_data_of_zeros_are_refused():
    with pytest.raises(SurveyError, match=r"rms of 0.*noise_level"):
        add_noise(with_data(0.0), 0.1, seed=1)


@pytest.mark.parametrize(
    "shape", [(30, 1, 44), (30, 36, 1), (30, 1, 1), (1, 36, 44), (1, 1, 1)]
)
def test_grids_of_one_cell_along_an_axis_have_a_geology(shape):
    settings = GeneratorSettings(velocity_top_m_s=2000, velocity_bottom_m_s=4000, contrast=0.1)
    model = generate_model(settings, Grid(shape, (20.0, 25.0, 25.0)))
    assert model.shape == shape
    assert ((model >= 1800) & (model <= 4400)).all()
    assert model.size == 1 or model.std() > 50
