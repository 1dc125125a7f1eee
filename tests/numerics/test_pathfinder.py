"""Pathfinder: its inverse Hessians, its Gaussians' densities, its weights, its modes."""

import warnings
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal
from vi_targets import precision_of

import pvi_hpc
from pvi_hpc.errors import ConfigError, NonFiniteError
from pvi_hpc.inference.paths.gaussians import PAIRS, Point, gaussians_along

N = 4
PRECISION = precision_of(np.random.default_rng(4), N) * np.geomspace(1, 20, N)[:, None] ** 0.5
PRECISION = PRECISION @ PRECISION.T
MEAN = np.random.default_rng(5).standard_normal(N)


def gaussian(theta):
    x = theta - torch.from_numpy(MEAN)
    return -0.5 * ((x @ torch.from_numpy(PRECISION)) * x).sum(dim=1)


def walk(n, steps, seed=1):
    """Return points of a walk on a Gaussian with the precision's curvature."""
    rng = np.random.default_rng(seed)
    precision = precision_of(rng, n)
    points, x = [], rng.standard_normal(n)
    for _ in range(steps + 1):
        points.append(Point(x, float(-0.5 * x @ precision @ x), -precision @ x))
        x = x + 0.5 * rng.standard_normal(n)
    return points


def bfgs(alpha, pairs):
    """Return the inverse Hessian after the pairs, by the recursion itself."""
    h = np.diag(alpha)
    for s, z in pairs:
        rho = 1 / (s @ z)
        left = np.eye(len(s)) - rho * np.outer(s, z)
        h = left @ h @ left.T + rho * np.outer(s, s)
    return h


@pytest.mark.parametrize("n", [3, 40])
def test_the_compact_form_is_the_recursion_of_bfgs(n):
    path = walk(n, steps=9)
    *_, (last, found) = gaussians_along(path)
    pairs = [(b.x - a.x, a.gradient - b.gradient) for a, b in pairwise(path)][-PAIRS:]
    expected = bfgs(found.alpha.numpy(), pairs)
    assert last == 9
    np.testing.assert_allclose(found.dense().numpy(), expected, rtol=1e-7, atol=1e-9)
    newton = path[-1].x + expected @ path[-1].gradient
    np.testing.assert_allclose(found.mean.numpy(), newton, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("n", [3, 40])
def test_the_density_is_that_of_the_draws(n):
    *_, (_, found) = gaussians_along(walk(n, steps=5))
    eps = torch.randn(6, n, dtype=torch.float64, generator=torch.manual_seed(2))
    theta = found.sample(eps)
    exact = multivariate_normal(found.mean.numpy(), found.dense().numpy())
    np.testing.assert_allclose(found.log_prob(theta), exact.logpdf(theta.numpy()), rtol=1e-8)


def fitted(log_prob, n, seed=1, samples=4, **options):
    method = {"kind": "pathfinder", "options": options}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", pvi_hpc.ConvergenceWarning)
        return pvi_hpc.fit(log_prob, n, method=method, seed=seed, samples=samples)


def test_weighted_draws_have_the_moments_of_a_gaussian():
    fit = fitted(gaussian, N, kept=4000)
    sd = np.sqrt(np.diag(np.linalg.inv(PRECISION)))
    assert np.abs((fit.mean - MEAN) / sd).max() < 0.1
    np.testing.assert_allclose(fit.sd, sd, rtol=0.1)
    draws = fit.sample(4000)
    assert np.abs((draws.mean(axis=0) - MEAN) / sd).max() < 0.1
    assert fit.verdict.k_hat < 0.7


def test_weights_bring_the_tails_that_a_gaussian_lacks():
    def student(x):  # 5 degrees of freedom, sd sqrt(5 / 3)
        return -3 * torch.log1p(x.square() / 5).sum(dim=1)

    plain, weighted = (fitted(student, 2, kept=kept) for kept in (0, 4000))
    assert plain.log_prob(np.zeros((1, 2))).shape == (1,)
    with pytest.raises(ConfigError, match="must have a density"):
        weighted.log_prob(np.zeros((1, 2)))
    right = np.sqrt(5 / 3)
    assert np.abs(weighted.sd / right - 1).max() < np.abs(plain.sd / right - 1).max()


def test_several_paths_find_several_modes():
    def two(x):
        parts = [-0.5 * ((x - centre) / 0.5).square().sum(dim=1) for centre in (-2.0, 2.0)]
        return torch.logaddexp(*parts)

    fit = fitted(two, 1, samples=8)
    draws = fit.sample(500)
    assert 0.3 < (draws > 0).mean() < 0.7
    assert np.abs(np.abs(draws) - 2).mean() < 1


def test_paths_that_begin_nowhere_are_left_out_and_none_is_an_error():
    def half(x):
        return (2 * torch.log(x) - x).sum(dim=1)

    with pytest.raises(NonFiniteError, match="where any path begins"):
        fitted(half, 3, samples=1)
    fit = fitted(half, 1, samples=8, seed=2)  # path 0 begins at zero: not finite
    assert abs(fit.mean[0] - 3) < 0.5


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"iterations": 3}, "'inference.iterations' must be at least 4"),
        ({"optimiser": {"step": 0.1}}, "'inference.optimiser' must be left out"),
        ({"stop": {}}, "'inference.stop' must be null"),
        ({"shots_per_sample": 2}, "'inference.shots_per_sample' must be null"),
    ],
)
def test_settings_that_do_not_suit_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        pvi_hpc.fit(gaussian, N, method="pathfinder", **settings)
