"""Velocity models: the same axes from every format, and one message for each fault."""

import h5py
import numpy as np
import pytest
import segyio

from pvi_hpc.data.model_file import read_model, write_model
from pvi_hpc.data.settings import ModelFileSettings
from pvi_hpc.errors import SurveyError
from pvi_hpc.grid import Grid

GRID = Grid((9, 10, 11), (20.0, 25.0, 30.0), (5.0, 0.0, -10.0))
MODEL = (1500 + np.arange(GRID.size)).reshape(GRID.shape).astype(np.float32)


def settings(path, dataset="vp"):
    return ModelFileSettings(file=str(path), dataset=dataset)


def write_cube(path, model, drop=0):
    nz, ny, nx = model.shape
    spec = segyio.spec()
    spec.format, spec.samples, spec.tracecount = 5, np.arange(nz) * 20.0, ny * nx - drop
    # Crossline-major, so that the reader has to sort.
    traces = [(y, x) for x in range(nx) for y in range(ny)][: ny * nx - drop]
    with segyio.create(str(path), spec) as file:
        for i, (y, x) in enumerate(traces):
            file.header[i] = {189: 100 + y, 193: 7 + 2 * x}
            file.trace[i] = np.ascontiguousarray(model[:, y, x])
    return path


def test_every_format_gives_the_same_model(tmp_path):
    write_model(MODEL, GRID, tmp_path / "m.h5")
    np.save(tmp_path / "m.npy", MODEL.astype(float))
    write_cube(tmp_path / "m.sgy", MODEL)
    for name in ("m.h5", "m.npy", "m.sgy"):
        model = read_model(settings(tmp_path / name), GRID)
        np.testing.assert_array_equal(model, MODEL)
        assert model.dtype == np.float32
        assert model.flags.c_contiguous


def test_one_spacing_for_all_axes_and_no_grid_at_all_are_fine(tmp_path):
    cube = Grid((9, 10, 11), (20.0, 20.0, 20.0))
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file.create_dataset("a", data=MODEL).attrs["spacing_m"] = 20.0
        file["b"] = MODEL
    for name in "ab":
        read = read_model(settings(tmp_path / "m.h5", name), cube)
        np.testing.assert_array_equal(read, MODEL)


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        (
            Grid(GRID.shape, (20.0, 25.0, 31.0), GRID.origin),
            r"spacing \[20.*'grid\.spacing_m' is",
        ),
        (Grid(GRID.shape, GRID.spacing), r"origin \[5\.0.*'grid\.origin_m' is \[0\.0"),
        (Grid((9, 10, 12), GRID.spacing, GRID.origin), r"\(9, 10, 11\).*'grid\.shape'.*12\)"),
    ],
)
def test_a_model_on_another_grid_is_refused(tmp_path, grid, message):
    write_model(MODEL, GRID, tmp_path / "m.h5")
    with pytest.raises(SurveyError, match=message):
        read_model(settings(tmp_path / "m.h5"), grid)


@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0, -1.0])
def test_a_velocity_that_is_not_finite_and_positive_is_refused(tmp_path, value):
    model = MODEL.copy()
    model[2, 3, 4] = value
    np.save(tmp_path / "m.npy", model)
    with pytest.raises(SurveyError, match=rf"m\.npy'.*\(2, 3, 4\) is {value}.*1 cells"):
        read_model(settings(tmp_path / "m.npy"), GRID)


def test_files_that_cannot_be_read_are_named(tmp_path):
    for name in ("m.h5", "m.npy", "m.sgy"):
        with pytest.raises(SurveyError, match=rf"{name}' does not exist"):
            read_model(settings(tmp_path / name), GRID)
        (tmp_path / name).write_text("nonsense" * 600)
        with pytest.raises(SurveyError, match=name):
            read_model(settings(tmp_path / name), GRID)
    with pytest.raises(SurveyError, match=r"must end in \.h5.*got '\.mat'"):
        read_model(settings(tmp_path / "m.mat"), GRID)


def test_a_missing_dataset_is_named_with_those_there_are(tmp_path):
    write_model(MODEL, GRID, tmp_path / "m.h5", dataset="vp_60m")
    with pytest.raises(SurveyError, match=r"no dataset 'vp', only \['vp_60m'\]"):
        read_model(settings(tmp_path / "m.h5"), GRID)


def test_arrays_of_objects_are_refused(tmp_path):
    np.save(tmp_path / "m.npy", np.array([{}], dtype=object))
    with pytest.raises(SurveyError, match=r"m\.npy"):
        read_model(settings(tmp_path / "m.npy"), GRID)


def test_a_cube_with_a_hole_is_refused(tmp_path):
    write_cube(tmp_path / "m.sgy", MODEL, drop=1)
    with pytest.raises(SurveyError, match=r"109 traces on 10 inlines.*11 crosslines"):
        read_model(settings(tmp_path / "m.sgy"), GRID)
