"""SEG-Y and SU: round trips, the independent survey, and one message for each fault."""

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import segyio

from pvi_hpc.data.survey import Shot, Survey, Wavelet
from pvi_hpc.data.trace_files.segy import write_segy
from pvi_hpc.data.trace_files.traces import import_traces, with_noise_window
from pvi_hpc.errors import SurveyError

WAVELET = Wavelet(np.array([0.0, 1.0]), 0.004)
DATA = Path(os.environ.get("PVI_DATA", Path(__file__).parents[4].parent / "shared" / "data"))


def make_survey(ids=(1, 2), n_receivers=(3, 4), n_samples=20, dt=0.004):
    rng = np.random.default_rng(5)
    shots = tuple(
        Shot(
            id=i,
            source=np.array([12.5, 100.0 * i, 50.25]),
            receivers=np.stack(
                [np.full(n, 7.5), 30.0 * np.arange(n), 5 + 10.0 * i + np.arange(n)], 1
            ),
            data=rng.standard_normal((n, n_samples)).astype(np.float32),
            noise_sd=np.full(n, 0.1),
        )
        for i, n in zip(ids, n_receivers, strict=True)
    )
    return Survey(shots, WAVELET, dt, n_samples)


def read(*files, kind="segy"):
    return import_traces([str(f) for f in files], kind=kind, wavelet=WAVELET, noise_sd=0.1)


def write(path, survey=None, **headers):
    """Write a survey and set headers of its second trace."""
    write_segy(survey or make_survey(), path)
    with segyio.open(str(path), "r+", ignore_geometry=True) as file:
        file.header[1].update({getattr(segyio.TraceField, k): v for k, v in headers.items()})
    return path


def assert_same(a, b):
    assert (a.dt, a.n_samples) == (b.dt, b.n_samples)
    assert [s.id for s in a.shots] == [s.id for s in b.shots]
    for x, y in zip(a.shots, b.shots, strict=True):
        np.testing.assert_allclose(x.source, y.source, atol=1e-3)
        np.testing.assert_allclose(x.receivers, y.receivers, atol=1e-3)
        np.testing.assert_array_equal(x.data, y.data)
        np.testing.assert_array_equal(x.noise_sd, y.noise_sd)


def write_su(path, survey, order):
    """An SU writer of its own: the reader must not be tested against itself."""
    with path.open("wb") as file:
        for shot in survey.shots:
            for i, trace in enumerate(shot.data):
                header = bytearray(240)

                def put(byte, size, value, header=header):
                    value = int(value)
                    header[byte - 1 : byte - 1 + size] = value.to_bytes(
                        size, order, signed=True
                    )

                put(9, 4, shot.id), put(13, 4, i + 1)
                put(41, 4, round(-shot.receivers[i][0] * 100))
                put(49, 4, round(shot.source[0] * 100))
                put(69, 2, -100), put(71, 2, -100)
                put(73, 4, round(shot.source[2] * 100)), put(77, 4, round(shot.source[1] * 100))
                put(81, 4, round(shot.receivers[i][2] * 100))
                put(85, 4, round(shot.receivers[i][1] * 100))
                put(115, 2, survey.n_samples), put(117, 2, round(survey.dt * 1e6))
                file.write(header)
                file.write(trace.astype("<f4" if order == "little" else ">f4").tobytes())
    return path


def test_a_survey_written_as_segy_comes_back(tmp_path):
    survey = make_survey()
    write_segy(survey, tmp_path / "s.sgy")
    assert_same(read(tmp_path / "s.sgy"), survey)


def test_coordinates_too_large_for_millimetres_come_back_to_the_centimetre(tmp_path):
    survey = make_survey()
    shift = np.array([0.0, 6_700_000.0, 500_000.0])
    far = replace(
        survey,
        shots=tuple(
            replace(s, source=s.source + shift, receivers=s.receivers + shift)
            for s in survey.shots
        ),
    )
    write_segy(far, tmp_path / "s.sgy")
    assert_same(read(tmp_path / "s.sgy"), far)


@pytest.mark.parametrize("order", ["little", "big"])
def test_su_of_either_byte_order_is_read(tmp_path, order):
    survey = make_survey()
    assert_same(read(write_su(tmp_path / "s.su", survey, order), kind="su"), survey)


