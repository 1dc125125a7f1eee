"""Evidence of weights that are known, the ranking, and the gate's arithmetic."""

import numpy as np
import pytest
import torch
from scipy.stats import norm

from pvi_hpc.answers.replacement.evidence import Evidence, rank_right, ranking
from pvi_hpc.answers.replacement.gate import DRAWS, Moments, open_gate


def test_log_normal_weights_have_a_known_mean():
    rng = np.random.default_rng(1)
    found = [Evidence.of(5 + 0.6 * rng.standard_normal(2000)) for _ in range(40)]
    off = np.array([(e.log_ratio - 5.18) / e.standard_error for e in found])
    assert np.std(off) == pytest.approx(1, abs=0.25) and abs(off.mean()) < 0.5
    assert {e.kind for e in found} == {"weights"}
    assert found[0].lower_bound == pytest.approx(5, abs=0.05)
    assert found[0].standard_error == pytest.approx(np.sqrt(np.expm1(0.36) / 2000), rel=0.2)


def test_weights_without_a_variance_give_the_bound():
    terms = -3 + 6 * np.random.default_rng(2).standard_normal(1000)
    found = Evidence.of(terms)
    assert found.kind == "bound" and found.k_hat > 0.7
    assert found.log_ratio == found.lower_bound == pytest.approx(terms.mean())


def test_a_path_without_a_variance_leaves_the_higher_bound():
    rng = np.random.default_rng(4)
    bound = Evidence.of(-3 + 6 * rng.standard_normal(1000))
    higher = bound.along_path(-1 + 6 * rng.standard_normal(1000))
    assert higher.kind == "bound" and higher.log_ratio > bound.log_ratio
    assert bound.along_path(-9 + 6 * rng.standard_normal(1000)) is bound


def test_what_is_exact_stays_exact():
    found = Evidence.of(np.full(500, 2.0) + 1e-9 * np.arange(500), exact=2.0)
    assert (found.log_ratio, found.standard_error, found.kind) == (2.0, 0.0, "exact")
    assert found.k_hat == 0


def test_the_probability_that_a_ranking_is_right_is_that_of_two_normals():
    chance = rank_right([(1.0, 0.6), (0.0, 0.8)])
    assert chance == pytest.approx(norm.cdf(1.0), abs=0.02)
    found = ranking({"a": (0.0, 0.8), "b": (1.0, 0.6), "c": (-40.0, 0.1)})
    assert found["order"] == ["b", "a", "c"]
    assert found["probability"]["b"] == pytest.approx(np.e / (1 + np.e))
    assert found["first_is_first"] == pytest.approx(norm.cdf(1.0), abs=0.02)


def moments(mean, sd, n_cells=200, outside=0.0, seed=3):
    found = Moments(n_cells)
    rng = np.random.default_rng(seed)
    draws = torch.from_numpy(rng.normal(mean, sd, (800, n_cells)))
    found.add(draws, torch.from_numpy(rng.random((800, n_cells)) < outside))
    return found


def test_moments_are_those_of_the_draws():
    found = moments(2000.0, 50.0, outside=0.25)
    assert found.mean.mean() == pytest.approx(2000, abs=1)
    assert found.sd.mean() == pytest.approx(50, rel=0.01)
    assert found.share_outside.mean() == pytest.approx(0.25, abs=0.01)


@pytest.mark.parametrize(
    ("mean", "sd", "outside", "passed"),
    [
        (2000, 50, 0.0, True),
        (2040, 50, 0.0, True),
        (2000, 1, 0.0, True),  # narrower: no mass is missing
        (2060, 5, 0.0, True),
        (2300, 5, 0.0, False),
        (2200, 50, 0.0, False),
        (2000, 120, 0.0, False),  # wider: k-hat is 1 - 1 / 2.4^2
        (2000, 50, 0.2, False),
    ],
)
def test_the_gate_opens_where_the_old_draws_are(mean, sd, outside, passed):
    gate = open_gate(moments(2000, 50), moments(mean, sd, outside=outside, seed=4))
    assert gate.passed is passed, gate
    assert gate.facts()["passed"] is passed and 0 < gate.effective <= DRAWS


def test_a_few_cells_may_fail():
    mean = np.full(200, 2000.0)
    mean[7] = 2900
    gate = open_gate(moments(2000, 50), moments(mean, 50, seed=5))
    assert gate.passed and gate.cell == 7 and gate.failed == 0.005
    assert gate.k_hat > 0.7 and gate.shift == pytest.approx(18, rel=0.1)
