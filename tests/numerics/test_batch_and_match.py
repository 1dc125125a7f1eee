"""Batch and match: the update solves its equation, and a Gaussian is found exactly."""

import numpy as np
import pytest
import torch
from vi_targets import precision_of

import pvi_hpc
from pvi_hpc.errors import ConfigError
from pvi_hpc.inference.methods.batch_and_match import matched

N = 5
PRECISION = torch.from_numpy(precision_of(np.random.default_rng(4), N))
MEAN = torch.from_numpy(np.random.default_rng(5).standard_normal(N))


def gaussian(theta):
    x = theta - MEAN
    return -0.5 * ((x @ PRECISION) * x).sum(dim=1)


@pytest.mark.parametrize("weight", [0.01, 3.0, 1e6])
def test_the_next_covariance_solves_the_quadratic_equation(weight):
    # S U S + S = V (Cai et al. 2024, equations 13 to 17), written out in NumPy.
    rng = np.random.default_rng(2)
    eps, scores = rng.standard_normal((2, 7, N))
    shift, factor = matched(torch.from_numpy(eps), torch.from_numpy(scores), weight)
    share = weight / (1 + weight)
    u = weight * np.cov(scores.T, bias=True)
    u += share * np.outer(scores.mean(axis=0), scores.mean(axis=0))
    v = np.eye(N) + weight * np.cov(eps.T, bias=True)
    v += share * np.outer(eps.mean(axis=0), eps.mean(axis=0))
    s = (factor @ factor.T).numpy()
    np.testing.assert_allclose(s @ u @ s + s, v, rtol=1e-6, atol=1e-6 * abs(v).max())
    expected = share * (s @ scores.mean(axis=0) + eps.mean(axis=0))
    np.testing.assert_allclose(shift.numpy(), expected, rtol=1e-6, atol=1e-9)


def test_without_weight_nothing_moves():
    eps, scores = torch.randn(2, 6, N, dtype=torch.float64, generator=torch.manual_seed(1))
    shift, factor = matched(eps, scores, 1e-12)
    torch.testing.assert_close(factor @ factor.T, torch.eye(N).double(), rtol=0, atol=1e-9)
    assert float(shift.abs().max()) < 1e-9


@pytest.mark.parametrize("schedule", ["falling", "constant"])
def test_a_gaussian_is_found_from_a_start_that_knows_nothing(schedule):
    method = {"kind": "batch_and_match", "options": {"schedule": schedule}}
    fit = pvi_hpc.fit(gaussian, N, method=method, start={"sd": 1.0}, samples=16, iterations=60)
    np.testing.assert_allclose(fit.mean, MEAN, atol=1e-6)
    exact = np.linalg.inv(PRECISION.numpy())
    np.testing.assert_allclose(fit.sd, np.sqrt(np.diag(exact)), rtol=1e-6)
    assert fit.elbo(10).standard_error < 1e-5  # log p - log q is constant
    assert fit.converged and fit.history.arrays["gradient_norm"][-1] < 1e-5


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"family": "mean_field"}, "'inference.family.kind' must be 'full_rank'"),
        ({"optimiser": {"step": 0.1}}, "'inference.optimiser' must be left out"),
        ({"stop": {}}, "'inference.stop' must be null"),
        ({"precision": "single"}, "'inference.precision' must be 'double'"),
        ({"shots_per_sample": 2}, "'inference.shots_per_sample' must be null"),
    ],
)
def test_settings_that_do_not_suit_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        pvi_hpc.fit(gaussian, N, method="batch_and_match", **settings)