def test_little_endian_segy_is_read(tmp_path):
    survey = make_survey(ids=(3,), n_receivers=(2,))
    spec = segyio.spec()
    spec.format, spec.endian, spec.tracecount = 5, "little", 2
    spec.samples = np.arange(20) * 4.0
    with segyio.create(str(tmp_path / "s.sgy"), spec) as file:
        file.bin.update({segyio.BinField.Interval: 4000})
        for i in range(2):
            file.header[i] = {9: 3, 13: i + 1, 115: 20, 117: 4000}
            file.trace[i] = survey.shots[0].data[i]
    shot = read(tmp_path / "s.sgy").shots[0]
    assert shot.id == 3
    np.testing.assert_array_equal(shot.data, survey.shots[0].data)


def test_extended_text_headers_are_skipped(tmp_path):
    survey = make_survey(ids=(3,), n_receivers=(2,), n_samples=21)
    # 21 samples: two headers of 3200 bytes must not be a whole number of traces.
    spec = segyio.spec()
    spec.format, spec.tracecount, spec.ext_headers = 5, 2, 2
    spec.samples = np.arange(21) * 4.0
    with segyio.create(str(tmp_path / "s.sgy"), spec) as file:
        file.bin.update({segyio.BinField.Interval: 4000, segyio.BinField.ExtendedHeaders: 2})
        for i in range(2):
            file.header[i] = {9: 3, 13: i + 1}
            file.trace[i] = survey.shots[0].data[i]
    np.testing.assert_array_equal(read(tmp_path / "s.sgy").shots[0].data, survey.shots[0].data)


def test_ibm_floats_are_read(tmp_path):
    survey = make_survey(ids=(1,), n_receivers=(1,))
    spec = segyio.spec()
    spec.format, spec.tracecount, spec.samples = 1, 1, np.arange(20) * 4.0
    with segyio.create(str(tmp_path / "s.sgy"), spec) as file:
        file.bin.update({segyio.BinField.Interval: 4000})
        file.header[0] = {9: 1, 13: 1}
        file.trace[0] = survey.shots[0].data[0]
    data = read(tmp_path / "s.sgy").shots[0].data
    np.testing.assert_allclose(data, survey.shots[0].data, rtol=1e-5)


def test_one_file_a_shot_is_one_survey_in_the_order_of_the_shots(tmp_path):
    survey = make_survey(ids=(1, 2), n_receivers=(3, 4))
    for name, shot in (("b", survey.shots[0]), ("a", survey.shots[1])):
        write_segy(replace(survey, shots=(shot,)), tmp_path / f"{name}.sgy")
    assert_same(read(tmp_path / "*.sgy"), survey)
    assert read(tmp_path / "*.sgy").attributes["source"] == "a.sgy and 1 more"


def test_traces_out_of_order_are_sorted_by_shot_and_trace_number(tmp_path):
    survey = make_survey()
    write_segy(survey, tmp_path / "s.sgy")
    content = (tmp_path / "s.sgy").read_bytes()
    size = 240 + 4 * survey.n_samples
    traces = [content[i : i + size] for i in range(3600, len(content), size)]
    (tmp_path / "r.sgy").write_bytes(content[:3600] + b"".join(traces[::-1]))
    assert_same(read(tmp_path / "r.sgy"), survey)


@pytest.mark.parametrize(("scalar", "factor"), [(-10, 0.1), (10, 10.0), (0, 1.0), (1, 1.0)])
def test_scalars_divide_when_negative_and_multiply_when_positive(tmp_path, scalar, factor):
    path = write(
        tmp_path / "s.sgy",
        SourceGroupScalar=scalar, ElevationScalar=scalar, GroupX=7, GroupY=-3,
        ReceiverGroupElevation=-4, SourceX=5, SourceY=6, SourceDepth=9,
        SourceSurfaceElevation=2, FieldRecord=77,
    )  # fmt: skip
    shot = next(s for s in read(path).shots if s.id == 77)
    np.testing.assert_allclose(shot.receivers[0], np.array([4, -3, 7]) * factor)
    np.testing.assert_allclose(shot.source, np.array([9 - 2, 6, 5]) * factor)


def test_dead_traces_are_left_out_and_counted(tmp_path):
    survey = make_survey()
    survey.shots[0].data[2] = 0
    survey_read = read(write(tmp_path / "s.sgy", survey, TraceIdentificationCode=2))
    np.testing.assert_array_equal(survey_read.shots[0].data, survey.shots[0].data[:1])
    assert len(survey_read.shots[1].receivers) == 4
    assert survey_read.attributes["doubtful"] == (
        "'s.sgy': dead traces (so marked, or all samples zero) are left out (2 traces)."
    )


