"""Bounded unknowns, NumPy densities, and families and priors made at a prompt."""

import numpy as np
import pytest
import torch
from scipy.stats import gamma

import pvi_hpc
from pvi_hpc.errors import ConfigError
from pvi_hpc.library.densities import Bounds

BOUNDS = Bounds.of(([0.0, -np.inf, 1.0, -np.inf], [np.inf, 2.0, 3.0, np.inf]), (4,))


def test_the_map_into_the_bounds_and_back_is_exact():
    y = torch.from_numpy(np.random.default_rng(1).normal(0, 2, (50, 4)))
    x = BOUNDS.inside(y)
    assert bool(((x > BOUNDS.lower) & (x < BOUNDS.upper)).all())
    torch.testing.assert_close(BOUNDS.outside(x), y, rtol=1e-9, atol=1e-9)


def test_the_slope_is_that_of_the_map():
    y = torch.from_numpy(np.random.default_rng(2).normal(0, 2, (1, 4)))
    jacobian = torch.autograd.functional.jacobian(lambda v: BOUNDS.inside(v[None])[0], y[0])
    expected = torch.linalg.slogdet(jacobian)[1]
    torch.testing.assert_close(BOUNDS.log_slope(y)[0], expected, rtol=1e-12, atol=1e-12)


def test_gradients_stay_finite_where_unbounded_unknowns_are_large():
    y = torch.full((1, 4), 900.0, dtype=torch.float64)
    y[0, :3] = 0.5
    y.requires_grad_()
    (BOUNDS.inside(y).sum() + BOUNDS.log_slope(y).sum()).backward()
    assert bool(y.grad.isfinite().all())


def gamma_density(x):
    """Log density of Gamma(4) with scale 0.5 for each unknown."""
    return (3 * x.log() - 2 * x).sum(dim=1)


def test_a_positive_density_is_fitted_inside_its_bounds(tmp_path):
    found = pvi_hpc.fit(gamma_density, 3, bounds=(0, np.inf), mean=[1, 2, 3], seed=2)
    draws = found.sample(2000)
    assert (draws > 0).all()
    assert found.mean == pytest.approx(np.full(3, 2.0), rel=0.06)
    assert found.sd == pytest.approx(np.full(3, 1.0), rel=0.15)
    # The fitted lognormal is near the gamma density, normalised in the bounded unknowns.
    points = np.array([[1.5, 2.0, 2.5]])
    expected = gamma(4, scale=0.5).logpdf(points).sum()
    assert found.log_prob(points)[0] == pytest.approx(expected, abs=0.3)
    found.save(tmp_path / "f.h5")
    again = pvi_hpc.load_fit(tmp_path / "f.h5", gamma_density)
    np.testing.assert_array_equal(again.sample(5), found.sample(5))
    assert again.elbo(200).mean == pytest.approx(found.elbo(200).mean)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"bounds": (1, 1)}, "'lower' below 'upper'"),
        ({"bounds": (0, [1, 2])}, r"arrays of shape \(3,\)"),
        ({"bounds": 0}, "must be a pair"),
        ({"bounds": (0, 1), "mean": [0.5, 1.5, 0.5]}, "strictly inside"),
        ({"bounds": (0, 1), "precision": np.eye(3)}, "'precision' must be left out"),
    ],
)
def test_impossible_bounds_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        pvi_hpc.fit(gamma_density, 3, **settings)


def test_a_numpy_density_gives_the_fit_of_the_same_in_torch():
    def with_numpy(theta):
        return -0.5 * np.sum((theta - 1) ** 2 / 4, axis=1), (1 - theta) / 4

    def with_torch(theta):
        return -0.5 * ((theta - 1) ** 2 / 4).sum(dim=1)

    settings = {"seed": 3, "iterations": 40}
    by_numpy = pvi_hpc.fit(pvi_hpc.numpy_log_prob(with_numpy), 2, **settings)
    by_torch = pvi_hpc.fit(with_torch, 2, **settings)
    np.testing.assert_allclose(by_numpy.mean, by_torch.mean, rtol=1e-9)
    np.testing.assert_allclose(by_numpy.sd, by_torch.sd, rtol=1e-9)


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (lambda t: t.sum(axis=1), "must return a pair"),
        (lambda t: (t.sum(axis=1), t[:, :1]), "must return shapes"),
    ],
)
def test_a_numpy_density_without_a_right_gradient_is_refused(returned, message):
    with pytest.raises(ConfigError, match=message):
        pvi_hpc.fit(pvi_hpc.numpy_log_prob(returned), 2)


def test_families_and_priors_are_made_at_a_prompt_and_say_what_they_are():
    family = pvi_hpc.make_family("low_rank", 12, rank=2)
    assert repr(family) == "<LowRank family of 12 unknowns>"
    table = {"depth_m": [0], "lower_m_s": [1500], "upper_m_s": [2500]}
    assert repr(pvi_hpc.make_prior("uniform", (2, 1, 3), 50.0, **table)) == (
        "<Uniform prior of 6 cells, 1500 to 2500 m/s>"
    )
    with pytest.raises(ConfigError, match="did you mean 'uniform'"):
        pvi_hpc.make_prior("unifrom", (2, 1, 3), **table)
    with pytest.raises(ConfigError, match=r"'inference.family.options.layers' is unknown"):
        pvi_hpc.make_family("mean_field", 3, layers=2)
