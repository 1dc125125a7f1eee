"""Models: whatever a file says about its grid must be the grid of the run."""

import h5py
import numpy as np
import pytest
from run_example import make_run
from trace_files import segy

from pvi_hpc.checks.run import check_run
from pvi_hpc.data.model_file import read_model, write_model
from pvi_hpc.data.settings import ModelFileSettings
from pvi_hpc.errors import SurveyError
from pvi_hpc.grid import Grid
from pvi_hpc.store.posterior_file import PosteriorSummary, write_posterior

GRID = Grid((8, 8, 8), (50.0, 50.0, 50.0), (0.0, 5e6, 4e5))
MODEL = (2000 + np.arange(GRID.size, dtype=np.float32)).reshape(GRID.shape)


def read(path, grid=GRID, dataset="vp"):
    return read_model(ModelFileSettings(file=str(path), dataset=dataset), grid)


def written(path, at="vp", name="vp", **attributes):
    """Write the model with attributes at the dataset or at a group."""
    with h5py.File(path, "w") as file:
        file[name] = MODEL
        file[at].attrs.update(attributes)
    return path


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        (Grid(GRID.shape, (25.0, 50.0, 50.0), GRID.origin), r"spacing \[50.*grid\.spacing_m"),
        (
            Grid(GRID.shape, GRID.spacing),
            r"origin \[0\.0, 5000000.*'grid\.origin_m' is \[0\.0, 0",
        ),
    ],
)
def test_our_own_posterior_on_another_grid_is_refused(tmp_path, grid, message):
    path = tmp_path / "posterior.h5"
    fixed = np.zeros(GRID.shape, dtype=bool)
    names = ("mean", "sd", "prior_mean", "prior_sd", "prior_lower", "prior_upper", "start")
    summary = PosteriorSummary(
        GRID, **dict.fromkeys(names, MODEL), fixed=fixed, quantiles={}, attributes={}
    )
    write_posterior(summary, path)
    np.testing.assert_array_equal(read(path, dataset="mean"), MODEL)
    with pytest.raises(SurveyError, match=message):
        read(path, grid, dataset="mean")


@pytest.mark.parametrize(
    ("at", "name"), [("vp", "vp"), ("/", "vp"), ("a/b", "a/b/vp"), ("a", "a/b/vp")]
)
@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"spacing_m": 25.0}, r"has spacing 25\.0 m, 'grid\.spacing_m' is \[50"),
        ({"spacing": [50.0, 50.0, 51.0]}, r"has spacing \[50\.0, 50\.0, 51\.0\]"),
        ({"spacing_m": [50.0, 50.0]}, r"has spacing \[50\.0, 50\.0\]"),
        ({"spacing_m": "50 m"}, r"has spacing '50 m'"),
        ({"origin": [0.0, 4e5, 5e6]}, r"has origin \[0\.0, 400000\.0, 5000000\.0\]"),
        ({"axes": "z,x,y"}, r"axes = 'z,x,y', it must be 'z,y,x'; transpose"),
        ({"axes": b"XYZ"}, r"axes = 'XYZ'"),
        ({"axes": ["z", "x", "y"]}, r"axes = \['z', 'x', 'y'\]"),
    ],
)
def test_what_attributes_say_is_compared_wherever_they_stand(
    tmp_path, at, name, attributes, message
):
    with pytest.raises(SurveyError, match=message):
        read(written(tmp_path / "m.h5", at, name, **attributes), dataset=name)


@pytest.mark.parametrize("axes", ["z,y,x", "Z Y X", b"zyx", ["z", "y", "x"], "(z, y, x)"])
def test_axes_may_be_written_in_many_ways(tmp_path, axes):
    path = written(tmp_path / "m.h5", "/", axes=axes, spacing_m=[50.0], origin_m=GRID.origin)
    np.testing.assert_array_equal(read(path), MODEL)


def test_the_datasets_own_attributes_count_before_those_of_the_file(tmp_path):
    path = written(tmp_path / "m.h5", "/", spacing_m=25.0)
    with h5py.File(path, "a") as file:
        file["vp"].attrs["spacing_m"] = 50.0
    np.testing.assert_array_equal(read(path), MODEL)


