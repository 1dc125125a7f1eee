"""Posterior samples: readable by xarray and ArviZ, written one at a time."""

import tracemalloc
from pathlib import Path

import arviz as az
import numpy as np
import pytest
import xarray as xr

from pvi_hpc.grid import Grid
from pvi_hpc.store.result_schema import ResultFileError
from pvi_hpc.store.samples import count_samples, iter_samples, write_samples

GRID = Grid((4, 5, 6), (10.0, 20.0, 25.0), (5.0, -100.0, 1000.0))


@pytest.fixture
def models():
    rng = np.random.default_rng(4)
    return rng.uniform(1500, 4000, (7, *GRID.shape)).astype(np.float32)


@pytest.fixture
def path(models, tmp_path):
    write_samples(tmp_path / "samples.nc", GRID, iter(models), 7, {"run": "psvi"})
    return tmp_path / "samples.nc"


def test_xarray_opens_the_posterior_group(path, models):
    with xr.open_dataset(path, group="posterior") as data:
        velocity = data["velocity"]
        assert velocity.dims == ("chain", "draw", "z", "y", "x")
        assert velocity.attrs["units"] == "m/s"
        assert velocity.dtype == np.float32
        np.testing.assert_array_equal(velocity[0], models)
        np.testing.assert_array_equal(data["z"], GRID.axis(0))
        assert data["z"].attrs["positive"] == "down"
        assert data.attrs["run"] == "psvi"


def test_arviz_reads_the_file_and_summarises_it(path, models):
    data = az.from_netcdf(str(path))
    velocity = data.posterior["velocity"]
    assert velocity.sizes["draw"] == 7
    mean = velocity.mean(("chain", "draw"))
    np.testing.assert_allclose(mean, models.mean(axis=0), rtol=1e-5)
    # az.summary() itself warns that one chain has no r-hat: it wants several.
    hdi = az.hdi(data.posterior.isel(z=1, y=2), hdi_prob=0.5)
    assert hdi["velocity"].sizes["x"] == GRID.shape[2]


def test_samples_come_back_one_at_a_time(path, models):
    assert count_samples(path) == 7
    for model, back in zip(models, iter_samples(path), strict=True):
        np.testing.assert_array_equal(back, model)
    np.testing.assert_array_equal(list(iter_samples(path, start=2, stop=4)), models[2:4])


def test_planes_of_samples_are_read_without_the_others(tmp_path):
    grid = Grid((40, 64, 64), (10.0, 10.0, 10.0))
    draws = (np.full(grid.shape, 1500 + i, dtype=np.float32) for i in range(20))
    write_samples(tmp_path / "samples.nc", grid, draws, 20)
    size = (tmp_path / "samples.nc").stat().st_size
    before = _bytes_read()
    for top in range(0, 40, 4):
        planes = np.stack(
            list(iter_samples(tmp_path / "samples.nc", depths=slice(top, top + 4)))
        )
        assert planes.shape == (20, 4, 64, 64) and planes[7, 0, 0, 0] == 1507
    assert _bytes_read() - before < 1.5 * size


def _bytes_read() -> int:
    lines = Path("/proc/self/io").read_text().splitlines()
    return int(dict(line.split(": ") for line in lines)["rchar"])


def test_writing_holds_one_sample_in_memory(tmp_path):
    grid = Grid((50, 60, 70), (10.0, 10.0, 10.0))
    tracemalloc.start()
    draws = (np.full(grid.shape, 1500 + i, dtype=np.float32) for i in range(40))
    write_samples(tmp_path / "samples.nc", grid, draws, 40)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6 * grid.size * 4


@pytest.mark.parametrize("n_draws", [6, 8])
def test_a_wrong_number_of_samples_leaves_no_file(models, tmp_path, n_draws):
    with pytest.raises(ResultFileError, match=f"must yield {n_draws} models"):
        write_samples(tmp_path / "samples.nc", GRID, iter(models), n_draws)
    assert list(tmp_path.iterdir()) == []


def test_a_sample_of_another_shape_is_refused(models, tmp_path):
    with pytest.raises(ResultFileError, match="of shape"):
        write_samples(tmp_path / "samples.nc", GRID, iter(models[:, 1:]), 7)