def test_a_trace_marked_dead_may_hold_nan(tmp_path):
    survey = make_survey()
    survey.shots[0].data[1, 5:] = np.nan
    shot = read(write(tmp_path / "s.sgy", survey, TraceIdentificationCode=2)).shots[0]
    np.testing.assert_array_equal(shot.data, survey.shots[0].data[[0, 2]])
    np.testing.assert_allclose(shot.receivers, survey.shots[0].receivers[[0, 2]])


def denied(*args, **kwargs):
    raise PermissionError(13, "Permission denied")


def test_a_file_that_may_not_be_read_is_named_with_the_remedy(tmp_path, monkeypatch):
    path, su = write(tmp_path / "s.sgy"), write_su(tmp_path / "s.su", make_survey(), "big")
    monkeypatch.setattr(Path, "open", denied)
    monkeypatch.setattr(np, "fromfile", denied)
    for file, kind in ((path, "segy"), (su, "su")):
        with pytest.raises(SurveyError, match=r"Cannot read '.*s\.s.*denied; make it readable"):
            read(file, kind=kind)
    monkeypatch.setattr(Path, "is_file", denied)
    with pytest.raises(SurveyError, match=r"Cannot read '.*s\.sgy'"):
        read(path)


def test_a_truncated_file_is_refused(tmp_path):
    path = write(tmp_path / "s.sgy")
    content = path.read_bytes()
    path.write_bytes(content[:-100])
    with pytest.raises(SurveyError, match=r"s\.sgy' is truncated.*6 whole traces.*220 bytes"):
        read(path)
    path.write_bytes(content[:2000])
    with pytest.raises(SurveyError, match=r"s\.sgy' is truncated.*3600.*it has 2000"):
        read(path)
    path.write_bytes(content[:3600])
    with pytest.raises(SurveyError, match=r"truncated.*0 whole traces"):
        read(path)


def test_a_truncated_su_file_and_segy_read_as_su_are_refused(tmp_path):
    path = write_su(tmp_path / "s.su", make_survey(), "little")
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(SurveyError, match=r"s\.su' is not a whole SU file.*format: segy"):
        read(path, kind="su")
    with pytest.raises(SurveyError, match="not a whole SU file"):
        read(write(tmp_path / "s.sgy"), kind="su")
    with pytest.raises(SurveyError, match=r"truncated|not SEG-Y"):
        read(write_su(tmp_path / "t.su", make_survey(n_receivers=(30, 30)), "big"))


def test_an_unknown_sample_format_is_refused(tmp_path):
    path = write(tmp_path / "s.sgy")
    content = bytearray(path.read_bytes())
    content[3224:3226] = (4).to_bytes(2, "big")
    path.write_bytes(content)
    with pytest.raises(SurveyError, match=r"format code of \[1, 2, 3, 5, 6, .*got code 4"):
        read(path)


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ({"DelayRecordingTime": 100}, "trace 2 has DelayRecordingTime = 100, expected 0 ms"),
        ({"TRACE_SAMPLE_INTERVAL": 2000}, r"INTERVAL = 2000, expected 4000 us"),
        ({"TRACE_SAMPLE_COUNT": 19}, "trace 2 has TRACE_SAMPLE_COUNT = 19, expected 20"),
        ({"CoordinateUnits": 2}, "trace 2 has CoordinateUnits = 2.*metres"),
        ({"SourceX": 1}, r"FieldRecord 1 has two sources.*at trace 1 and.*at trace 2"),
        ({"TraceNumber": 3}, "traces 2 and 3 are both FieldRecord 1, TraceNumber 3"),
    ],
)
def test_each_bad_header_has_its_message(tmp_path, headers, message):
    path = write(tmp_path / "s.sgy", **headers)
    with pytest.raises(SurveyError, match=message) as caught:
        read(path)
    assert "s.sgy" in str(caught.value)


def test_traces_without_any_numbers_are_told_so(tmp_path):
    path = write(tmp_path / "s.sgy")
    with segyio.open(str(path), "r+", ignore_geometry=True) as file:
        for i in range(7):
            file.header[i].update(
                {segyio.TraceField.FieldRecord: 0, segyio.TraceField.SourceY: 0}
            )
            file.header[i].update({segyio.TraceField.TraceNumber: 0})
    with pytest.raises(
        SurveyError, match=r"\(bytes 9-12\) and TraceNumber .* are 0 in 7 traces"
    ):
        read(path)


