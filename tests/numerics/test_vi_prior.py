"""A run without data returns its prior, whatever it starts from."""

from typing import Any

import numpy as np
import pytest
import torch

from pvi_hpc.families.load import load_family
from pvi_hpc.families.settings import FamilySettings
from pvi_hpc.grid import Grid
from pvi_hpc.inference.elbo import estimate_elbo
from pvi_hpc.inference.methods.vi import VariationalInference
from pvi_hpc.inference.settings import InferenceSettings, OptimiserSettings
from pvi_hpc.priors.matern import MaternSettings
from pvi_hpc.priors.normal import NormalSettings
from pvi_hpc.priors.uniform import UniformSettings
from pvi_hpc.priors.whittle_matern import WhittleMaternSettings
from pvi_hpc.problem.likelihood import NoData
from pvi_hpc.problem.model_map import ModelMap
from pvi_hpc.problem.posterior import Posterior

GRID = Grid((6, 4, 5), (50.0, 50.0, 50.0))
TABLES = {
    "depth_m": (0.0, 200.0),
    "lower_m_s": (1500.0, 2000.0),
    "upper_m_s": (2500.0, 4500.0),
    "fixed_above_m": 40.0,
}
PRIORS = {
    "uniform": UniformSettings(kind="uniform", **TABLES),
    "normal": NormalSettings(
        kind="normal", mean_m_s=(1700.0, 4000.0), sd_m_s=(200.0, 900.0), **TABLES
    ),
    "matern": MaternSettings(
        kind="matern", length_m=(60.0, 150.0, 100.0), smoothness=(0.5, 1.5, 2.5), **TABLES
    ),
    "whittle_matern": WhittleMaternSettings(
        kind="whittle_matern", length_m=(60.0, 150.0, 100.0), alpha=4, **TABLES
    ),
}
FAMILIES = {
    "mean_field": FamilySettings(),
    "structured": FamilySettings(kind="structured", options={"stencil": [3, 3, 3]}),
}
DRAWS = 4000


def fit(prior, family, iterations=400):
    """Fit without data, from a mean of 1 and sds of 0.3 where 0 and 1 are right."""
    start = np.full(GRID.shape, 2200.0)
    model_map = ModelMap.build(PRIORS[prior].cells(GRID), PRIORS[prior], start)
    settings = InferenceSettings(
        iterations=iterations,
        optimiser=OptimiserSettings(step=0.05, final=0.002),
        use_data=False,
    )
    method = VariationalInference(
        load_family(FAMILIES[family], model_map.active),
        Posterior(model_map, NoData()),
        settings,
        seed=5,
    )
    state = method.init(torch.ones(model_map.n, dtype=torch.float64), 0.3)
    for _ in range(iterations):
        state, _ = method.step(state)
    return method, state, model_map


@pytest.mark.parametrize("prior", ["uniform", "normal", "matern"])
@pytest.mark.parametrize("family", FAMILIES)
def test_mean_and_sd_of_every_cell_are_the_priors(prior, family):
    method, state, model_map = fit(prior, family)
    draws = model_map.models(method.sample(state, DRAWS)).numpy()
    law = model_map.prior
    cells = draws[:, model_map.active]
    # Of 100 cells and two moments, the largest of 200 errors is 3.5 standard errors.
    error = law.sd / np.sqrt(DRAWS)
    assert (abs(cells.mean(axis=0) - law.mean) < 4.5 * error).all()
    kurtosis = ((cells - law.mean) ** 4).mean(axis=0) / law.sd**4
    error = 0.5 * law.sd * np.sqrt((kurtosis - 1) / DRAWS)
    assert (abs(cells.std(axis=0) - law.sd) < 4.5 * error).all()
    assert (draws[:, ~model_map.active] == 2200).all()


@pytest.mark.parametrize("family", FAMILIES)
def test_the_elbo_of_the_prior_is_zero(family):
    method, state, _ = fit("uniform", family)
    estimate = estimate_elbo(method, state, method.target, 50)
    # With neither data nor evidence to lose: ELBO = -KL(q || prior).
    assert abs(estimate.mean) < 4 * estimate.standard_error + 1e-6
    assert estimate.standard_error < 0.02
    assert np.isnan(estimate.chi_squared)


def test_the_mean_field_holds_the_prior_exactly():
    method, state, _ = fit("normal", "mean_field")
    np.testing.assert_allclose(method.family.mean(state.parameters), 0, atol=1e-6)
    np.testing.assert_allclose(method.family.sd(state.parameters), 1, atol=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_neighbours_are_as_alike_as_a_correlated_prior_has_them(family):
    method, state, model_map = fit("matern", family)
    draws = model_map.models(method.sample(state, DRAWS)).numpy()[:, 1:]
    scores = (draws - draws.mean(axis=0)) / draws.std(axis=0)
    z, y, x = 50 / 60, np.sqrt(3) * 50 / 150, np.sqrt(5) * 50 / 100
    expected = np.exp(-z), (1 + y) * np.exp(-y), (1 + x + x**2 / 3) * np.exp(-x)
    for axis, rho in enumerate(expected, 1):
        cells = np.moveaxis(scores, axis, 0)
        found = (cells[1:] * cells[:-1]).mean(axis=1)
        # Of two uniform cells whose normal scores have the correlation rho.
        uniform = 6 / np.pi * np.arcsin(rho / 2)
        # The largest of 80 pairs, and what the fit lacks.
        error = 5 * (1 - rho**2) / np.sqrt(DRAWS) + 0.01
        np.testing.assert_allclose(found, uniform, atol=error)


def test_without_data_the_whole_covariance_is_the_priors():
    method, state, model_map = fit("whittle_matern", "mean_field")
    draws = model_map.models(method.sample(state, DRAWS)).numpy()[:, model_map.active]
    prior: Any = model_map.prior
    factor = prior.correlation.correlate(torch.eye(model_map.n, dtype=torch.float64)).numpy()
    # Of two uniform cells whose normal scores have the correlation rho.
    expected = 6 / np.pi * np.arcsin(factor.T @ factor / 2)
    assert np.median(abs(expected)) > 0.05
    found = np.cov(draws, rowvar=False) / np.outer(prior.sd, prior.sd)
    # 5,000 entries, the largest of which is 4 standard errors of at most 1.1 / sqrt(DRAWS).
    np.testing.assert_allclose(found, expected, atol=5 * 1.1 / np.sqrt(DRAWS))
    # Had the cells been independent, the covariance would be nowhere near.
    assert abs(found - np.eye(model_map.n)).max() > 0.5
