"""Priors against SciPy and finite differences, far into the tails."""

import numpy as np
import pytest
import torch
from scipy.stats import norm, truncnorm, uniform

from pvi_hpc.grid import Grid
from pvi_hpc.priors import IndependentPrior, load_prior
from pvi_hpc.priors.normal import Normal, NormalSettings
from pvi_hpc.priors.uniform import Uniform

LOWER, UPPER = np.array([1500.0, 1800.0, 2000.0]), np.array([2500.0, 5000.0, 6000.0])
CENTRE, SCALE = np.array([1700.0, 3000.0, 1500.0]), np.array([150.0, 4000.0, 400.0])
TAILS = np.linspace(-8, 8, 65)[:, None] * np.ones(3)


def laws():
    a, b = (LOWER - CENTRE) / SCALE, (UPPER - CENTRE) / SCALE
    return [
        (Uniform(LOWER, UPPER), uniform(LOWER, UPPER - LOWER)),
        (Normal(LOWER, UPPER, CENTRE, SCALE), truncnorm(a, b, CENTRE, SCALE)),
    ]


@pytest.fixture(params=laws(), ids=["uniform", "normal"])
def law(request):
    return request.param


def test_quantiles_moments_and_density_are_those_of_scipy(law):
    prior, reference = law
    np.testing.assert_allclose(prior.mean, reference.mean(), rtol=1e-10)
    np.testing.assert_allclose(prior.sd, reference.std(), rtol=1e-9)
    for p in (0.001, 0.3, 0.5, 0.999):
        np.testing.assert_allclose(prior.quantile(p), reference.ppf(p), rtol=1e-10)
    m = prior.sample(np.random.default_rng(1), 20)
    expected = reference.logpdf(m).sum(axis=1)
    np.testing.assert_allclose(prior.log_prob(torch.from_numpy(m)), expected, rtol=1e-10)


def test_both_tails_keep_their_digits(law):
    prior, reference = law
    m = prior.from_normal(torch.from_numpy(TAILS)).numpy()
    below, above = TAILS < 0, TAILS > 0
    cdf, sf = reference.cdf(m), reference.sf(m)
    # A velocity has 53 bits, of which its distance to a bound keeps what is left; SciPy
    # rounds it again when it subtracts and scales.
    resolved = 8 * np.spacing(m) * np.exp(reference.logpdf(m))
    assert (abs(cdf - norm.cdf(TAILS)) <= 1e-9 * norm.cdf(TAILS) + resolved)[below].all()
    assert (abs(sf - norm.sf(TAILS)) <= 1e-9 * norm.sf(TAILS) + resolved)[above].all()


def test_velocities_stay_inside_the_bounds_and_increase_also_in_float32(law):
    prior, _ = law
    theta = np.linspace(-40, 40, 2001)[:, None] * np.ones(3)
    m = prior.from_normal(torch.from_numpy(theta)).numpy()
    assert (np.diff(m, axis=0) >= 0).all()
    rounded = m.astype(np.float32).astype(float)
    assert ((rounded >= LOWER) & (rounded <= UPPER)).all()


def test_bounds_move_inside_to_the_next_float32():
    prior = Uniform([1500.1], [2500.3])
    lower, upper = float(prior.lower[0]), float(prior.upper[0])
    assert (np.float32(lower), np.float32(upper)) == (lower, upper)
    assert 1500.1 <= lower < 1500.1 + 2e-4
    assert 2500.3 - 3e-4 < upper <= 2500.3


def test_to_normal_inverts_from_normal(law):
    prior, _ = law
    theta = TAILS[abs(TAILS[:, 0]) < 4.5]
    back = prior.to_normal(prior.from_normal(torch.from_numpy(theta))).numpy()
    np.testing.assert_allclose(back, theta, atol=2e-7)
    assert (prior.to_normal(torch.from_numpy(LOWER[None])) == -8).all()
    assert (prior.to_normal(torch.from_numpy(UPPER[None])) == 8).all()


def test_the_gradient_is_right_and_finite_in_the_tails(law):
    prior, _ = law
    theta = torch.from_numpy(TAILS[abs(TAILS[:, 0]) <= 3][::4]).requires_grad_()
    assert torch.autograd.gradcheck(prior.from_normal, theta, eps=1e-5, rtol=1e-6, atol=1e-4)
    far = torch.from_numpy(TAILS).requires_grad_()
    prior.from_normal(far).sum().backward()
    assert far.grad.isfinite().all()
    assert (far.grad > 0).all()


def test_log_abs_det_is_the_log_of_the_slope(law):
    prior, _ = law
    theta, h = TAILS[abs(TAILS[:, 0]) <= 3], 1e-4
    up, down = (prior.value(theta + sign * h) for sign in (1, -1))
    measured = np.log((up - down) / (2 * h)).sum(axis=1)
    det = prior.log_abs_det(torch.from_numpy(theta))
    np.testing.assert_allclose(det, measured, rtol=1e-6, atol=1e-6)


def test_theta_is_standard_normal_under_the_prior(law):
    prior, _ = law
    theta = torch.from_numpy(TAILS)
    log_density = prior.log_prob(prior.from_normal(theta)) + prior.log_abs_det(theta)
    np.testing.assert_allclose(log_density, norm.logpdf(TAILS).sum(axis=1), rtol=1e-8)


def test_nothing_lies_outside_the_bounds(law):
    prior, _ = law
    outside = torch.from_numpy(np.stack([LOWER - 1, UPPER + 1]))
    assert (prior.log_prob(outside) == -torch.inf).all()


def test_moments_survive_bounds_much_closer_than_the_sd():
    prior = Normal([1500.0], [1501.0], [2000.0], [1e6])
    assert prior.mean[0] == pytest.approx(1500.5, rel=1e-9)
    assert prior.sd[0] == pytest.approx(12**-0.5, rel=1e-6)


def test_tables_are_linear_between_nodes_and_constant_beyond():
    settings = NormalSettings(
        kind="normal",
        depth_m=(100, 300),
        lower_m_s=(1500, 1700),
        upper_m_s=(2000, 3000),
        mean_m_s=(1700, 2500),
        sd_m_s=(100, 300),
    )
    cells = settings.cells(Grid((4, 1, 1), (100.0, 50.0, 50.0)))
    prior = load_prior(settings, cells)
    assert isinstance(prior, IndependentPrior)
    np.testing.assert_allclose(prior.lower, [1500, 1500, 1600, 1700])
    np.testing.assert_allclose(prior.upper, [2000, 2000, 2500, 3000])
