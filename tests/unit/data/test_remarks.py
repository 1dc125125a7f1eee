"""Remarks: what a header leaves open is assumed aloud, and what is not applied is doubtful."""

import numpy as np
import pytest
from run_example import make_run
from trace_files import noise, segy, su

from pvi_hpc.checks.run import check_run
from pvi_hpc.data.remarks import Remark, as_attributes, from_attributes
from pvi_hpc.data.survey import Wavelet
from pvi_hpc.data.survey_file import read_survey, write_survey
from pvi_hpc.data.trace_files.traces import import_traces
from pvi_hpc.errors import SurveyError


def read(*paths, component="pressure", kind="segy"):
    wavelet = Wavelet(np.array([0.0, 1.0]), 0.004)
    return import_traces(
        [str(p) for p in paths], kind=kind, wavelet=wavelet, noise_sd=1.0, component=component
    )


def with_second(path, binary=(), **fields):
    """Write three traces, with fields of the second one set."""
    traces = [(fields if i == 1 else {}, x) for i, x in enumerate(noise(3))]
    return segy(path, traces, **dict(binary))


def test_a_file_that_says_everything_has_no_remark(tmp_path):
    survey = read(with_second(tmp_path / "s.sgy"))
    assert survey.attributes == {"source": "s.sgy", "format": "segy"}


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"tstat": 4}, "TotalStaticApplied (bytes 103-104) is not 0; it is not applied"),
        ({"laga": -8}, "LagTimeA (bytes 105-106) is not 0; it is not applied"),
        ({"lagb": 8}, "LagTimeB (bytes 107-108) is not 0; it is not applied"),
        ({"duse": 2}, "DataUse (bytes 35-36) is 2, test data"),
        ({"gain": 6}, "the instrument's gain (bytes 121-124) differs between traces"),
    ],
)
def test_what_is_not_applied_is_doubtful_and_counted(tmp_path, fields, text):
    survey = read(with_second(tmp_path / "s.sgy", **fields))
    assert f"'s.sgy': {text}" in survey.attributes["doubtful"]
    assert survey.attributes["doubtful"].endswith("(1 trace).")
    path = su(
        tmp_path / "s.su", [(fields if i == 1 else {}, x) for i, x in enumerate(noise(3))]
    )
    assert text in read(path, kind="su").attributes["doubtful"]


@pytest.mark.parametrize(
    ("binary", "fields", "text"),
    [
        (
            {"units": 0},
            {},
            "MeasurementSystem (bytes 3255-3256) is 0, unknown; lengths are taken",
        ),
        ({}, {"counit": 0}, "CoordinateUnits (bytes 89-90) is 0, unknown; lengths are taken"),
    ],
)
def test_units_that_are_not_told_are_taken_as_metres_aloud(tmp_path, binary, fields, text):
    survey = read(with_second(tmp_path / "s.sgy", binary, **fields))
    assert text in survey.attributes["assumed"]
    assert "doubtful" not in survey.attributes


@pytest.mark.parametrize(
    ("component", "polarity", "doubtful"),
    [("pressure", 1, True), ("pressure", 2, False), ("vz", 1, False), ("vz", 2, True),
     ("vx", 1, False), ("pressure", 0, False)],
)  # fmt: skip
def test_a_sign_that_is_not_ours_is_doubtful(tmp_path, component, polarity, doubtful):
    path = with_second(tmp_path / "s.sgy", {"polarity": polarity})
    said = read(path, component=component).attributes.get("doubtful", "")
    assert ("ImpulsePolarity (bytes 3257-3258)" in said) == doubtful


@pytest.mark.parametrize(
    ("component", "unit", "name"),
    [("pressure", 6, "m/s"), ("vz", 1, "Pa"), ("vz", 7, "m/s2"), ("pressure", 1, None),
     ("vz", 6, None), ("pressure", 0, None), ("pressure", 2, None), ("pressure", -1, None)],
)  # fmt: skip
def test_samples_in_the_unit_of_another_component_are_doubtful(tmp_path, component, unit, name):
    path = with_second(tmp_path / "s.sgy", {"rev": 0x0100}, unit=unit)
    said = read(path, component=component).attributes.get("doubtful", "")
    text = f"the samples are in {name} (bytes 203-204), which is not '{component}' (1 trace)"
    assert (text in said) == (name is not None)
    old = read(with_second(tmp_path / "s.sgy", unit=unit), component=component)
    assert "doubtful" not in old.attributes


@pytest.mark.parametrize(
    ("binary", "text"),
    [
        ({"recovered": 2}, "BinaryGainRecovered (bytes 3251-3252) is 2"),
        ({"sorting": 4}, "TraceSorting (bytes 3229-3230) is 4: not records of shots"),
    ],
)
def test_files_that_are_no_raw_shots_are_doubtful(tmp_path, binary, text):
    assert text in read(with_second(tmp_path / "s.sgy", binary)).attributes["doubtful"]


def test_a_delay_of_a_live_trace_is_refused(tmp_path):
    with pytest.raises(SurveyError, match=r"trace 2 has DelayRecordingTime = 100, expected 0"):
        read(with_second(tmp_path / "s.sgy", delrt=100))


def test_a_remark_on_several_files_is_one_line_with_names_only():
    a, b = Remark("doubtful", "odd", 2), Remark("assumed", "metres")
    found = [
        ("/x/a.sgy", a),
        ("/x/b.sgy", a),
        ("/x/b.sgy", b),
        ("/x/c.sgy", Remark("doubtful", "c")),
    ]
    attributes = as_attributes(found)
    assert attributes == {
        "assumed": "'b.sgy': metres.",
        "doubtful": "'a.sgy' and 1 more: odd (4 traces).\n'c.sgy': c.",
    }
    assert list(from_attributes(attributes)) == [
        ("assumed", "'b.sgy': metres."),
        ("doubtful", "'a.sgy' and 1 more: odd (4 traces)."),
        ("doubtful", "'c.sgy': c."),
    ]


def test_pvi_check_says_remarks_of_a_file_and_of_the_prepared_survey(tmp_path):
    x = noise(2, 251)
    path = segy(
        tmp_path / "s.sgy",
        [({"trid": 1, "dt": 5000, "laga": 4, "counit": 0}, x[0]), ({"trid": 6}, x[1])],
        dt=5000,
    )
    run = make_run(
        survey__format="segy", survey__synthetic=None, survey__files=[str(path)],
        survey__noise_sd=1.0,
    )  # fmt: skip
    write_survey(read(path), tmp_path / "s.h5")
    for survey in (None, read_survey(tmp_path / "s.h5")):
        found = {
            (f.level, f.message.split(" (")[0])
            for f in check_run(run, survey)
            if "s.sgy" in f.message
        }
        assert found == {
            ("ok", "'s.sgy': CoordinateUnits"),
            ("warning", "'s.sgy': LagTimeA"),
            ("warning", "'s.sgy': traces with TraceIdentificationCode 6"),
        }
