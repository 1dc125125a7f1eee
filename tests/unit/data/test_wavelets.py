"""Wavelets: analytic values, files with faults, resampling."""

import numpy as np
import pytest

from pvi_hpc.data.settings import RickerSettings, WaveletSettings
from pvi_hpc.data.survey import Wavelet
from pvi_hpc.data.wavelets import (
    for_solver,
    max_frequency,
    peak_frequency,
    read_wavelet,
    ricker,
    wavelet_of,
)
from pvi_hpc.errors import SurveyError

SETTINGS = RickerSettings(peak_hz=5.0, delay_s=0.32, amplitude=3.0)


def write(path, text):
    path.write_text(text)
    return path


def test_a_ricker_wavelet_peaks_at_its_delay_and_crosses_zero_where_u_is_a_half():
    wavelet = ricker(SETTINGS, 0.0005, 2000)
    assert wavelet.samples.argmax() * wavelet.dt == pytest.approx(0.32)
    assert wavelet.samples.max() == pytest.approx(3.0)
    zero = 0.32 + 1 / (np.pi * 5.0 * np.sqrt(2))
    assert np.interp(zero, 0.0005 * np.arange(2000), wavelet.samples) == pytest.approx(
        0, abs=1e-3
    )


def test_a_ricker_wavelet_cut_off_at_its_start_is_refused():
    with pytest.raises(SurveyError, match=r"delay_s.*at least.*0\.2 s.*got 0\.1 s; use 0\.24"):
        ricker(RickerSettings(peak_hz=5.0, delay_s=0.1), 0.002, 100)


def test_a_ricker_wavelet_longer_than_the_simulation_is_refused():
    with pytest.raises(SurveyError, match=r"lasts 0\.52 s.*simulation of 0\.4 s; use a longer"):
        ricker(SETTINGS, 0.004, 101)


def test_frequencies_of_a_ricker_wavelet():
    wavelet = ricker(SETTINGS, 0.002, 800)
    assert peak_frequency(wavelet) == pytest.approx(5.0, abs=0.1)
    # x^2 exp(1 - x^2) = 0.1 at x = 2.2167
    assert max_frequency(wavelet) == pytest.approx(2.2167 * 5.0, abs=0.1)


@pytest.mark.parametrize("dt", [0.004, 0.001, 0.003, 0.002 / 1.7])
def test_resampling_gives_the_analytic_wavelet_at_the_solvers_steps(dt):
    wavelet = ricker(SETTINGS, 0.002, 801)
    n = round(1.6 / dt)
    resampled = for_solver(wavelet, dt, n, resample=True)
    np.testing.assert_allclose(resampled, ricker(SETTINGS, dt, n).samples, atol=1e-6)


def test_decimation_keeps_the_samples_themselves():
    wavelet = ricker(SETTINGS, 0.002, 801)
    resampled = for_solver(wavelet, 0.004, 401, resample=True)
    np.testing.assert_array_equal(resampled, wavelet.samples[::2])


def test_another_interval_is_refused_unless_resampling_is_asked_for():
    with pytest.raises(SurveyError, match=r"0\.002 s.*0\.004 s.*survey\.wavelet\.resample"):
        for_solver(ricker(SETTINGS, 0.002, 801), 0.004, 401)


def test_steps_too_long_for_the_wavelets_frequencies_are_refused():
    with pytest.raises(SurveyError, match=r"up to.*Hz.*at most 6\.25 Hz.*steps_per_sample"):
        for_solver(ricker(SETTINGS, 0.002, 801), 0.08, 21, resample=True)


def test_a_short_wavelet_is_padded_with_zeros_and_a_long_tail_of_nothing_is_cut():
    wavelet = ricker(SETTINGS, 0.004, 200)
    padded = for_solver(wavelet, 0.004, 300)
    np.testing.assert_array_equal(padded[:200], wavelet.samples)
    assert padded.shape == (300,)
    assert not padded[200:].any()
    assert for_solver(wavelet, 0.004, 150).shape == (150,)


def test_a_wavelet_that_outlasts_the_simulation_is_refused():
    with pytest.raises(SurveyError, match=r"lasts 0\.\d+ s.*simulation of 0\.316 s"):
        for_solver(ricker(SETTINGS, 0.004, 200), 0.004, 80)


