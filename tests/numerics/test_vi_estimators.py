"""Noise of the gradient estimators at the optimum of tomography: who beats whom.

Relative to independent samples without the landing, 4 samples, by parameter; the figures of
docs/theory/estimators.md are those that `variances` returns with many repeats.
"""

import numpy as np
import pytest
import torch
from tomography import tomography

from pvi_hpc.diagnostics.known_gaussian import optimal_factor
from pvi_hpc.families.family import Draw
from pvi_hpc.families.gaussian.full_rank import FullRank
from pvi_hpc.families.gaussian.mean_field import MeanField
from pvi_hpc.families.gaussian.options import StencilOptions
from pvi_hpc.families.gaussian.precision import DensePrecision
from pvi_hpc.families.gaussian.structured import Structured
from pvi_hpc.inference.draws import Draws
from pvi_hpc.inference.methods.vi import VariationalInference
from pvi_hpc.inference.optimisers.update import Update
from pvi_hpc.inference.settings import EstimatorSettings, InferenceSettings

TARGET = tomography(side=8, n_sensors=8)
FAMILIES = {
    "mean_field": MeanField.from_options(TARGET.active, MeanField.Options()),
    "structured": Structured.from_options(TARGET.active, StencilOptions(stencil=[1, 5, 5])),
    "full_rank": FullRank.from_options(TARGET.active, FullRank.Options()),
}
ESTIMATORS = {
    f"{draws}, {landing}": EstimatorSettings(draws=draws, landing=landing)
    for draws in ("independent", "pairs", "sobol")
    for landing in ("never", "always", "regression")
}


def loss_gradient(method, parameters, eps, value):
    """Return the gradient of `-ELBO` by each parameter, as an iteration takes it."""
    cotangent, weight = method._cotangent(parameters, eps, value)
    update = Update(method.family, method.settings.optimiser, 0, 0.1)
    return update.gradients(parameters, Draw(eps, cotangent), 1 - weight)


def variances(name, repeats=60, samples=4):
    """Return the mean variance by estimator of the gradients by mu and by all of L."""
    family = FAMILIES[name]
    precision = DensePrecision(torch.from_numpy(TARGET.precision), TARGET.active)
    parameters = family.informed(torch.from_numpy(TARGET.mean), precision)
    found = {}
    for label, estimator in ESTIMATORS.items():
        settings = InferenceSettings(iterations=1, samples=samples, estimator=estimator)
        method = VariationalInference(family, TARGET, settings, seed=3)
        draws = []
        for i in range(repeats):
            eps = method.draws.epsilon(i)
            value = TARGET.value(family.sample(parameters, eps))
            gradients = loss_gradient(method, parameters, eps, value)
            parts = gradients.pop("mu"), torch.cat([g.ravel() for g in gradients.values()])
            draws.append([p.numpy() for p in parts])
        # By parameter in units of its own noise with the plain estimator: all count alike.
        found[label] = [np.var(part, axis=0) for part in zip(*draws, strict=True)]
    plain = found["independent, never"]
    return {
        label: tuple(
            float(np.mean(v[p > 0] / p[p > 0])) for v, p in zip(value, plain, strict=True)
        )
        for label, value in found.items()
    }


@pytest.fixture(scope="module", params=["mean_field", "structured"])
def noise(request):
    return variances(request.param)


def test_the_landing_lessens_the_noise_of_mean_and_factor(noise):
    for landing in ("always", "regression"):
        mu, factor = noise[f"independent, {landing}"]
        assert mu < 0.75 and factor < 0.75


def test_pairs_cancel_the_noise_of_the_mean(noise):
    for landing in ("never", "always", "regression"):
        assert noise[f"pairs, {landing}"][0] < 1e-10


def test_pairs_double_the_noise_of_the_factor_unless_they_land(noise):
    assert noise["pairs, never"][1] == pytest.approx(2, abs=0.25)
    assert noise["pairs, regression"][1] < 1.1
    assert noise["pairs, regression"][1] < 0.6 * noise["pairs, never"][1]


def test_sobol_points_beat_independent_ones(noise):
    """The mean cancels nearly, the factor is no noisier than that of pairs."""
    assert noise["sobol, regression"][0] < 0.3 * noise["independent, regression"][0]
    assert noise["sobol, regression"][1] < 1.1 * noise["pairs, regression"][1]


def test_nothing_is_left_where_the_family_holds_the_target():
    noise = variances("full_rank", repeats=20)
    assert max(noise["independent, always"]) < 1e-12


def test_every_estimator_is_unbiased_for_the_mean():
    """Off the optimum, where gradients are not zero, all have the same expectation."""
    family = FAMILIES["mean_field"]
    parameters = family.initial(torch.from_numpy(TARGET.mean), 0.5)
    exact = np.ones(TARGET.n) - 0.25 * np.diag(TARGET.precision)  # by log_sd
    for estimator in ESTIMATORS.values():
        settings = InferenceSettings(iterations=1, samples=4, estimator=estimator)
        method = VariationalInference(family, TARGET, settings, seed=5)
        draws = []
        for i in range(100):
            eps = method.draws.epsilon(i)
            value = TARGET.value(family.sample(parameters, eps))
            draws.append(loss_gradient(method, parameters, eps, value)["log_sd"].numpy())
        error = np.std(draws, axis=0) / np.sqrt(len(draws))
        # The regression's weight depends on the sample: a bias of order 1 / (S n).
        slack = 2 / (4 * TARGET.n) * abs(exact) if estimator.landing == "regression" else 0
        assert (abs(np.mean(draws, axis=0) + exact) < 4.5 * error + slack + 1e-9).all()


def test_sobol_points_are_normal_numbers_and_the_rest_is_independent():
    settings = EstimatorSettings(draws="sobol", sobol_coordinates=5)
    draws = Draws(20, 256, settings, seed=1)
    eps = draws.epsilon(3).numpy()
    assert torch.equal(draws.epsilon(3), draws.epsilon(3))
    assert not torch.equal(draws.epsilon(3), draws.epsilon(4))
    # One point in each of 256 equal cells of probability, a coordinate at a time.
    ranks = np.sort(torch.special.ndtr(torch.from_numpy(eps[:, :5])).numpy() * 256, axis=0)
    np.testing.assert_array_equal(np.floor(ranks), np.arange(256)[:, None].repeat(5, axis=1))
    independent = Draws(20, 256, EstimatorSettings(draws="independent"), seed=1).epsilon(3)
    np.testing.assert_array_equal(eps[:, 5:], independent[:, 5:])


def test_the_optimum_is_that_of_the_closed_form():
    family = FAMILIES["mean_field"]
    precision = DensePrecision(torch.from_numpy(TARGET.precision), TARGET.active)
    parameters = family.informed(torch.from_numpy(TARGET.mean), precision)
    expected = np.diag(optimal_factor(TARGET.precision, np.eye(TARGET.n, dtype=bool)))
    np.testing.assert_allclose(parameters["log_sd"].exp(), expected, rtol=1e-12)
