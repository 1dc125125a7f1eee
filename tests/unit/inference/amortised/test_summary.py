"""Summaries of data: standardised, in components, and how far out they are."""

import numpy as np
import pytest

from pvi_hpc.errors import ConfigError
from pvi_hpc.inference.amortised.summary import Summary


@pytest.fixture
def data():
    rng = np.random.default_rng(1)
    mix = rng.standard_normal((6, 9))
    return 5 + rng.standard_normal((4000, 6)) @ mix + 0.1 * rng.standard_normal((4000, 9))


def test_features_have_mean_0_and_variance_1_and_missing_data_are_left_out(data):
    noise = np.full(9, 0.1)
    noise[4] = np.inf
    plain, some = (Summary.fit(data, noise, k) for k in (None, 3))
    assert plain.n_features == 8 and some.n_features == 3
    for summary in (plain, some):
        features = summary.features(data).numpy()
        assert np.abs(features.mean(axis=0)).max() < 1e-5
        assert np.allclose(features.std(axis=0), 1, atol=1e-5)
    changed = data.copy()
    changed[:, 4] = 1e9
    assert np.array_equal(plain.features(changed), plain.features(data))


def test_the_distance_is_that_of_mahalanobis(data):
    summary = Summary.fit(data, np.full(9, 0.1), None)
    centred = data - data.mean(axis=0)
    covariance = centred.T @ centred / len(data)
    known = np.einsum("ni,ij,nj->n", centred, np.linalg.inv(covariance), centred)
    assert np.allclose(summary.squared_distance(data), known, rtol=1e-8)


def test_data_outside_the_components_are_far_out(data):
    summary = Summary.fit(data, np.full(9, 0.1), 6)
    kept = summary.directions
    across = np.linalg.svd(kept.T)[2][-1]  # at right angles to all components
    odd = data[:1] + 3 * across * summary.sd
    assert np.allclose(summary.features(odd), summary.features(data[:1]), atol=1e-4)
    assert summary.squared_distance(odd)[0] > 20 * summary.squared_distance(data[:1])[0]


def test_the_p_value_is_the_share_of_held_out_pairs_as_far_out(data):
    summary = Summary.fit(data[:3000], np.full(9, 0.1), None)
    distances = np.sort(summary.squared_distance(data[3000:]))
    summary = Summary(**{**vars(summary), "distances": distances})
    p_values = summary.p_value(data[3000:])
    assert np.allclose(np.sort(p_values), np.arange(2, 1002) / 1001)
    assert summary.p_value(data[:1] + 100)[0] == 1 / 1001


def test_impossible_components_and_data_are_refused(data):
    with pytest.raises(
        ConfigError, match=r"'amortised.components' must be at most .* 9, got 10"
    ):
        Summary.fit(data, np.full(9, 0.1), 10)
    with pytest.raises(ConfigError, match="1 to 4096 numbers"):
        Summary.fit(data, np.full(9, np.inf), None)


def test_a_summary_survives_a_file(data):
    summary = Summary.fit(data, np.full(9, 0.1), 4)
    again = Summary.from_tree(summary.to_tree())
    assert np.array_equal(again.features(data), summary.features(data))
    assert np.array_equal(again.squared_distance(data), summary.squared_distance(data))
