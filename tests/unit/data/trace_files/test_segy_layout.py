"""SEG-Y layouts: revisions 0 to 2 are read where they are legal, or refused with the bytes."""

import struct

import numpy as np
import pytest
from trace_files import noise, segy

from pvi_hpc.data.survey import Wavelet
from pvi_hpc.data.trace_files.traces import import_traces
from pvi_hpc.errors import SurveyError

X = noise(3)
END = b"((SEG: EndText))".ljust(3200)
OTHER = b"((SEG: Coordinate Reference System ver 1.0))".ljust(3200)


def read(path):
    wavelet = Wavelet(np.array([0.0, 1.0]), 0.004)
    return import_traces([str(path)], kind="segy", wavelet=wavelet, noise_sd=1.0)


def traces(x=X, **fields):
    return [(fields, samples) for samples in x]


def assert_read(path, x=X):
    survey = read(path)
    np.testing.assert_array_equal(survey.shots[0].data, x)
    np.testing.assert_array_equal(survey.shots[0].receivers[:, 2], [100, 150, 200][: len(x)])
    return survey


@pytest.mark.parametrize(
    ("fields", "header", "dt"),
    [
        ({"dt": 1000, "rev": 0x0200, "xdt": 250.0}, 1000, 250e-6),
        ({"dt": 1953, "rev": 0x0201, "xdt": 1953.125}, 0, 1953.125e-6),
        ({"dt": 1953, "rev": 0x0200, "xdt": 1953.125}, 1953, 1953.125e-6),
        ({"dt": 0, "rev": 0x0200, "xdt": 500.0}, 0, 500e-6),
        ({"dt": 4000, "rev": 0x0200, "xdt": 0.0}, 4000, 4e-3),
        ({"dt": 4000, "rev": 0, "xdt": 7e-304}, 4000, 4e-3),
        ({"dt": 4000, "rev": 0x0100, "xdt": 250.0}, 4000, 4e-3),
    ],
)
def test_the_extended_interval_counts_in_revision_2_only(tmp_path, fields, header, dt):
    survey = assert_read(segy(tmp_path / "s.sgy", traces(dt=header), **fields))
    assert survey.dt == pytest.approx(dt, rel=1e-12)
    said = "assumed" in survey.attributes
    assert said == (dt * 1e6 != fields["dt"] and fields["dt"] != 0)


@pytest.mark.parametrize("value", [np.nan, -250.0, np.inf])
def test_an_extended_interval_that_is_none_is_refused(tmp_path, value):
    with pytest.raises(SurveyError, match=r"extended sampling interval \(bytes 3273-3280\)"):
        read(segy(tmp_path / "s.sgy", traces(), rev=0x0200, xdt=value))


def test_more_samples_and_longer_intervals_than_a_signed_header_holds_are_read(tmp_path):
    x = noise(2, 40000)
    assert_read(segy(tmp_path / "a.sgy", traces(x)), x)
    for name, binary in (("b", 40000), ("c", 0)):
        survey = assert_read(segy(tmp_path / f"{name}.sgy", traces(dt=40000), dt=binary))
        assert survey.dt == pytest.approx(0.04)
        assert "read without a sign as 40000 us, not as -25536" in survey.attributes["doubtful"]


def test_a_negative_interval_in_some_headers_only_is_refused(tmp_path):
    with pytest.raises(SurveyError, match=r"trace 1 has TRACE_SAMPLE_INTERVAL = 40536, exp"):
        read(segy(tmp_path / "s.sgy", traces(dt=0x10000 - 25000), dt=2000))


def test_the_extended_sample_count_counts_in_revision_2_only(tmp_path):
    path = segy(tmp_path / "a.sgy", traces(ns=0), rev=0x0200, xns=50, ns=25)
    assert_read(path)
    assert_read(segy(tmp_path / "b.sgy", traces(), rev=0x0100, xns=25))
    x = noise(2, 70000)
    assert_read(segy(tmp_path / "c.sgy", traces(x, ns=0), rev=0x0200, xns=70000, ns=0), x)


