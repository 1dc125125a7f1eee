"""The VTKHDF file obeys the public specification of ImageData, version 2.0."""

import h5py
import numpy as np
import pytest

from pvi_hpc.grid import Grid
from pvi_hpc.store.posterior_file import PosteriorSummary
from pvi_hpc.store.result_schema import ResultFileError
from pvi_hpc.store.vtkhdf import summary_fields, write_vtkhdf

GRID = Grid((4, 5, 6), (10.0, 20.0, 25.0), (5.0, -100.0, 1000.0))


@pytest.fixture
def image(tmp_path):
    values = np.arange(GRID.size, dtype=np.float32).reshape(GRID.shape)
    write_vtkhdf(tmp_path / "posterior.vtkhdf", GRID, {"mean": values, "sd": values / 10})
    with h5py.File(tmp_path / "posterior.vtkhdf") as file:
        yield file["VTKHDF"]


def test_the_header_is_what_the_specification_asks_for(image):
    assert image.attrs["Version"].tolist() == [2, 0]
    assert image.attrs["WholeExtent"].tolist() == [0, 5, 0, 4, 0, 3]
    assert image.attrs["Direction"].tolist() == [1, 0, 0, 0, 1, 0, 0, 0, 1]
    kind = image.attrs.get_id("Type").get_type()
    assert image.attrs["Type"] == b"ImageData"
    assert not kind.is_variable_str()
    assert kind.get_cset() == h5py.h5t.CSET_ASCII


def test_depth_hangs_down_from_zero(image):
    assert image.attrs["Spacing"].tolist() == [25.0, 20.0, 10.0]
    assert image.attrs["Origin"].tolist() == [1000.0, -100.0, -35.0]
    # Plane k of the file lies at z = origin + k * spacing = -depth.
    elevation = image.attrs["Origin"][2] + image.attrs["Spacing"][2] * np.arange(4)
    np.testing.assert_array_equal(image["PointData/depth"][:, 0, 0], -elevation)
    np.testing.assert_array_equal(elevation, -GRID.axis(0)[::-1])


def test_point_data_follow_the_flipped_axis(image):
    values = np.arange(GRID.size, dtype=np.float32).reshape(GRID.shape)
    assert image["PointData/mean"].dtype == np.float32
    np.testing.assert_array_equal(image["PointData/mean"], values[::-1])
    np.testing.assert_array_equal(image["PointData/mean"][3, 2, 1], values[0, 2, 1])


def test_a_summary_gives_quantiles_ratio_and_error():
    one = np.ones(GRID.shape, dtype=np.float32)
    prior_sd = 4 * one
    prior_sd[0] = 0
    summary = PosteriorSummary(
        GRID, 3 * one, one, {0.05: one, 0.975: one}, one, prior_sd, one, one, one, one < 0, one
    )
    fields = summary_fields(summary)
    assert {"mean", "sd", "true", "q05", "q97.5", "fixed"} < set(fields)
    assert fields["sd_ratio"][:, 0, 0].tolist() == [1.0, 0.25, 0.25, 0.25]
    assert fields["error"][0, 0, 0] == 2.0


def test_a_field_of_another_shape_is_refused(tmp_path):
    with pytest.raises(ResultFileError, match="must have the grid's shape"):
        write_vtkhdf(tmp_path / "a.vtkhdf", GRID, {"mean": np.zeros((5, 4, 6))})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("shape", [(4, 1, 3), (4, 1, 1), (1, 2, 3)])
def test_grids_of_one_cell_along_an_axis_are_images_of_one_point_there(tmp_path, shape):
    field = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    write_vtkhdf(tmp_path / "thin.vtkhdf", Grid(shape, (10.0, 20.0, 30.0)), {"mean": field})
    with h5py.File(tmp_path / "thin.vtkhdf") as file:
        root = file["VTKHDF"]
        nz, ny, nx = shape
        assert root.attrs["WholeExtent"].tolist() == [0, nx - 1, 0, ny - 1, 0, nz - 1]
        np.testing.assert_array_equal(root["PointData/mean"][()], field[::-1])
