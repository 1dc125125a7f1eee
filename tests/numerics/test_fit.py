"""The library: from a log density to a posterior, saved, loaded, and refused where wrong."""

import numpy as np
import pytest
import torch
from vi_targets import precision_of

import pvi_hpc
from pvi_hpc.errors import ConfigError, NonFiniteError

SHAPE = (3, 4)
MEAN = np.random.default_rng(3).standard_normal(12)
PRECISION = 4 * precision_of(np.random.default_rng(2), 12)


def gaussian(theta):
    """A correlated Gaussian, normalised, so that the best ELBO of a full covariance is 0."""
    x = theta - torch.from_numpy(MEAN)
    precision = torch.from_numpy(PRECISION)
    constant = 0.5 * torch.logdet(precision) - 6 * np.log(2 * np.pi)
    return constant - 0.5 * torch.einsum("si,ij,sj->s", x, precision, x)


@pytest.fixture(scope="module")
def posterior():
    family = "mean_field"
    return pvi_hpc.fit(gaussian, SHAPE, family=family, iterations=200, samples=4, seed=5)


def test_five_lines_give_mean_and_sd_of_a_gaussian(posterior):
    np.testing.assert_allclose(posterior.mean.ravel(), MEAN, atol=0.01)
    # The best of independent cells.
    np.testing.assert_allclose(posterior.sd.ravel(), np.diag(PRECISION) ** -0.5, rtol=0.03)
    draws = posterior.sample(4000)
    assert draws.shape == (4000, *SHAPE)
    np.testing.assert_allclose(draws.mean(axis=0), posterior.mean, atol=0.03)


def test_the_elbo_is_minus_the_divergence(posterior):
    scaled = PRECISION / np.sqrt(np.outer(np.diag(PRECISION), np.diag(PRECISION)))
    best = 0.5 * np.linalg.slogdet(scaled)[1]
    estimate = posterior.elbo(2000)
    assert estimate.mean == pytest.approx(best, abs=4 * estimate.standard_error + 0.01)
    assert estimate.standard_error < 0.05


def test_the_density_is_that_of_the_draws(posterior):
    theta = posterior.sample(5)
    z = (theta - posterior.mean) / posterior.sd
    expected = -0.5 * (z**2).sum(axis=(1, 2)) - np.log(posterior.sd).sum()
    expected -= 6 * np.log(2 * np.pi)
    np.testing.assert_allclose(posterior.log_prob(theta), expected, rtol=1e-9)


def test_a_saved_fit_is_the_same_when_loaded(posterior, tmp_path):
    posterior.save(tmp_path / "fit.h5")
    loaded = pvi_hpc.load_fit(tmp_path / "fit.h5")
    np.testing.assert_array_equal(loaded.sample(3), posterior.sample(3))
    np.testing.assert_array_equal(
        loaded.history.arrays["elbo"], posterior.history.arrays["elbo"]
    )
    with pytest.raises(ConfigError, match="give 'log_prob' to 'load_fit'"):
        loaded.elbo()
    again = pvi_hpc.load_fit(tmp_path / "fit.h5", gaussian)
    assert again.elbo(10).mean == posterior.elbo(10).mean


def test_neighbours_are_known_by_the_shape():
    family = {"kind": "structured", "options": {"stencil": [1, 3, 3]}}
    settings = {"iterations": 200, "samples": 4, "seed": 5}
    correlated = pvi_hpc.fit(gaussian, SHAPE, family=family, **settings)
    independent = pvi_hpc.fit(gaussian, SHAPE, family="mean_field", **settings)
    gain = correlated.elbo(400).mean - independent.elbo(400).mean
    assert gain > 0.3 * -independent.elbo(400).mean


@pytest.mark.parametrize(
    ("log_prob", "message"),
    [
        (lambda x: x.sum(), r"shape \(1,\), one log density .* got \(\)"),
        (lambda x: 3.0, "got float"),
        (lambda x: x.detach().sum(dim=1), "must be differentiable"),
    ],
)
def test_a_function_that_is_no_log_density_is_refused(log_prob, message):
    with pytest.raises(ConfigError, match=message):
        pvi_hpc.fit(log_prob, 2)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"itrations": 3}, "'itrations': Extra inputs"),
        ({"samples": 3}, "'samples' must be even .* got 3"),
        ({"family": "none"}, "inference.family.kind.* got 'none'"),
        ({"method": {"kind": "vi", "options": {"a": 1}}}, "options.a' is unknown to 'vi'"),
        ({"mean": [1.0, np.nan]}, "'mean' must be 2 finite numbers"),
        ({"n": (2, 0)}, "'n' must be a positive number"),
        ({"start": {"sdd": 1}}, "'sdd': Extra inputs"),
    ],
)
def test_settings_that_are_wrong_are_named(settings, message):
    with pytest.raises(ConfigError, match=message):
        pvi_hpc.fit(**{"log_prob": lambda x: -x.square().sum(dim=1), "n": 2, **settings})


def test_a_density_that_is_not_finite_stops_there_and_the_state_is_kept(tmp_path):
    calls = []

    def breaks(theta):
        calls.append(len(theta))
        x = theta if len(calls) < 30 else theta * torch.nan
        return -x.square().sum(dim=1)

    with pytest.raises(NonFiniteError, match="Iteration 29, sample 0") as caught:
        start = {"map_iterations": 20}
        pvi_hpc.fit(breaks, 3, samples=2, start=start, path=tmp_path / "kept.h5")
    assert "kept.h5" in caught.value.__notes__[0]
    kept = pvi_hpc.load_fit(tmp_path / "kept.h5")
    assert kept.state.iteration == len(kept.history) == 29
