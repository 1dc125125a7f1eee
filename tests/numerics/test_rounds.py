"""Rounds that narrow the prior, against the exact posterior of a normal problem."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats

from pvi_hpc.diagnostics.learnt import HeldOut, verdict_on, well_inside
from pvi_hpc.errors import ConfigError
from pvi_hpc.inference.amortised.posterior import Amortised
from pvi_hpc.inference.amortised.rounds.account import warnings_of
from pvi_hpc.inference.amortised.rounds.simulated import infer_in_rounds
from pvi_hpc.inference.amortised.rounds.support import Support
from pvi_hpc.inference.amortised.settings import (
    NetworkSettings,
    RoundSettings,
    TrainingSettings,
)

MATRIX = np.array([[1.0, 0.6], [0.2, 1.0], [0.5, -0.5]])
NOISE = np.array([0.05, 0.08, 0.1])
DATA = np.array([0.9, -0.4, 0.7])
NETWORK = NetworkSettings(kind="mixture", options={"components": 1, "hidden": (16,)})
TRAINING = TrainingSettings(max_epochs=24, learning_rate=0.01, patience=4, batch=64)


def simulate(theta):
    """Return data without noise."""
    return np.asarray(theta) @ MATRIX.T


def exact():
    """Return mean and covariance of the posterior."""
    weighted = MATRIX / NOISE[:, None] ** 2
    covariance = np.linalg.inv(np.eye(2) + MATRIX.T @ weighted)
    return covariance @ weighted.T @ DATA, covariance


@pytest.fixture(scope="module")
def rounds():
    settings = RoundSettings(at_most=3, draws=1200, cut=1e-3, agreement=1e-5)
    return infer_in_rounds(
        simulate,
        2,
        DATA,
        1200,
        network=NETWORK,
        training=TRAINING,
        rounds=settings,
        noise_sd=NOISE,
        held_out=300,
    )


def moments(found):
    drawn = found.network.posterior(DATA).sample(8000)[0]
    return drawn.mean(axis=0), np.cov(drawn.T)


def test_rounds_narrow_the_prior_and_keep_the_posterior(rounds):
    shares = [found.account.prior_share for found in rounds]
    assert shares[0] == 1 and shares[1] < 0.2 and (np.diff(shares) <= 0).all()
    mean, covariance = exact()
    sd = np.sqrt(np.diag(covariance))
    its_mean, its_covariance = moments(rounds[-1])
    assert (np.abs(its_mean - mean) < 0.25 * sd).all()
    assert np.abs(np.sqrt(np.diag(its_covariance)) / sd - 1).max() < 0.15
    correlation = its_covariance[0, 1] / np.sqrt(its_covariance[0, 0] * its_covariance[1, 1])
    assert abs(correlation - covariance[0, 1] / sd[0] / sd[1]) < 0.1
    # The truth is not cut off: all but few draws of the exact posterior lie in the region.
    draws = np.random.default_rng(1).multivariate_normal(mean, covariance, 20_000)
    assert rounds[-1].network.region.holds(draws).mean() > 0.98
    # The density is normalised inside the region.
    log_exact = stats.multivariate_normal(mean, covariance).logpdf(draws[:2000])
    log_learnt = rounds[-1].network.posterior(DATA).log_prob(draws[:2000])[0]
    away = log_exact - log_learnt
    assert abs(away[np.isfinite(away)].mean()) < 0.1


def test_later_rounds_are_nearer_than_the_first(rounds):
    mean, covariance = exact()

    def divergence(found):
        its_mean, its = moments(found)
        move = mean - its_mean
        inverse = np.linalg.inv(its)
        log_det = np.linalg.slogdet(its)[1] - np.linalg.slogdet(covariance)[1]
        return 0.5 * (np.trace(inverse @ covariance) + move @ inverse @ move - 2 + log_det)

    assert divergence(rounds[-1]) < 0.5 * divergence(rounds[0])


def test_held_out_pairs_of_the_narrowed_prior_judge_the_network(rounds):
    last = rounds[-1]
    held = HeldOut(last.held.theta.astype(float), last.held.noisy(1, 3))
    assert len(held.theta) == 300
    assert last.network.region.holds(held.theta).all()
    near = well_inside(last.network, held)
    assert len(near.theta) == 100
    shares = [
        last.network.share_inside(last.network.summary.features(pairs.data))
        for pairs in (near, held)
    ]
    assert shares[0].min() > shares[1].mean()
    verdict = verdict_on(last.network, near, 200)
    assert verdict.passed, verdict.sentence
    wide = replace(last.network, sd=2 * last.network.sd)
    assert not verdict_on(wide, near, 200).passed


def test_both_ways_of_drawing_give_the_prior_inside(rounds):
    support = rounds[-1].network.region
    by_prior = np.concatenate([support._of_prior(1, 1, i) for i in range(40)])
    by_network = np.concatenate([support._of_network(1, 1, i) for i in range(40)])
    assert min(len(by_prior), len(by_network)) > 100
    assert support.holds(by_network).all()
    for i in range(2):
        assert stats.ks_2samp(by_prior[:, i], by_network[:, i]).pvalue > 0.001
    turned = np.array([0.8, -0.6])
    assert stats.ks_2samp(by_prior @ turned, by_network @ turned).pvalue > 0.001
    drawn = support.draw(500, 1, 1)
    assert drawn.shape == (500, 2) and support.holds(drawn).all()
    assert np.array_equal(support.draw(300, 1, 1), drawn[:300])
    assert not np.array_equal(support.draw(300, 1, 2), drawn[:300])


def test_a_written_support_is_the_same(rounds):
    from pvi_hpc.inference.amortised.networks.network import load_network

    network = rounds[-1].network
    tree = network.to_tree()

    def make(n, d):
        return load_network(NETWORK, n, d, 0)

    support = Support.from_tree(tree["region"], 2, make)
    again = Amortised.from_tree(tree, make, None, support)
    theta = torch.randn(4000, 2).double().numpy()
    assert np.array_equal(support.holds(theta), network.region.holds(theta))
    one, other = network.posterior(DATA), again.posterior(DATA)
    assert np.array_equal(one.sample(50), other.sample(50))


def test_rounds_that_agree_end_and_those_that_do_not_are_told():
    told = []
    common = {"network": NETWORK, "training": TRAINING, "noise_sd": NOISE, "told": told.append}
    few = RoundSettings(at_most=4, agreement=10.0)
    found = infer_in_rounds(simulate, 2, DATA, 400, rounds=few, **common)
    assert len(found) == 2 and found[-1].account.agreed and not warnings_of(found[-1].account)
    assert told == found and "agreed" in found[-1].account.sentence
    one = RoundSettings(at_most=1)
    found = infer_in_rounds(simulate, 2, DATA, 400, rounds=one, **common)
    assert "did not agree" in warnings_of(found[-1].account)[0]
    assert found[0].account.facts["divergence"] is None


def test_data_that_the_rounds_are_not_made_for_have_no_posterior_inside(rounds):
    far = rounds[-1].network.posterior(DATA + np.array([3.0, -3.0, 0.0]))
    assert far.outside.all()
    assert np.isinf(far.log_prob(exact()[0][None] + 3)).all()


def test_what_cannot_be_is_refused():
    with pytest.raises(ConfigError, match="one row"):
        infer_in_rounds(simulate, 2, [DATA, DATA], 400)
    with pytest.raises(ConfigError, match=r"'simulate' must give data of shape \(400, 3\)"):
        infer_in_rounds(lambda theta: theta, 2, DATA, 400)
    with pytest.raises(ConfigError, match="at least 50 pairs"):
        infer_in_rounds(simulate, 2, DATA, 400, held_out=390)
    for wrong in ({"cut": 0.2}, {"at_most": 0}, {"agreement": 0.0}, {"narrow": 1}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            RoundSettings(**wrong)
