"""Trace identification codes: only live traces of the component asked for are receivers."""

import numpy as np
import pytest
from run_example import make_run
from trace_files import noise, segy, su

from pvi_hpc.data.prepare import survey_geometry
from pvi_hpc.data.survey import Wavelet
from pvi_hpc.data.trace_files.traces import import_traces
from pvi_hpc.errors import SurveyError


def read(*paths, component="pressure", kind="segy"):
    wavelet = Wavelet(np.array([0.0, 1.0]), 0.004)
    return import_traces(
        [str(p) for p in paths], kind=kind, wavelet=wavelet, noise_sd=1.0, component=component
    )


def coded(path, codes, write=segy):
    x = noise(len(codes))
    return write(path, [({"trid": c}, t) for c, t in zip(codes, x, strict=True)]), x


@pytest.mark.parametrize("write", [segy, su])
def test_auxiliary_traces_are_left_out_and_counted_by_kind(tmp_path, write):
    path, x = coded(
        tmp_path / "s", [1, -1, 3, 4, 5, 6, 6, 7, 8, 9, 10, 18, 21, 22, 99, 1], write
    )
    survey = read(path, kind="segy" if write is segy else "su")
    np.testing.assert_array_equal(survey.shots[0].data, x[[0, 15]])
    np.testing.assert_array_equal(survey.shots[0].receivers[:, 2], [100, 850])
    lines = survey.attributes["doubtful"].splitlines()
    assert len(lines) == 13
    assert "Code 6 (sweep) are no receivers of 'survey.component: pressure'" in lines[4]
    assert lines[4].endswith("are left out (2 traces).")
    assert "99 (not seismic data)" in lines[-1]


def test_auxiliary_traces_need_no_place_no_unit_and_no_number_of_their_own(tmp_path):
    x = noise(3)
    bad = {"trid": 9, "tracf": 1, "sx": 0, "gx": 0, "counit": 3, "delrt": 8, "dt": 1000}
    path = segy(tmp_path / "s.sgy", [({}, x[0]), (bad, np.full(50, np.nan)), ({}, x[2])])
    np.testing.assert_array_equal(read(path).shots[0].data, x[[0, 2]])


@pytest.mark.parametrize(
    ("component", "code"), [("pressure", 11), ("vz", 12), ("vz", 15), ("vx", 14), ("vy", 13)]
)
def test_the_traces_of_the_component_asked_for_are_kept(tmp_path, component, code):
    codes = [11, 12, 16, 3]
    codes = codes if code in codes else [code, *([11] if code != 11 else []), 16, 3]
    path, x = coded(tmp_path / "s.sgy", codes)
    survey = read(path, component=component)
    assert survey.component == component
    np.testing.assert_array_equal(survey.shots[0].data, x[[codes.index(code)]])
    unsure = "does not say along which axis" in survey.attributes["doubtful"]
    assert unsure == (component in ("vx", "vy"))


def test_the_setting_decides_which_component_of_a_file_is_prepared(tmp_path):
    x = noise(4)
    traces = [({"trid": 11 + i % 2, "dt": 5000}, x[i]) for i in range(4)]
    path = segy(tmp_path / "s.sgy", traces, dt=5000)
    given = {"survey__format": "segy", "survey__synthetic": None, "survey__noise_sd": 1.0}
    given["survey__wavelet"] = {"ricker": {"peak_hz": 20.0, "delay_s": 0.06}}
    for component, kept in (("pressure", [0, 2]), ("vz", [1, 3])):
        run = make_run(survey__files=[str(path)], survey__component=component, **given)
        survey = survey_geometry(run.survey, 1)
        assert survey.component == component
        np.testing.assert_array_equal(survey.shots[0].data, x[kept])


def test_four_components_of_one_place_may_share_their_trace_number(tmp_path):
    x = noise(8)
    traces = [
        ({"trid": 11 + i % 4, "tracf": 1 + i // 4, "gx": 100 * (i // 4)}, x[i])
        for i in range(8)
    ]
    shot = read(segy(tmp_path / "s.sgy", traces)).shots[0]
    np.testing.assert_array_equal(shot.data, x[[0, 4]])


@pytest.mark.parametrize(
    ("codes", "component", "message"),
    [
        (
            [1, 12],
            "pressure",
            r"trace 1 has .* 1 \(seismic data\), trace 2 has 12 \(vertical\)",
        ),
        ([0, 11], "pressure", r"trace 1 has .* 0 \(unknown\), trace 2 has 11 .*not clear"),
        (
            [13, 14],
            "vx",
            r"13 \(cross-line\) and 14 \(in-line\) may all be .*: vx'; write those",
        ),
        ([12, 15], "vz", r"12 \(vertical\) and 15 \(rotated vertical\) may all be"),
    ],
)
def test_codes_that_leave_the_component_open_are_refused(tmp_path, codes, component, message):
    with pytest.raises(SurveyError, match=message):
        read(coded(tmp_path / "s.sgy", codes)[0], component=component)


@pytest.mark.parametrize("codes", [[12, 12], [6], [2, 3]])
def test_a_file_without_a_trace_of_the_component_is_refused_with_what_it_holds(tmp_path, codes):
    with pytest.raises(
        SurveyError, match=r"hold no live trace of 'survey\.component: pressure':\n's\.sgy'"
    ):
        read(coded(tmp_path / "s.sgy", codes)[0])


def test_the_component_may_be_in_a_file_of_its_own(tmp_path):
    coded(tmp_path / "a.sgy", [12, 12])
    _, x = coded(tmp_path / "b.sgy", [11, 11, 11])
    survey = read(tmp_path / "*.sgy")
    np.testing.assert_array_equal(survey.shots[0].data, x)
    assert "'a.sgy': traces with TraceIdentificationCode 12" in survey.attributes["doubtful"]


@pytest.mark.parametrize("mark", [{"trid": 2}, {}])
def test_a_dead_trace_needs_no_coordinates(tmp_path, mark):
    empty = dict.fromkeys(("sx", "sy", "sdepth", "gx", "gy", "gelev", "ns", "dt", "counit"), 0)
    x = noise(3)
    x[1] = 0
    traces = [({**empty, **mark} if i == 1 else {}, x[i]) for i in range(3)]
    shot = read(segy(tmp_path / "s.sgy", traces)).shots[0]
    np.testing.assert_array_equal(shot.data, x[[0, 2]])
    np.testing.assert_array_equal(shot.source, [60, 300, 300])


def test_a_shot_of_dead_traces_is_left_out_and_said(tmp_path):
    x = noise(4)
    traces = [({"fldr": 1 + i // 2, "trid": 2 if i < 2 else 1}, x[i]) for i in range(4)]
    survey = read(segy(tmp_path / "s.sgy", traces))
    assert [shot.id for shot in survey.shots] == [2]
    assert "1 FieldRecords have no trace left, the first is 1." in survey.attributes["doubtful"]


def test_unknown_codes_are_taken_as_data_and_said(tmp_path):
    survey = read(coded(tmp_path / "s.sgy", [0, 0, 1])[0])
    assert len(survey.shots[0].data) == 3
    assert "taken as live records of 'pressure' (2 traces)" in survey.attributes["assumed"]
