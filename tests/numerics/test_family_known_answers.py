"""On tomography with a known posterior the families reach their known optima by sampling.

What is left after `N` samples is noise, about `(numbers in L) / N` nats: the tolerances are of
effort, not of bias.
"""

import numpy as np
import pytest
import torch
from tomography import ROUGH_KM, tomography

from pvi_hpc.config.inference import Estimator, Inference, Optimiser
from pvi_hpc.config.inference import Family as FamilySettings
from pvi_hpc.diagnostics.gaussian import dense_factor, gaussian_kl
from pvi_hpc.families import load_family
from pvi_hpc.families.precision import DensePrecision
from pvi_hpc.inference.vi import VariationalInference

PROBLEM = tomography(8, n_sensors=10, length_km=ROUGH_KM)
PRECISION = DensePrecision(torch.from_numpy(PROBLEM.precision), PROBLEM.active)
SD = np.sqrt(np.diag(PROBLEM.covariance))


def kl(family, parameters):
    factor, mean = dense_factor(family, parameters), parameters["mu"].numpy()
    return gaussian_kl(mean, factor, PROBLEM.mean, PROBLEM.precision)


def fit(kind, options, iterations, samples, **settings):
    """Fit from independent cells of sds that the precision tells and a mean 1 sd off."""
    family = load_family(FamilySettings(kind=kind, options=options), PROBLEM.active)
    inference = Inference(iterations=iterations, samples=samples, **settings)
    method = VariationalInference(family, PROBLEM, inference, seed=2)
    state = method.init(torch.from_numpy(PROBLEM.mean + SD), 0.3)
    state.parameters["log_sd"].copy_(-0.5 * PRECISION.diagonal().log())
    for _ in range(iterations):
        state, _ = method.step(state)
    return family, method.fitted(state)


def assert_optimal(family, fitted):
    """Within 0.5 % of the divergence and 1 % of a posterior sd of the closed form."""
    best = kl(family, family.informed(torch.from_numpy(PROBLEM.mean), PRECISION))
    assert best <= kl(family, fitted) < 1.005 * best
    np.testing.assert_allclose(fitted["mu"], PROBLEM.mean, rtol=0, atol=0.01 * SD.min())


def test_the_mean_field_ends_at_its_closed_form():
    optimiser = Optimiser(step=0.05, final=0.01, average=0.25)
    assert_optimal(*fit("mean_field", {}, 1500, 4, optimiser=optimiser))


@pytest.mark.slow
def test_the_structured_family_ends_at_its_closed_form_by_natural_gradients():
    optimiser = Optimiser(kind="natural", step=0.1, final=0.3, average=0.6)
    settings = {"optimiser": optimiser, "estimator": Estimator(landing="always")}
    assert_optimal(*fit("structured", {"stencil": [1, 5, 5]}, 1500, 16, **settings))


@pytest.mark.slow
def test_full_rank_reaches_the_posterior():
    optimiser = Optimiser(step=0.05, final=0.002, average=0.3)
    family, fitted = fit("full_rank", {}, 2000, 8, optimiser=optimiser)
    assert kl(family, fitted) < 0.05


def test_low_rank_of_the_rank_of_the_data_starts_at_the_posterior_under_a_white_prior():
    white = PROBLEM.whitened()
    options = {"rank": int(np.linalg.matrix_rank(white.operator))}
    family = load_family(FamilySettings(kind="low_rank", options=options), white.active)
    precision = DensePrecision(torch.from_numpy(white.precision), white.active)
    factor = dense_factor(family, family.informed(torch.from_numpy(white.mean), precision))
    found = gaussian_kl(white.mean, factor, white.mean, white.precision)
    assert found < 0.05