@pytest.mark.parametrize("units", ["km/s", "ft/s", b"g/cc", 7])
def test_a_model_in_other_units_is_refused(tmp_path, units):
    with pytest.raises(SurveyError, match=r"attribute units = .*it must be 'm/s'; convert"):
        read(written(tmp_path / "m.h5", units=units))


@pytest.mark.parametrize("units", ["m/s", "m s-1", "meters per second", b"m/s", ""])
def test_speeds_in_metres_per_second_are_read(tmp_path, units):
    np.testing.assert_array_equal(read(written(tmp_path / "m.h5", units=units)), MODEL)


def test_coordinates_attached_to_the_axes_are_compared(tmp_path):
    for name, shift in (("good", 0.0), ("bad", 50.0)):
        with h5py.File(tmp_path / f"{name}.h5", "w") as file:
            file["vp"] = MODEL
            for i, axis in enumerate("zyx"):
                file[axis] = GRID.axis(i) + (shift if axis == "y" else 0)
                file[axis].make_scale(axis)
                file["vp"].dims[i].attach_scale(file[axis])
    np.testing.assert_array_equal(read(tmp_path / "good.h5"), MODEL)
    with pytest.raises(
        SurveyError, match=r"cell 0 of axis 1 at '/y' = 5\.00005e\+06, the grid"
    ):
        read(tmp_path / "bad.h5")


def cube(path, lines=lambda j, i: (100 + j, 200 + i), code=5, headers=(), **binary):
    """Write the model as SEG-Y with the coordinates of its traces."""
    traces = []
    for j in range(8):
        for i in range(8):
            il, xl = lines(j, i)
            fields = {
                "il": il,
                "xl": xl,
                "cdpx": 4e5 + 50 * i,
                "cdpy": 5e6 + 50 * j,
                "dt": 50000,
            }
            traces.append(({**fields, **dict(headers)}, MODEL[:, j, i]))
    return segy(path, traces, code=code, **{"dt": 50000, **binary})


def test_a_cube_whose_headers_agree_with_the_grid_is_read(tmp_path):
    for name, code in (("a", 5), ("b", 2), ("c", 3), ("d", 6)):
        np.testing.assert_array_equal(read(cube(tmp_path / f"{name}.sgy", code=code)), MODEL)
    scaled = {"scalco": -10, "cdpx": 0, "cdpy": 0}  # no coordinates: nothing to compare
    np.testing.assert_array_equal(read(cube(tmp_path / "e.sgy", headers=scaled)), MODEL)
    metres = cube(tmp_path / "f.sgy", headers={"dt": 50}, dt=50)
    np.testing.assert_array_equal(read(metres), MODEL)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (
            lambda j, i: (100 + i, 200 + j),
            r"trace 2 .* CDP_Y = 5e\+06 m .*at y = 5\.00005e\+06 m",
        ),
        (
            lambda j, i: (100 - j, 200 + i),
            r"trace 1 \(inline 100, .* 64 of 64 traces do not fit",
        ),
        (lambda j, i: (100 + j, 200 - i), r"CDP_X = 400000 m \(bytes 181-184\).*x = 400350 m"),
    ],
)
def test_a_cube_that_is_turned_or_flipped_is_refused_with_its_first_trace(
    tmp_path, lines, message
):
    with pytest.raises(SurveyError, match=message):
        read(cube(tmp_path / "m.sgy", lines))


@pytest.mark.parametrize(
    ("headers", "binary", "message"),
    [
        ({"scalco": -10}, {}, r"trace 1 .*has CDP_Y = 500000 m"),
        ({"counit": 3}, {}, r"CoordinateUnits \(bytes 89-90\) = 3, expected 0 or 1"),
        (
            {},
            {"dt": 25000},
            r"sampling interval of 25000, 'grid\.spacing_m\[0\]' is 50 m: 50000",
        ),
        ({"dt": 4000}, {"dt": 0}, r"sampling interval of 4000"),
        (
            {"delrt": 100},
            {},
            r"first sample \(bytes 109-110\) of 100, 'grid\.origin_m\[0\]' is 0",
        ),
        ({}, {"units": 2}, r"coordinates in feet"),
    ],
)
def test_a_cube_that_states_another_grid_is_refused(tmp_path, headers, binary, message):
    with pytest.raises(SurveyError, match=message):
        read(cube(tmp_path / "m.sgy", headers=headers, **binary))


