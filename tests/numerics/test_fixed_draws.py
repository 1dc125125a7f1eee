"""Fixed draws: exact on a Gaussian, the same from every seed, and refused where senseless."""

import warnings

import numpy as np
import pytest
import torch
from hierarchy import N, non_centred
from vi_targets import precision_of

import pvi_hpc
from pvi_hpc.errors import ConfigError, NonFiniteError
from pvi_hpc.inference.draws import matched_pairs

SDS = np.geomspace(1e-3, 1e3, 6)
PRECISION = precision_of(np.random.default_rng(4), 6) / np.outer(SDS, SDS)
MEAN = 3 * SDS * np.random.default_rng(5).standard_normal(6)
#: A start that is neither near nor in units of the posterior.
PLAIN = {"start": {"sd": 1.0}, "method": "fixed_draws"}


def gaussian(theta):
    x = theta - torch.from_numpy(MEAN)
    return -0.5 * ((x @ torch.from_numpy(PRECISION)) * x).sum(dim=1)


def covariance(fit):
    parameters = fit.method.fitted(fit.state)
    factor = parameters["lower"] + torch.diag(parameters["log_sd"].exp())
    if fit.frame is not None:
        factor = fit.frame.scale[:, None] * factor
    return (factor @ factor.T).numpy()


def test_pairs_have_mean_zero_and_covariance_one():
    eps = matched_pairs(5, 12, 3, 0)
    assert eps.shape == (12, 5) and torch.equal(eps[:6], -eps[6:])
    torch.testing.assert_close(eps.T @ eps / 12, torch.eye(5).double(), rtol=0, atol=1e-12)
    assert not torch.equal(eps, matched_pairs(5, 12, 3, 1))


@pytest.mark.parametrize("seed", [1, 2])
def test_a_badly_scaled_gaussian_is_found_exactly(seed):
    fit = pvi_hpc.fit(gaussian, 6, seed=seed)
    assert fit.settings.method.kind == "fixed_draws" and fit.converged
    np.testing.assert_allclose(fit.mean, MEAN, atol=1e-3 * SDS.min(), rtol=1e-3)
    exact = np.linalg.inv(PRECISION)
    np.testing.assert_allclose(covariance(fit) / exact, np.ones((6, 6)), rtol=2e-2)


def test_natural_gradients_find_it_from_a_start_that_knows_nothing():
    def scaled(theta):  # sds from 0.2 to 5
        return gaussian(theta * torch.from_numpy(SDS / SDS**0.25))

    fit = pvi_hpc.fit(scaled, 6, **PLAIN)
    found = np.sqrt(np.diag(np.linalg.inv(PRECISION))) / SDS**0.75
    assert fit.converged
    np.testing.assert_allclose(fit.sd, found, rtol=0.02)


def test_the_best_of_independent_cells_is_found():
    fit = pvi_hpc.fit(gaussian, 6, family="mean_field")
    assert fit.settings.method.kind == "fixed_draws"
    np.testing.assert_allclose(fit.sd, np.diag(PRECISION) ** -0.5, rtol=1e-3)


def test_a_hierarchy_ends_at_the_same_elbo_from_every_seed():
    # The long left tail of the log sd, and the noise of large effects, make stochastic natural
    # gradients run away here.
    elbos = []
    for seed in range(1, 6):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", pvi_hpc.ConvergenceWarning)
            elbos.append(pvi_hpc.fit(non_centred, N, seed=seed).elbo(2000).mean)
    assert np.ptp(elbos) < 0.5


def test_accepted_steps_never_lose():
    fit = pvi_hpc.fit(non_centred, N, seed=3, **PLAIN)
    elbo = fit.history.arrays["elbo"]
    gradients = fit.history.arrays["gradient_norm"]
    accepted = elbo[np.r_[True, np.diff(gradients) != 0]]  # the anchor's changes with it
    first = accepted[: len(accepted) // 2]
    assert (np.diff(first) > -1e-9).all() and len(first) > 5


def test_a_density_without_maximum_ends_within_its_iterations():
    with pytest.warns(pvi_hpc.ConvergenceWarning):
        fit = pvi_hpc.fit(lambda x: x.sum(dim=1), 2, iterations=30, **PLAIN)
    assert np.isfinite(fit.mean).all() and not fit.converged


def test_a_step_to_where_there_is_no_density_is_taken_back():
    def half(x):  # defined for x > -1 only
        return (2 * torch.log(x + 1) - 4 * x).sum(dim=1)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", pvi_hpc.ConvergenceWarning)
        fit = pvi_hpc.fit(half, 2, start={"sd": 0.05}, method="fixed_draws")
    assert (fit.mean > -1).all() and np.isfinite(fit.history.arrays["elbo"]).any()


def test_a_start_where_there_is_no_density_is_an_error():
    with pytest.raises(NonFiniteError, match="Iteration 0"):
        pvi_hpc.fit(lambda x: torch.log(x).sum(dim=1), 2, **PLAIN)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"samples": 10}, "'inference.samples' must be at least 12, twice"),
        ({"optimiser": {"kind": "natural"}}, "'inference.optimiser' must be left out"),
        ({"estimator": {"landing": "never"}}, "'inference.estimator' must be left out"),
        ({"stop": {}}, "'inference.stop' must be null"),
        ({"precision": "single"}, "'inference.precision' must be 'double'"),
        ({"family": "planar"}, "needs a family that knows its Fisher information"),
    ],
)
def test_settings_that_do_not_suit_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        pvi_hpc.fit(gaussian, 6, method="fixed_draws", **settings)


def test_what_an_iteration_evaluates_is_known_before():
    fit = pvi_hpc.fit(gaussian, 6)
    counts = [fit.method.evaluations(i).whole for i in (0, 199, 200, 299)]
    assert counts == [32, 32, 128, 128]
    assert fit.history.arrays["done"][0] == 32 and fit.history.arrays["done"][-1] == 128
