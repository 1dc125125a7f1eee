"""Other programs read what is exported, at the right place."""

import h5py
import numpy as np
import pytest
import segyio

from pvi_hpc.data.cube_segy import write_cube
from pvi_hpc.data.model_segy import cube_has_coordinates, read_cube
from pvi_hpc.errors import ConfigError, SurveyError
from pvi_hpc.grid import Grid
from pvi_hpc.run.answers.export import export
from pvi_hpc.store.layout import RunPaths
from pvi_hpc.store.posterior_file import PosteriorSummary, write_posterior
from pvi_hpc.store.samples import write_samples

GRID = Grid((4, 3, 5), (12.5, 25.0, 20.0), (100.0, 5_432_100.25, -350.5))


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    made = RunPaths(tmp_path_factory.mktemp("run"))
    rng = np.random.default_rng(1)
    draws = rng.uniform(1500, 4000, (6, *GRID.shape)).astype(np.float32)
    names = ("prior_mean", "prior_sd", "prior_lower", "prior_upper", "start")
    summary = PosteriorSummary(
        GRID, draws.mean(axis=0), draws.std(axis=0), {0.05: draws[0], 0.5: draws[1]},
        fixed=draws[0] < 0, **dict.fromkeys(names, draws[2]),
    )  # fmt: skip
    write_posterior(summary, made.posterior)
    write_samples(made.samples, GRID, iter(draws), 6)
    return made, draws


def test_a_cube_is_read_back_with_its_coordinates(paths, tmp_path):
    made, draws = paths
    found = export(made, ["mean", "quantiles", "samples"], "segy", tmp_path, samples=2)
    names = ["mean.sgy", "q05.sgy", "q50.sgy", "sample_0000.sgy", "sample_0001.sgy"]
    assert [path.name for path in found] == names
    # The reader of starting models compares headers with the grid.
    np.testing.assert_array_equal(read_cube(found[0], GRID), draws.mean(axis=0))
    np.testing.assert_array_equal(read_cube(found[4], GRID), draws[1])
    assert cube_has_coordinates(found[0])
    elsewhere = Grid(GRID.shape, GRID.spacing, (100.0, 5_432_100.25, -300.0))
    with pytest.raises(SurveyError, match="CDP_X"):
        read_cube(found[0], elsewhere)


def test_segyio_sees_lines_depths_and_coordinates(paths, tmp_path):
    (path,) = export(paths[0], ["sd"], "segy", tmp_path)
    with segyio.open(str(path)) as file:
        assert len(file.ilines) == 3 and len(file.xlines) == 5
        last = file.header[14]
        assert last[segyio.TraceField.CDP_Y] / 100 == pytest.approx(5_432_150.25)
        assert last[segyio.TraceField.CDP_X] / 100 == pytest.approx(-270.5)
        assert last[segyio.TraceField.TRACE_SAMPLE_INTERVAL] == 12500  # mm
        assert last[segyio.TraceField.DelayRecordingTime] == 100  # m
        np.testing.assert_array_equal(file.trace[14], paths[1].std(axis=0)[:, 2, 4])


def test_arrays_are_those_of_the_run(paths, tmp_path):
    made, draws = paths
    mean, samples = export(made, ["mean", "samples"], "numpy", tmp_path)
    np.testing.assert_array_equal(np.load(mean), draws.mean(axis=0))
    np.testing.assert_array_equal(np.load(samples, mmap_mode="r"), draws)


def test_an_image_has_all_fields(paths, tmp_path):
    made, draws = paths
    image, *samples = export(made, ["mean", "sd", "samples"], "vtkhdf", tmp_path)
    with h5py.File(image) as file:
        assert {"mean", "sd"} <= set(file["VTKHDF/PointData"])
    with h5py.File(samples[5]) as file:
        # The deepest plane comes first.
        np.testing.assert_array_equal(file["VTKHDF/PointData/velocity"], draws[5][::-1])


def test_what_does_not_exist_is_refused(paths, tmp_path):
    for fields, form, n, message in (
        (["mean"], "gslib", None, "'format' must be one of segy, numpy, vtkhdf"),
        (["mena"], "numpy", None, "'fields' must be some of mean, sd, .*got 'mena'"),
        (["samples"], "numpy", 7, "'samples' must be 1 to 6.*got 7"),
    ):
        with pytest.raises(ConfigError, match=message):
            export(paths[0], fields, form, tmp_path, n)
    far = Grid(GRID.shape, GRID.spacing, (0.0, 3e9, 0.0))
    with pytest.raises(SurveyError, match="coordinates up to 3e"):
        write_cube(tmp_path / "far.sgy", far, paths[1][0], "FAR")