def test_a_file_of_times_and_values_is_read(tmp_path):
    wavelet = ricker(SETTINGS, 0.002, 300)
    rows = "\n".join(f"{i * 0.002:.6f} {v:.12e}" for i, v in enumerate(wavelet.samples))
    read = read_wavelet(write(tmp_path / "w.txt", "# time_s s\n" + rows))
    assert read.dt == 0.002
    np.testing.assert_allclose(read.samples, wavelet.samples, atol=1e-12)


def test_a_file_of_one_column_needs_its_interval_in_the_header(tmp_path):
    read = read_wavelet(write(tmp_path / "w.txt", "# dt: 0.004 s\n0\n1\n-1\n"))
    assert read.dt == 0.004
    assert read.samples.tolist() == [0, 1, -1]
    with pytest.raises(SurveyError, match=r"no interval; add the line '# dt: 0\.002'"):
        read_wavelet(write(tmp_path / "v.txt", "0\n1\n-1\n"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0 1\n0.002 2\n0.005 3\n", "evenly sampled"),
        ("0.1 1\n0.2 2\n", "start at t = 0 s, got 0.1 s"),
        ("0 1\n0.002 nan\n", "not finite"),
        ("0 0\n0.002 0\n", "only zeros"),
        ("0 1 2\n0.002 1 2\n", "1 or 2 columns"),
        ("0 x\n", "Cannot read 'survey.wavelet.file'"),
    ],
)
def test_each_fault_of_a_file_has_its_message(tmp_path, text, message):
    with pytest.raises(SurveyError, match=message):
        read_wavelet(write(tmp_path / "w.txt", text))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(SurveyError, match=r"absent\.txt"):
        read_wavelet(tmp_path / "absent.txt")


def test_a_configured_file_is_resampled_only_when_asked(tmp_path):
    rows = "\n".join(
        f"{i * 0.002:.6f} {v:.12e}" for i, v in enumerate(ricker(SETTINGS, 0.002, 801).samples)
    )
    file = str(write(tmp_path / "w.txt", rows))
    assert wavelet_of(WaveletSettings(file=file), 0.004, 401).dt == 0.002
    resampled = wavelet_of(WaveletSettings(file=file, resample=True), 0.004, 401)
    assert isinstance(resampled, Wavelet)
    assert (resampled.dt, resampled.samples.shape) == (0.004, (401,))
    assert wavelet_of(WaveletSettings(ricker=SETTINGS), 0.004, 401).dt == 0.004


@pytest.mark.parametrize("resample", [True, False])
@pytest.mark.parametrize(
    ("factor", "unit"), [(1e3, "milliseconds"), (1e6, "microseconds"), (1e9, "nanoseconds")]
)
def test_times_in_another_unit_are_told_at_once(tmp_path, factor, unit, resample):
    samples = ricker(SETTINGS, 0.002, 400).samples
    rows = "\n".join(f"{i * 0.002 * factor:.6f} {v:.12e}" for i, v in enumerate(samples))
    settings = WaveletSettings(file=str(write(tmp_path / "w.txt", rows)), resample=resample)
    with pytest.raises(SurveyError, match=rf"times look like {unit}: the first.*in seconds"):
        for_solver(wavelet_of(settings, 0.004, 251), 0.004, 251)


def test_a_header_interval_in_another_unit_is_told_too(tmp_path):
    samples = ricker(SETTINGS, 0.002, 400).samples
    path = write(tmp_path / "w.txt", "# dt: 2\n" + "\n".join(f"{v:.12e}" for v in samples))
    with pytest.raises(SurveyError, match=r"look like milliseconds.*its line '# dt:'"):
        wavelet_of(WaveletSettings(file=str(path), resample=True), 0.004, 251)


def test_a_wavelet_that_is_only_somewhat_too_long_is_not_said_to_be_in_another_unit():
    wavelet = ricker(SETTINGS, 0.002, 800)
    for resample, dt in ((True, 0.004), (False, 0.002)):
        with pytest.raises(SurveyError, match=r"use a longer record or a shorter wavelet\.$"):
            for_solver(wavelet, dt, 100, resample)


def test_a_long_tail_of_nothing_is_not_resampled():
    wavelet = ricker(SETTINGS, 0.002, 800)
    long = Wavelet(np.pad(wavelet.samples, (0, 200_000)), 0.002)
    resampled = for_solver(long, 0.003, 400, resample=True)
    np.testing.assert_allclose(resampled, for_solver(wavelet, 0.003, 400, resample=True))
    assert resampled.shape == (400,)