def test_a_cube_of_another_shape_is_refused_before_it_is_read(tmp_path):
    path = cube(tmp_path / "m.sgy")
    with path.open("r+b") as file:  # a hole of 10 GB, of which nothing is stored
        file.truncate(3600 + 38_000_000 * (240 + 4 * 8))
    with pytest.raises(SurveyError, match=r"has 38000000 traces of 8 samples.*needs 64 traces"):
        read(path)
    deep = Grid((9, 8, 8), GRID.spacing, GRID.origin)
    with pytest.raises(SurveyError, match=r"64 traces of 8 samples.*needs 64 traces of 9"):
        read(cube(tmp_path / "m.sgy"), deep)


def test_ibm_words_of_a_cube_have_the_value_of_their_definition(tmp_path):
    words = np.full(8, 0x460007D0, dtype=np.uint32)  # 2000 with three zero digits
    traces = [({"il": j, "xl": i, "dt": 0}, words) for j in range(8) for i in range(8)]
    model = read(segy(tmp_path / "m.sgy", traces, code=1, dt=0))
    assert np.unique(model).tolist() == [2000.0]


def test_a_model_that_we_wrote_is_read_on_its_grid_only(tmp_path):
    write_model(MODEL, GRID, tmp_path / "m.h5")
    np.testing.assert_array_equal(read(tmp_path / "m.h5"), MODEL)


@pytest.mark.parametrize(
    ("name", "states"),
    [("a.npy", False), ("b.h5", False), ("c.h5", True), ("d.sgy", True), ("e.sgy", False)],
)
def test_pvi_check_says_where_a_model_file_does_not_state_its_grid(tmp_path, name, states):
    path = tmp_path / name
    if name == "a.npy":
        np.save(path, MODEL)
    elif name.endswith("h5"):
        written(path, "/", **({"spacing_m": 50.0, "origin_m": GRID.origin} if states else {}))
    else:
        cube(path, headers={} if states else {"cdpx": 0, "cdpy": 0})
    run = make_run(
        grid={"shape": list(GRID.shape), "spacing_m": 50, "origin_m": list(GRID.origin)},
        start__model={"file": str(path)}, survey__true_model={"file": str(path)},
        survey__format="hdf5", survey__files=["none.h5"], survey__synthetic=None,
    )  # fmt: skip
    said = [f"{f.level} {f.setting}" for f in check_run(run) if "on which grid" in f.message]
    assert said == ([] if states else ["ok start.model", "ok survey.true_model"])


def test_a_model_of_a_section_may_lack_the_axis_of_one_cell(tmp_path):
    section = Grid((8, 1, 8), (50.0, 30.0, 40.0), (0.0, 5e6, 4e5))
    plain = MODEL[:, 0]
    np.save(tmp_path / "m.npy", plain)
    said = {"axes": "z,x", "spacing_m": [50.0, 40.0], "origin_m": [0.0, 4e5]}
    for name, wrong, message in (
        ("m.h5", {}, None),
        ("axes.h5", {"axes": "x,z"}, r"it must be 'z,x'"),
        ("spacing.h5", {"spacing_m": [50.0, 30.0]}, r"'grid\.spacing_m' is \[50\.0, 40\.0\]"),
    ):
        with h5py.File(tmp_path / name, "w") as file:
            file["vp"] = plain
            file["vp"].attrs.update(said | wrong)
        if message is None:
            for path in (tmp_path / name, tmp_path / "m.npy"):
                np.testing.assert_array_equal(read(path, section)[:, 0], plain)
            continue
        with pytest.raises(SurveyError, match=message):
            read(tmp_path / name, section)
    with pytest.raises(SurveyError, match=r"shape \(8, 8\)"):
        read(tmp_path / "m.npy", GRID)
