"""Predicted data against observed ones: what counts, by shot and by bin of offset."""

import numpy as np
import pytest
from scipy.stats import chi2

from pvi_hpc.answers.offset_bins import offset_bins
from pvi_hpc.answers.predictive_check import Likelihood, Models, log_likelihoods, predict
from pvi_hpc.data.survey import Shot, Survey, Wavelet
from pvi_hpc.forward.likelihood import LikelihoodSettings
from pvi_hpc.forward.weighting import Weighting
from pvi_hpc.store.predictive_file import read_predictive, write_predictive

N, DT = 40, 0.01
OFFSETS = np.array([20.0, 90.0, 300.0, 700.0, 800.0])


class Noise:
    """Simulates data that differ from the observed ones by noise, and far more near by."""

    def __init__(self, survey):
        self.survey = survey

    def simulate(self, models, shots):
        return [[self._traces(i, int(model[0, 0, 0])) for i in each]
                for model, each in zip(models, shots, strict=True)]  # fmt: skip

    def _traces(self, index, seed):
        shot, rng = self.survey.shots[index], np.random.default_rng([seed, index])
        sd = np.where(OFFSETS < 50, 9.0, 1.0) * np.where(
            np.isinf(shot.noise_sd), 1, shot.noise_sd
        )
        return (shot.data + sd[:, None] * rng.standard_normal(shot.data.shape)).astype(
            np.float32
        )


@pytest.fixture
def survey():
    shots = []
    for i in range(4):
        receivers = np.column_stack([np.zeros(5), np.full(5, 100.0 * i), OFFSETS])
        sd = np.array([1.0, 2.0, 0.5, np.inf if i == 1 else 3.0, 1.0])
        data = np.random.default_rng(i).standard_normal((5, N)).astype(np.float32)
        shots.append(Shot(i + 1, np.array([0, 100.0 * i, 0]), receivers, data, sd))
    return Survey(tuple(shots), Wavelet(np.ones(1), DT), DT, N)


def a_prediction(survey, weighting=None, precisions=()):
    models = np.arange(8, dtype=np.float32)[:, None, None, None] * np.ones(
        (2, 2, 2), np.float32
    )
    parts = Models(models[0], models[1], models[2:])
    likelihood = Likelihood.of(survey, weighting, precisions)
    return predict(survey, Noise(survey), parts, None, lambda name, step: step(), likelihood)


def muted(**mute):
    return Weighting(LikelihoodSettings.model_validate({"mute": mute}), DT, N)


def test_bins_of_offset_double_and_tell_the_nearest_traces_apart(survey):
    assert offset_bins(survey, None).offset_edges_m == (50.0, 100.0, 200.0, 400.0)
    assert offset_bins(survey, muted(max_offset_m=750)).offset_edges_m[-1] == 350.0
    groups = a_prediction(survey).groups
    assert groups.names == (
        "offset up to 50 m", "offset 50 to 100 m", "offset 200 to 400 m", "offset above 400 m",
    )  # fmt: skip
    np.testing.assert_array_equal(groups.n_data, [4 * N, 4 * N, 4 * N, 7 * N])
    assert groups.mean[0] > 40
    # Six standard errors of a mean of squares, at least 160 of them.
    assert np.abs(groups.mean[1:] - 1).max() < 6 * np.sqrt(2 / 160)
    assert groups.p_values[0] == 0
    assert all(p > 1e-4 for p in groups.p_values[1:])


def test_what_is_muted_counts_nowhere(survey):
    found = a_prediction(survey, muted(min_offset_m=50))
    assert found.groups.names[0] == "offset 50 to 100 m"
    np.testing.assert_array_equal(found.misfits.n_data, [4 * N, 3 * N, 4 * N, 4 * N])
    assert abs(found.misfits.total("mean") - 1) < 6 * np.sqrt(2 / (15 * N))
    shot = found.shots[0]
    assert shot.weights[:, 0].tolist() == [0, 1, 1, 1, 1]


def test_the_groups_add_up_to_all_data(survey):
    for weighting in (None, muted(min_offset_m=10, taper_m=100, after={"time_s": 0.3})):
        found = a_prediction(survey, weighting)
        total = found.groups.draws @ found.groups.n_data / found.groups.n_data.sum()
        np.testing.assert_allclose(total, found.misfits.total("draws"), rtol=1e-6)
        assert found.groups.n_data.sum() == pytest.approx(found.misfits.n_data.sum())


def test_the_log_likelihood_is_that_of_what_counts(survey):
    weighting = muted(min_offset_m=10, taper_m=100)
    found = a_prediction(survey, weighting)
    models = 2 * np.ones((1, 2, 2, 2), np.float32)  # the first draw
    value = log_likelihoods(
        survey, Noise(survey), models, "name", lambda n, step: step(), Likelihood(weighting)
    )
    assert value[0] == pytest.approx(-0.5 * found.misfits.draws[0] @ found.misfits.n_data)


def test_a_p_value_with_tapers_has_the_right_spread(survey):
    rng = np.random.default_rng(5)
    weights = muted(min_offset_m=10, taper_m=1000).weights(survey.shots[0])
    w = np.repeat(weights.values, N, axis=1).reshape(-1)
    chi = rng.standard_normal((20_000, w.size)) ** 2 @ w / weights.n_data
    scale = weights.n_squared / weights.n_data
    p = chi2.sf(chi * weights.n_data / scale, weights.n_data / scale)
    # 20,000 uniform numbers: five standard errors of a share.
    for share in (0.05, 0.5, 0.95):
        assert abs((p < share).mean() - share) < 5 * np.sqrt(share * (1 - share) / 20_000)


def test_an_inferred_noise_takes_the_place_of_the_given_one(survey):
    noise = LikelihoodSettings.model_validate({"noise": {"offset_edges_m": [50.0]}})
    weighting = Weighting(noise, DT, N)
    told = Likelihood.of(survey, weighting, (1 / 81, 1.0))
    assert told.groups.names == ("offset up to 50 m", "offset above 50 m")
    found = a_prediction(survey, weighting, (1 / 81, 1.0))
    np.testing.assert_allclose(found.groups.noise_factor, [9, 1])
    # The near traces are noisier by 9. Six standard errors of a mean of 160 squares.
    assert np.abs(found.groups.mean - 1).max() < 6 * np.sqrt(2 / 160)
    assert found.misfits.p_value > 1e-4
    one = LikelihoodSettings.model_validate({"noise": {}})
    found = a_prediction(survey, Weighting(one, DT, N), (0.25,))
    assert len(found.groups.names) == 4
    np.testing.assert_allclose(found.groups.noise_factor, 2)
    np.testing.assert_allclose(
        found.misfits.total("mean"),
        0.25 * a_prediction(survey).misfits.total("mean"),
        rtol=1e-6,
    )


def test_groups_and_weights_come_back_from_the_file(survey, tmp_path):
    found = a_prediction(survey, muted(min_offset_m=10, taper_m=100))
    write_predictive(tmp_path / "p.h5", found)
    back = read_predictive(tmp_path / "p.h5")
    assert back.groups.names == found.groups.names
    np.testing.assert_array_equal(back.groups.draws, found.groups.draws)
    np.testing.assert_array_equal(back.misfits.n_squared, found.misfits.n_squared)
    np.testing.assert_array_equal(back.shots[1].weights, found.shots[1].weights)
    assert back.misfits.p_value == found.misfits.p_value
