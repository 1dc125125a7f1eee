"""Filters that make correlated noise white: transposes, spectra, and the misfit with them."""

import numpy as np
import pytest
from pydantic import ValidationError

from pvi_hpc.data.survey import Shot
from pvi_hpc.forward.comparison import DataMisfit
from pvi_hpc.forward.likelihood import LikelihoodSettings
from pvi_hpc.forward.weighting import Weighting
from pvi_hpc.forward.whitening import Autoregressive, Band, whitener_of

N, DT = 200, 0.004
FILTERS = [Autoregressive(0.9), Band(5.0, 30.0, 0.01, DT), Band(0.0, 12.5, 0.2, DT)]


@pytest.mark.parametrize("n", [200, 201])
@pytest.mark.parametrize("whitener", FILTERS)
def test_the_transpose_is_exact(whitener, n):
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((2, 3, n))
    forward = np.vdot(whitener.white(x), y)
    assert np.vdot(x, whitener.transpose(y)) == pytest.approx(forward, rel=1e-12)


def test_noise_that_forgets_becomes_white_exactly():
    correlation = float(np.exp(-DT / 0.02))
    lags = np.abs(np.subtract.outer(np.arange(40), np.arange(40)))
    covariance = correlation**lags
    whitener = whitener_of(
        LikelihoodSettings.model_validate({"spectrum": {"correlation_s": 0.02}}).spectrum, DT
    )
    rows = whitener.white(np.eye(40)).T  # each column of A
    np.testing.assert_allclose(rows @ covariance @ rows.T, np.eye(40), atol=1e-12)


def test_noise_in_a_band_becomes_white_and_keeps_its_variance():
    rng, band = np.random.default_rng(2), Band(5.0, 30.0, 0.01, DT)
    power = band.power(N)
    noise = np.fft.irfft(np.fft.rfft(rng.standard_normal((500, N))) * np.sqrt(power), N)
    # The variance of 500 traces of some 40 independent numbers each: five standard errors.
    assert np.mean(noise**2) == pytest.approx(1, abs=5 * np.sqrt(2 / (500 * 40)))
    white = band.white(noise)
    spectrum = np.mean(np.abs(np.fft.rfft(white)) ** 2, axis=0) / N
    assert np.abs(spectrum - 1).max() < 6 / np.sqrt(500 / 2)
    inside = np.fft.rfftfreq(N, DT)
    assert power[inside == 12.5] / power[inside == 50] == pytest.approx(100)


def a_shot(rng, noise):
    receivers = np.column_stack([np.zeros((6, 2)), 100.0 * np.arange(6)])
    sd = np.array([1.0, 2.0, np.inf, 0.5, 1.5, 3.0])
    data = np.where(np.isinf(sd), 0, sd)[:, None] * noise
    return Shot(1, np.zeros(3), receivers, data.astype(np.float32), sd)


def weighting(**sections):
    return Weighting(LikelihoodSettings.model_validate(sections), DT, N)


def test_the_derivative_is_that_of_the_misfit_with_mute_groups_and_spectrum():
    rng = np.random.default_rng(3)
    shot = a_shot(rng, rng.standard_normal((6, N)))
    simulated, along = rng.standard_normal((2, 6, N))
    near = {"min_offset_m": 50, "taper_m": 120}
    late = {**near, "after": {"time_s": 0.5, "taper_s": 0.1}}
    noise = {"offset_edges_m": [250.0], "time_edges_s": [0.3]}
    for mute, spectrum in ((late, {"correlation_s": 0.03}), (near, {"band_hz": [4, 40]})):
        given = weighting(mute=mute, noise=noise, spectrum=spectrum)
        misfit = DataMisfit(given, (0.5, 2.0, 1.5, 0.7))
        found = misfit.compare(simulated, shot)
        ends = [misfit.compare(simulated + h * along, shot).misfit for h in (1e-4, -1e-4)]
        slope = float(np.vdot(found.derivative, along))
        assert slope == pytest.approx((ends[0] - ends[1]) / 2e-4, rel=1e-7)
        assert found.misfit == pytest.approx(0.5 * np.dot(misfit.precisions, found.sums))
        # What is muted does not enter, whatever it holds.
        spoilt = simulated.copy()
        spoilt[0] = 1e5
        spoilt[1:, -40:] = -1e5 if mute is late else spoilt[1:, -40:]
        assert misfit.compare(spoilt, shot).misfit == found.misfit


def test_correlated_noise_gives_a_chi_squared_of_one():
    rng, correlation = np.random.default_rng(4), float(np.exp(-DT / 0.05))
    noise = np.empty((6, N))
    noise[:, 0] = rng.standard_normal(6)
    for k in range(1, N):
        fresh = rng.standard_normal(6)
        noise[:, k] = correlation * noise[:, k - 1] + np.sqrt(1 - correlation**2) * fresh
    shot, zero = a_shot(rng, noise), np.zeros((6, N))
    found = DataMisfit(weighting(spectrum={"correlation_s": 0.05})).compare(zero, shot)
    n = 5 * N
    assert 2 * found.misfit / n == pytest.approx(1, abs=4 * np.sqrt(2 / n))


@pytest.mark.parametrize(
    ("spectrum", "message"),
    [
        ({}, "needs exactly one of 'correlation_s' and 'band_hz'"),
        ({"correlation_s": 0.1, "band_hz": [1, 2]}, "needs exactly one"),
        ({"band_hz": [20, 5]}, "'band_hz' must increase"),
        ({"band_hz": [5, 20], "floor": 0}, "greater than 0"),
    ],
)
def test_a_spectrum_that_makes_no_sense_is_refused(spectrum, message):
    with pytest.raises(ValidationError, match=message):
        LikelihoodSettings.model_validate({"spectrum": spectrum})


def test_a_band_and_lines_in_time_do_not_go_together():
    mute = {"after": {"time_s": 0.5, "taper_s": 0.1}}
    with pytest.raises(ValidationError, match="needs whole traces"):
        weighting(mute=mute, spectrum={"band_hz": [4, 40]})
    assert weighting(mute=mute, spectrum={"correlation_s": 0.1}).whitener is not None