@pytest.mark.parametrize("encoding", ["ascii", "cp037"])
def test_extended_textual_headers_end_where_they_say(tmp_path, encoding):
    texts = [t.decode().encode(encoding) for t in (OTHER, END)]
    path = segy(tmp_path / "a.sgy", traces(), after=b"".join(texts), rev=0x0100, ext=-1)
    assert_read(path)
    assert_read(segy(tmp_path / "b.sgy", traces(), after=b"".join(texts), ext=2))
    with pytest.raises(SurveyError, match=r"no '\(\(SEG: EndText\)\)' ends them"):
        read(segy(tmp_path / "c.sgy", traces(), after=OTHER, rev=0x0100, ext=-1))
    with pytest.raises(SurveyError, match=r"extended textual headers: bytes 3505-3506 say 9"):
        read(segy(tmp_path / "d.sgy", traces(), after=OTHER, ext=9))
    layout = b"((SEG: Layout ver 1.0: text/xml))".decode().ljust(3200).encode(encoding)
    with pytest.raises(SurveyError, match=r"SEG: Layout.*moves the fields"):
        read(segy(tmp_path / "e.sgy", traces(), after=layout, ext=1))


def test_the_place_of_the_first_trace_is_heeded(tmp_path):
    assert_read(segy(tmp_path / "a.sgy", traces(), after=bytes(400), rev=0x0200, first=4000))


@pytest.mark.parametrize(
    ("rev", "fields"),
    [(0x0200, {"addl": 2}), (0x0201, {"addl": 2}), (0x0200, {"addl4": 2})],
)
def test_trace_header_extensions_are_skipped_while_they_say_nothing(tmp_path, rev, fields):
    empty = bytes(232) + b"SEG00001" + b"private values".ljust(232) + b"OURS0001"
    assert_read(segy(tmp_path / "a.sgy", traces(), extension=empty, rev=rev, **fields))


@pytest.mark.parametrize("encoding", ["ascii", "cp037"])
def test_an_extension_that_replaces_the_header_is_refused(tmp_path, encoding):
    coordinate = bytes(96) + struct.pack(">d", 12.5)
    extension = coordinate.ljust(232, b"\0") + "SEG00001".encode(encoding)
    with pytest.raises(SurveyError, match=r"trace 1 has a trace header extension.*byte 97 is"):
        read(segy(tmp_path / "s.sgy", traces(), extension=extension, rev=0x0200, addl=1))


def test_trailers_and_the_number_of_traces_are_heeded_in_revision_2(tmp_path):
    end = {"end": bytes(6400), "trailers": 2, "rev": 0x0200}
    assert_read(segy(tmp_path / "a.sgy", traces(), ntraces=3, **end))
    with pytest.raises(SurveyError, match=r"holds 3 traces, its binary header.*says 4"):
        read(segy(tmp_path / "b.sgy", traces(), ntraces=4, **end))
    with pytest.raises(SurveyError, match=r"number of trailers \(bytes 3529-3532\).*got -1"):
        read(segy(tmp_path / "c.sgy", traces(), end=END, trailers=-1, rev=0x0200))


def test_little_endian_files_are_told_by_their_format_code(tmp_path):
    order = {"order": "<", "endian": 0x01020304, "rev": 0x0200}
    survey = assert_read(segy(tmp_path / "a.sgy", traces(), **order))
    assert "little-endian" in survey.attributes["assumed"]
    with pytest.raises(SurveyError, match=r"bytes 3297-3300 must be 0 or 0x1020304.*0x2010403"):
        read(segy(tmp_path / "b.sgy", traces(), rev=0x0200, endian=0x02010403))


@pytest.mark.parametrize("system", [3, -1, 8224])
def test_an_unknown_measurement_system_is_refused(tmp_path, system):
    with pytest.raises(SurveyError, match=rf"MeasurementSystem.*must be 1 .*got {system};"):
        read(segy(tmp_path / "s.sgy", traces(), units=system))


def test_a_file_without_any_interval_is_refused_with_the_bytes(tmp_path):
    with pytest.raises(SurveyError, match=r"has no sampling interval.*in microseconds"):
        read(segy(tmp_path / "s.sgy", traces(dt=0), dt=0))
