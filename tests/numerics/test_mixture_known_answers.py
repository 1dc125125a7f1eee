"""Boosted mixtures against exact posteriors: a Gaussian one, and one of two modes."""

import numpy as np
import pytest
import torch
from tomography import ROUGH_KM, tomography

import pvi_hpc
from pvi_hpc.families.mixture import LOG_WEIGHTS

WEIGHTS = np.array([0.6, 0.4])
#: Whitened distance between the modes.
APART = 8.0


class TwoModes:
    """The tomography posterior and a copy of it `APART` away, normalised."""

    def __init__(self, side, weights=WEIGHTS):
        self.problem = tomography(side, n_sensors=10, length_km=ROUGH_KM)
        root = np.linalg.cholesky(self.problem.covariance)
        direction = np.random.default_rng(1).standard_normal(self.problem.n)
        shift = root @ (APART * direction / np.linalg.norm(direction))
        self.means = np.stack([self.problem.mean, self.problem.mean + shift])
        self.weights = weights

    def log_prob(self, theta):
        shift = torch.from_numpy(self.means[1] - self.means[0])
        terms = [self.problem.log_prob(theta)]
        if self.weights[1] > 0:
            terms.append(self.problem.log_prob(theta - shift))
        log_weights = torch.from_numpy(np.log(self.weights[: len(terms)]))
        return torch.logsumexp(torch.stack(terms) + log_weights[:, None], dim=0)

    def fit(self, iterations, samples=8, **options):
        return pvi_hpc.fit(
            self.log_prob,
            self.problem.shape,
            family="full_rank",
            method={"kind": "boosting", "options": {"components": 2, **options}},
            iterations=iterations,
            samples=samples,
            estimator={"draws": "independent"},
            optimiser={"kind": "natural"},
            seed=1,
        )


def assert_exact(target, fit):
    """Within 0.05 nats; the mean within 1 % of an sd."""
    elbo = fit.elbo(500)  # minus the divergence: the density is normalised
    assert elbo.standard_error < 0.01
    assert -elbo.mean < 0.05
    mean = target.weights @ target.means
    within = np.diag(target.problem.covariance)
    between = target.weights @ (target.means - mean) ** 2
    np.testing.assert_array_less(abs(fit.mean.ravel() - mean), 0.01 * np.sqrt(within + between))
    np.testing.assert_allclose(fit.sd.ravel(), np.sqrt(within + between), rtol=0.02)


def test_a_mixture_of_a_gaussian_posterior_is_that_posterior():
    target = TwoModes(5, np.array([1.0, 0.0]))
    assert_exact(target, target.fit(400))


def test_candidates_find_the_other_mode_and_count():
    target = TwoModes(5)
    fit = target.fit(300, perturbation=4, candidates=32)
    assert_exact(target, fit)
    assert fit.history.arrays["done"].sum() == 300 * 8 + 32
    weights = fit.state.parameters[LOG_WEIGHTS].exp().numpy()
    np.testing.assert_allclose(np.sort(weights), [0.4, 0.6], atol=0.02)


@pytest.mark.slow
@pytest.mark.parametrize("weights", [(1.0, 0.0), (0.6, 0.4)])
def test_mixtures_are_exact_for_256_unknowns(weights):
    target = TwoModes(16, np.array(weights))
    assert_exact(target, target.fit(1000, 16, perturbation=4, candidates=32))