def test_coordinates_in_feet_are_refused(tmp_path):
    path = write(tmp_path / "s.sgy")
    with segyio.open(str(path), "r+", ignore_geometry=True) as file:
        file.bin.update({segyio.BinField.MeasurementSystem: 2})
    with pytest.raises(SurveyError, match=r"s\.sgy' has its coordinates in feet"):
        read(path)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused(tmp_path, value):
    survey = make_survey()
    survey.shots[1].data[2, 5] = value
    with pytest.raises(SurveyError, match=r"trace 6 \(FieldRecord 2, TraceNumber 3\).*NaN"):
        read(write(tmp_path / "s.sgy", survey))


def test_a_shot_in_two_files_is_refused(tmp_path):
    write(tmp_path / "a.sgy")
    write(tmp_path / "b.sgy")
    with pytest.raises(
        SurveyError,
        match=r"FieldRecord 1 is in '.*a\.sgy' and again in '.*b\.s.*renumber.*9-12",
    ):
        read(tmp_path / "*.sgy")


def test_files_sampled_differently_are_refused(tmp_path):
    write(tmp_path / "a.sgy", make_survey(ids=(1, 2)))
    write(tmp_path / "b.sgy", make_survey(ids=(3, 4), dt=0.002))
    with pytest.raises(SurveyError, match=r"b\.sgy' has 20 samples of 0\.002 s.*0\.004 s"):
        read(tmp_path / "*.sgy")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(SurveyError, match=r"'survey\.files' names '.*none\*\.sgy'"):
        read(tmp_path / "none*.sgy")


def test_segy_cannot_hold_a_fraction_of_a_microsecond(tmp_path):
    with pytest.raises(SurveyError, match=r"whole microseconds, got 1333\.33.*HDF5"):
        write_segy(make_survey(dt=0.004 / 3), tmp_path / "s.sgy")
    assert not any(tmp_path.iterdir())


def test_noise_is_measured_ahead_of_the_arrivals():
    rng = np.random.default_rng(2)
    survey = make_survey(ids=(1,), n_receivers=(400,), n_samples=600)
    sd = np.where(np.arange(400) < 100, 3.0, 1.0)
    data = rng.standard_normal((400, 600)) * sd[:, None]
    data[:, 400:] += 100
    survey = survey.with_data([data.astype(np.float32)])
    measured = with_noise_window(survey, 400 * survey.dt).shots[0].noise_sd
    np.testing.assert_allclose(measured, sd, rtol=0.15)
    assert measured[100:].min() >= np.median(measured) * 0.999


def test_dead_traces_stay_left_out_when_noise_is_measured():
    survey = make_survey()
    survey.shots[0].noise_sd[2] = np.inf
    noise = with_noise_window(survey, 0.08).shots[0].noise_sd
    assert np.isfinite(noise).tolist() == [True, True, False]


@pytest.mark.parametrize("window", [0.004, 1.0])
def test_a_window_too_short_or_outside_the_record_is_refused(window):
    with pytest.raises(
        SurveyError, match=rf"noise_window_s'.*0\.032 to 0\.08 s.*got {window:g}"
    ):
        with_noise_window(make_survey(), window)


def test_a_window_without_noise_is_refused():
    survey = make_survey()
    silent = survey.with_data([np.zeros_like(s.data) for s in survey.shots])
    with pytest.raises(SurveyError, match=r"holds no noise.*give 'survey\.noise_sd'"):
        with_noise_window(silent, 0.08)


def test_the_independent_survey_is_read_with_its_geometry():
    folder = DATA / "overthrust3d"
    if not (folder / "survey.sgy").exists():
        pytest.skip(f"no {folder / 'survey.sgy'}; set PVI_DATA to the folder of test data")
    meta = json.loads((folder / "meta.json").read_text())
    survey = read(folder / "survey.sgy")
    assert [s.data.shape for s in survey.shots] == [(225, 401)] * 25
    assert survey.dt == pytest.approx(0.004)
    assert [s.id for s in survey.shots] == list(range(1, 26))
    np.testing.assert_allclose([s.source for s in survey.shots], meta["source_z_y_x_m"])
    line = meta["receiver_y_x_m"]
    receivers = [(meta["receiver_depth_m"], y, x) for y in line for x in line]
    for shot in survey.shots:
        np.testing.assert_allclose(shot.receivers, receivers)
    rms = np.sqrt(np.mean([np.mean(s.data.astype(float) ** 2) for s in survey.shots]))
    assert rms == pytest.approx(np.hypot(meta["noise_sd"], meta["clean_rms"]), rel=0.01)
