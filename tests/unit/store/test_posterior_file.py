"""The posterior and predictive files: layout, round trip, refusals."""

from dataclasses import replace

import h5py
import numpy as np
import pytest
import xarray as xr

from pvi_hpc.grid import Grid
from pvi_hpc.store.posterior_file import PosteriorSummary, read_posterior, write_posterior
from pvi_hpc.store.predictive_file import (
    Misfits,
    PredictedShot,
    Predictive,
    read_predictive,
    write_predictive,
)
from pvi_hpc.store.result_schema import ResultFileError

GRID = Grid((4, 5, 6), (10.0, 20.0, 25.0), (5.0, -100.0, 1000.0))
NAMES = (
    "mean",
    "sd",
    "prior_mean",
    "prior_sd",
    "prior_lower",
    "prior_upper",
    "start",
    "true",
)


@pytest.fixture
def summary():
    rng = np.random.default_rng(1)

    def field():
        return rng.uniform(1500, 4000, GRID.shape).astype(np.float32)

    quantiles = {0.05: field(), 0.95: field()}
    fixed = np.zeros(GRID.shape, dtype=bool)
    fixed[0] = True
    fields = {name: field() for name in NAMES}
    attributes = {"run": "psvi", "unit test": "yes"}
    return PosteriorSummary(
        GRID, quantiles=quantiles, fixed=fixed, attributes=attributes, **fields
    )


@pytest.fixture
def predictive():
    rng = np.random.default_rng(2)

    def traces(*shape):
        return rng.standard_normal(shape).astype(np.float32)

    shots = tuple(
        PredictedShot(
            id=i,
            source=rng.uniform(0, 100, 3),
            receivers=rng.uniform(0, 100, (3, 3)),
            noise_sd=np.array([0.1, 0.2, np.inf]),
            observed=traces(3, 7),
            start=traces(3, 7),
            mean=traces(3, 7),
            draws=traces(2, 3, 7),
        )
        for i in (101, 7, 55)
    )
    misfits = Misfits(
        ids=np.array([101, 7, 55, 60]),
        n_data=np.array([100, 200, 300, 400]),
        start=np.array([4.0, 3.0, 2.0, 1.0]),
        mean=np.array([1.1, 1.0, 0.9, 1.2]),
        draws=np.array([[1.0, 1.0, 1.0, 1.0], [2.0, 2.0, 2.0, 2.0]]),
    )
    return Predictive(shots, misfits, 0.004, {"draws": "2"})


def test_a_posterior_comes_back_as_it_was(summary, tmp_path):
    write_posterior(summary, tmp_path / "posterior.h5")
    back = read_posterior(tmp_path / "posterior.h5")
    assert back.grid == GRID
    assert back.attributes == summary.attributes
    np.testing.assert_array_equal(back.fixed, summary.fixed)
    for name in NAMES:
        np.testing.assert_array_equal(getattr(back, name), getattr(summary, name))
    for q, value in summary.quantiles.items():
        np.testing.assert_array_equal(back.quantiles[q], value)


def test_a_posterior_without_a_true_model_has_none(summary, tmp_path):
    write_posterior(replace(summary, true=None), tmp_path / "posterior.h5")
    assert read_posterior(tmp_path / "posterior.h5").true is None


def test_the_posterior_file_says_axes_units_and_version(summary, tmp_path):
    write_posterior(summary, tmp_path / "posterior.h5")
    with h5py.File(tmp_path / "posterior.h5") as file:
        assert file.attrs["axes"] == "z,y,x"
        assert file.attrs["schema_version"] == 1
        assert {file[name].attrs["units"] for name in NAMES} == {"m/s"}
        assert {file[axis].attrs["units"] for axis in "zyx"} == {"m"}
        assert file["mean"].dtype == np.float32


def test_xarray_reads_the_posterior_file_with_its_coordinates(summary, tmp_path):
    write_posterior(summary, tmp_path / "posterior.h5")
    with xr.open_dataset(tmp_path / "posterior.h5", engine="h5netcdf") as data:
        assert data["mean"].dims == ("z", "y", "x")
        assert data["quantiles"].dims == ("quantile", "z", "y", "x")
        cell = data["mean"].sel(z=15.0, y=-60.0, x=1050.0)
        assert float(cell) == summary.mean[1, 2, 2]


def test_a_field_of_another_shape_is_refused(summary):
    with pytest.raises(ResultFileError, match=r"'sd' must have the grid's shape"):
        replace(summary, sd=summary.sd[1:])


def test_files_of_another_kind_version_or_none_are_refused(summary, predictive, tmp_path):
    path = tmp_path / "posterior.h5"
    with pytest.raises(ResultFileError, match="Cannot read"):
        read_posterior(path)
    write_posterior(summary, path)
    with pytest.raises(ResultFileError, match=r"must hold schema 'pvi_hpc\.predictive'"):
        read_predictive(path)
    with h5py.File(path, "a") as file:
        file.attrs["schema_version"] = 99
    with pytest.raises(ResultFileError, match="version 99"):
        read_posterior(path)
    with h5py.File(path, "a") as file:
        file.attrs["schema_version"] = 1
        del file["mean"]
    with pytest.raises(ResultFileError, match="mean"):
        read_posterior(path)


def test_predictive_data_come_back_as_they_were(predictive, tmp_path):
    write_predictive(tmp_path / "predictive.h5", predictive)
    back = read_predictive(tmp_path / "predictive.h5")
    assert [shot.id for shot in back.shots] == [101, 7, 55]
    assert (back.dt, back.attributes) == (0.004, {"draws": "2"})
    for name in ("source", "receivers", "noise_sd", "observed", "start", "mean", "draws"):
        for a, b in zip(back.shots, predictive.shots, strict=True):
            np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
    np.testing.assert_array_equal(back.misfits.draws, predictive.misfits.draws)


def test_the_total_misfit_weighs_shots_by_their_data(predictive):
    expected = (1.1 * 100 + 1.0 * 200 + 0.9 * 300 + 1.2 * 400) / 1000
    assert predictive.misfits.total("mean") == pytest.approx(expected, rel=1e-14)
    np.testing.assert_allclose(predictive.misfits.total("draws"), [1.0, 2.0], rtol=1e-14)


def test_the_p_value_is_uniform_when_the_noise_is_as_assumed():
    rng = np.random.default_rng(3)
    n = np.array([50, 70])
    p = [
        Misfits(np.arange(2), n, n / n, n / n, rng.chisquare(n, (1, 2)) / n).p_value
        for _ in range(2000)
    ]
    counts, _ = np.histogram(p, bins=10, range=(0, 1))
    assert abs(counts - 200).max() < 4 * np.sqrt(200)


def test_a_shot_is_found_by_its_id_and_the_middle_one_otherwise(predictive):
    assert predictive.shot(55).id == 55
    assert predictive.shot().id == 7
    assert predictive.shot(12345).id == 7
