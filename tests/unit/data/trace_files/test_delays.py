"""Traces that begin before or after t = 0."""

import struct

import numpy as np
import pytest
from test_description import read
from trace_files import noise, segy

from pvi_hpc.errors import SurveyError

APPLY = {"recording_delay": "apply"}


def written(path, delays, n=50, **binary):
    """Write traces that begin at `delays` [ms]; return their file and samples."""
    x = noise(len(delays), n)
    fields = [{"delrt": delay} for delay in delays]
    return segy(path, list(zip(fields, x, strict=True)), **binary), x


def test_what_was_recorded_before_the_shot_is_cut_off(tmp_path):
    path, x = written(tmp_path / "s.sgy", [-100] * 3)
    with pytest.raises(SurveyError, match=r"= -100, expected 0 ms \(bytes 109-110\).*apply"):
        read(path)
    survey = read(path, **APPLY)
    np.testing.assert_array_equal(survey.shots[0].data, x[:, 25:])
    assert survey.n_samples == 25
    assert "cut off (3 traces)" in survey.attributes["assumed"]


def test_zeros_stand_before_traces_that_begin_late_and_that_is_said(tmp_path):
    path, x = written(tmp_path / "s.sgy", [40] * 3)
    survey = read(path, **APPLY)
    assert survey.n_samples == 60
    np.testing.assert_array_equal(survey.shots[0].data[:, 10:], x)
    assert not survey.shots[0].data[:, :10].any()
    assert "zeros before; these count as data" in survey.attributes["doubtful"]


def test_traces_that_begin_at_different_times_end_with_the_first(tmp_path):
    path, x = written(tmp_path / "s.sgy", [-8, 0, 12])
    survey = read(path, **APPLY)
    assert survey.n_samples == 48
    data = survey.shots[0].data
    np.testing.assert_array_equal(data[0], x[0, 2:])
    np.testing.assert_array_equal(data[1], x[1, :48])
    np.testing.assert_array_equal(data[2], np.concatenate([np.zeros(3), x[2, :45]]))
    assert "all end with the first, at 0.188 s (3 traces)" in survey.attributes["assumed"]


def test_files_that_begin_at_different_times_end_together(tmp_path):
    a, x = written(tmp_path / "a.sgy", [-8] * 3)
    b, y = written(tmp_path / "b.sgy", [0] * 3)
    survey = read(a, b, shot_number="file", **APPLY)
    assert survey.n_samples == 48
    np.testing.assert_array_equal(survey.shots[0].data, x[:, 2:])
    np.testing.assert_array_equal(survey.shots[1].data, y[:, :48])


def test_the_scalar_of_times_counts_since_revision_1(tmp_path):
    for name, rev, delay in (("a", 0x0100, 4.0), ("b", 0, 40.0)):
        path, x = written(tmp_path / f"{name}.sgy", [40] * 3, rev=rev)
        content = bytearray(path.read_bytes())
        for i in range(3):
            struct.pack_into(">h", content, 3600 + 440 * i + 214, -10)
        path.write_bytes(content)
        survey = read(path, **APPLY)
        first = round(delay / 4)
        assert survey.n_samples == 50 + first
        np.testing.assert_array_equal(survey.shots[0].data[:, first:], x)


@pytest.mark.parametrize("value", [-100, -99.999])
def test_a_delay_that_the_headers_do_not_tell_is_given_as_a_value(tmp_path, value):
    path, x = written(tmp_path / "s.sgy", [0] * 3)
    survey = read(path, values={"DelayRecordingTime": value}, **APPLY)
    np.testing.assert_array_equal(survey.shots[0].data, x[:, 25:])
    path, x = written(tmp_path / "s.sgy", [4] * 3)
    survey = read(path, values={"DelayRecordingTime": 0})
    np.testing.assert_array_equal(survey.shots[0].data, x)


@pytest.mark.parametrize(
    ("delays", "message"),
    [
        ([2, 2, 2], r"trace 1 has DelayRecordingTime = 2 \(bytes 109-110\), 2 ms: no multiple"),
        ([0, 0, 400], r"trace 3 .*400 ms: after the end of another trace"),
        ([0, -200, 0], r"trace 2 .*-200 ms: which leaves nothing"),
    ],
)
def test_delays_that_cannot_be_applied_are_refused(tmp_path, delays, message):
    path, _ = written(tmp_path / "s.sgy", delays)
    with pytest.raises(SurveyError, match=message):
        read(path, **APPLY)
