"""Noise factors: the closed-form posterior, its ELBO, and their running sums."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import invgamma

from pvi_hpc.inference.noise import NoiseFactors, NoisePrior


def a_case():
    prior = NoisePrior(shape=1.5, scale=2.5)
    n_data, squares = np.array([30.0, 8.0]), np.array([120.0, 3.0])
    return prior, n_data, squares


def test_the_posterior_of_a_factor_is_that_of_its_data():
    """Against the product of likelihood and prior on a grid of squared factors."""
    prior, n_data, squares = a_case()
    found = prior.posterior(n_data, squares)
    s2 = np.linspace(0.02, 60, 400_000)
    for g in range(2):
        log_p = -0.5 * (n_data[g] * np.log(s2) + squares[g] / s2)
        log_p = log_p + invgamma.logpdf(s2, prior.shape, scale=prior.scale)
        p = np.exp(log_p - log_p.max())
        precision = np.sum(p / s2) / np.sum(p)
        assert found.precisions[g] == pytest.approx(precision, rel=1e-4)
        low, high = (bound[g] ** 2 for bound in found.interval(0.9))
        inside = p[(s2 > low) & (s2 < high)].sum() / p.sum()
        assert inside == pytest.approx(0.9, abs=1e-3)


def test_the_divergence_is_an_integral():
    prior = NoisePrior(1.5, 2.5)
    factors = NoiseFactors(np.array([4.0]), np.array([3.0]))
    q, p = invgamma(4.0, scale=3.0), invgamma(1.5, scale=2.5)
    expected, _ = quad(lambda x: q.pdf(x) * (q.logpdf(x) - p.logpdf(x)), 1e-3, 400, limit=300)
    assert factors.divergence(prior)[0] == pytest.approx(expected, abs=1e-5)
    assert NoisePrior(1.5, 2.5).factors(2).divergence(prior) == pytest.approx(np.zeros(2))


def test_the_posterior_has_the_largest_elbo():
    prior, n_data, squares = a_case()

    def elbo(factors):
        return factors.elbo(n_data, prior) - 0.5 * float(factors.precisions @ squares)

    best = prior.posterior(n_data, squares)
    for of_shape, of_scale in ((1.02, 1), (0.98, 1), (1, 1.02), (1, 0.98)):
        other = NoiseFactors(best.shape * of_shape, best.scale * of_scale)
        assert elbo(other) < elbo(best)
    # It is then the evidence of the data.
    p = invgamma(prior.shape, scale=prior.scale).pdf
    evidence, _ = quad(
        lambda x: np.exp(40 - 0.5 * (30 * np.log(x) + 120 / x)) * p(x), 1e-2, 200, limit=400
    )
    one = prior.posterior(n_data[:1], squares[:1])
    found = one.elbo(n_data[:1], prior) - 0.5 * float(one.precisions @ squares[:1])
    assert found == pytest.approx(np.log(evidence) - 40, abs=1e-6)
