"""The Whittle-Matern prior: its solvers, its settings, and the Matern formula."""

import sys
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from scipy.special import gamma
from scipy.stats import multivariate_normal

from pvi_hpc.errors import ConfigError
from pvi_hpc.grid import Cells, Grid
from pvi_hpc.library.make import make_prior
from pvi_hpc.numerics.petsc import has_petsc
from pvi_hpc.priors import load_prior, map_faults, prior_bounds
from pvi_hpc.priors.capabilities import GaussianPrecision
from pvi_hpc.priors.correlations.coefficients import rotated_tensor
from pvi_hpc.priors.correlations.separable import matern_correlation
from pvi_hpc.priors.uniform import Uniform
from pvi_hpc.priors.whittle_matern import WhittleMatern, WhittleMaternSettings

GRID = Grid((6, 4, 5), (50.0, 40.0, 30.0))
TABLES = {"depth_m": (0.0, 250.0), "lower_m_s": (1500.0, 2000.0), "upper_m_s": (2500.0, 4500.0)}
BY_DEPTH = {"depth_m": [0, 250], "values": [60, 200]}
needs_petsc = pytest.mark.skipif(not has_petsc(), reason="petsc4py is not installed")


def settings(**changes):
    tree = {"kind": "whittle_matern", "length_m": 90.0, **TABLES, **changes}
    return WhittleMaternSettings.model_validate(tree)


def prior_of(**changes) -> Any:
    chosen = settings(**changes)
    return load_prior(chosen, chosen.cells(GRID))


def correlation_of(prior):
    factor = prior.correlation.correlate(torch.eye(len(prior.lower), dtype=torch.float64))
    return (factor.T @ factor).numpy()


@pytest.mark.parametrize("alpha", [2, 3, 4])
def test_far_from_edges_it_is_a_matern_field(alpha):
    n, length = 64, 8.0
    tables = {"depth_m": [0], "lower_m_s": [1], "upper_m_s": [2]}
    prior: Any = make_prior(
        "whittle_matern", (n, n, n), 1.0, length_m=length, alpha=alpha, **tables
    )
    one = torch.zeros(1, n, n, n, dtype=torch.float64)
    one[0, n // 2, n // 2, n // 2] = 1
    row = prior.correlation.correlate(prior.correlation.correlate_back(one.reshape(1, -1)))
    row = row.numpy().reshape(n, n, n)
    nu = alpha - 1.5
    for step in ((0, 0, 1), (1, 0, 0), (0, 1, 1), (1, 1, 1)):
        k = np.arange(n // 2 - 8)  # beyond, the mirror image of the edge begins to be felt
        found = row[tuple(n // 2 + k * s for s in step)]
        expected = matern_correlation(k * np.sqrt(sum(step)), length, nu)
        np.testing.assert_allclose(found, expected, atol=0.02)
    variance = 1 / prior.correlation.scale[n // 2, n // 2, n // 2] ** 2
    diffusion = length**2 / (2 * nu)
    formula = gamma(nu) / (gamma(alpha) * (4 * np.pi * diffusion) ** 1.5)
    # A rough field has 3 % more variance on cells of an eighth of its length.
    assert variance == pytest.approx(formula, rel=0.035 if alpha == 2 else 0.02)


def test_along_an_edge_it_is_a_matern_field_too():
    n, length = 64, 8.0
    tables = {"depth_m": [0], "lower_m_s": [1], "upper_m_s": [2]}
    prior: Any = make_prior("whittle_matern", (n, n, n), 1.0, length_m=length, **tables)
    one = torch.zeros(1, n, n, n, dtype=torch.float64)
    one[0, 0, n // 2, n // 2] = 1
    row = prior.correlation.correlate(prior.correlation.correlate_back(one.reshape(1, -1)))
    found = row.numpy().reshape(n, n, n)[0, n // 2, n // 2 :][:24]
    np.testing.assert_allclose(found, matern_correlation(np.arange(24), length, 0.5), atol=0.05)


@needs_petsc
@pytest.mark.parametrize("alpha", [2, 4])
@pytest.mark.parametrize("length", [90.0, [60.0, 90.0, 150.0], BY_DEPTH])
def test_petsc_and_cosine_transforms_are_one_prior(length, alpha):
    keys = {"length_m": length, "alpha": alpha, "unknowns": "cells"}
    both = [prior_of(solver=solver, **keys) for solver in ("cosine", "petsc")]
    theta = torch.from_numpy(np.random.default_rng(1).standard_normal((2, 120)))
    found = [prior.from_normal(theta) for prior in both]
    torch.testing.assert_close(found[0], found[1], atol=1e-6, rtol=0)
    assert both[0].correlation.log_det == pytest.approx(both[1].correlation.log_det, abs=1e-7)


CASES = {
    "constant": {},
    "3": {"alpha": 3},
    "by depth": {"length_m": [BY_DEPTH, 90.0, BY_DEPTH]},
    "cells": {"unknowns": "cells"},
    "cells by depth": {"length_m": BY_DEPTH, "alpha": 4, "unknowns": "cells"},
    "normal": {"marginal": "normal", "mean_m_s": (1700.0, 3000.0), "sd_m_s": (200.0, 500.0)},
    "unbounded": {
        "marginal": "normal", "mean_m_s": (1700.0, 3000.0), "sd_m_s": (100.0, 300.0),
        "lower_m_s": None, "upper_m_s": None,
    },
    "dipping": pytest.param(
        {"length_m": [30.0, 90.0, 150.0], "dip_deg": 30.0, "azimuth_deg": BY_DEPTH},
        marks=needs_petsc, id="dipping",
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    "changes",
    [c if not isinstance(c, dict) else pytest.param(c, id=name) for name, c in CASES.items()],
)
def test_densities_are_those_of_dense_algebra(changes):
    prior = prior_of(**changes)
    m = torch.from_numpy(prior.sample(np.random.default_rng(6), 3))
    z = prior.marginal.to_normal(m)
    covariance = correlation_of(prior)
    np.testing.assert_allclose(np.diag(covariance), 1, atol=1e-9)
    copula = multivariate_normal.logpdf(z.numpy(), cov=covariance)
    expected = copula - prior.marginal.log_abs_det(z).numpy()
    np.testing.assert_allclose(prior.log_prob(m), expected, rtol=1e-8)
    theta = prior.to_normal(m)
    torch.testing.assert_close(prior.from_normal(theta), m, atol=1e-4, rtol=0)
    density = prior.log_prob(m) + prior.log_abs_det(theta)
    np.testing.assert_allclose(
        density, -0.5 * (theta**2).sum(dim=1) - 60 * np.log(2 * np.pi), rtol=1e-8
    )
    assert list(map_faults(prior)) == []


def test_a_field_and_its_precision_serve_a_search_in_the_field():
    prior, alone = prior_of(alpha=4), Uniform([1.0], [2.0])
    has_it = isinstance(prior, GaussianPrecision), isinstance(alone, GaussianPrecision)
    assert has_it == (True, False)
    theta = torch.from_numpy(np.random.default_rng(2).standard_normal((2, 120)))
    z = prior.to_field(theta)
    torch.testing.assert_close(prior.whiten_field(z), theta, atol=1e-10, rtol=0)
    torch.testing.assert_close(prior.from_field(z), prior.from_normal(theta))
    torch.testing.assert_close(prior.field_of(prior.from_field(z)), z, atol=1e-9, rtol=0)
    inverse = np.linalg.inv(correlation_of(prior))
    np.testing.assert_allclose(prior.precision_product(z), z.numpy() @ inverse, rtol=1e-6)
    expected = -0.5 * (theta**2).sum(dim=1) - 60 * np.log(2 * np.pi)
    torch.testing.assert_close(prior.field_log_prob(z), expected, rtol=1e-9, atol=0)


def test_a_rotated_tensor_has_its_lengths_along_its_axes():
    one = np.ones((1, 1, 1))
    tensor = rotated_tensor([1 * one, 2 * one, 3 * one], 30 * one, 0 * one)[..., 0, 0, 0]
    down_dip = np.array([np.sin(np.pi / 6), 0, np.cos(np.pi / 6)])  # deeper towards larger x
    np.testing.assert_allclose(tensor @ down_dip, 9 * down_dip)
    np.testing.assert_allclose(tensor @ [0, 1, 0], [0, 4, 0], atol=1e-12)
    turned = rotated_tensor([1 * one, 2 * one, 3 * one], 30 * one, 90 * one)[..., 0, 0, 0]
    towards_y = np.array([np.sin(np.pi / 6), np.cos(np.pi / 6), 0])
    np.testing.assert_allclose(turned @ towards_y, 9 * towards_y, atol=1e-12)


@needs_petsc
def test_dipping_layers_are_alike_down_dip():
    grid = Grid((15, 3, 15), (10.0, 10.0, 10.0))
    chosen = settings(length_m=[10.0, 60.0, 60.0], dip_deg=45.0)
    prior: Any = load_prior(chosen, chosen.cells(grid))
    row = correlation_of(prior).reshape(*grid.shape, *grid.shape)[7, 1, 7, :, 1]
    assert row[10, 10] > 3 * row[10, 4]  # from the middle, deeper with larger x, or smaller
    assert row[4, 4] > 3 * row[4, 10]


@needs_petsc
def test_lengths_come_from_a_file_and_fixed_cells_may_have_any_shape(tmp_path):
    lengths = np.linspace(40, 200, 120).reshape(GRID.shape)
    np.save(tmp_path / "lengths.npy", lengths)
    active = np.random.default_rng(5).random(GRID.shape) < 0.8
    chosen = settings(length_m={"file": str(tmp_path / "lengths.npy")})
    prior = WhittleMatern.from_options(chosen, Cells(GRID, active))
    correlation = correlation_of(prior)
    np.testing.assert_allclose(np.diag(correlation), 1, atol=1e-9)
    findings = [f.message for f in WhittleMatern.check(chosen, Cells(GRID, active))]
    assert any("solved by PETSc" in text for text in findings)
    np.save(tmp_path / "lengths.npy", lengths - 50)
    with pytest.raises(ConfigError, match=r"'prior\.length_m\[z\]' must be positive \[m\]"):
        WhittleMatern.from_options(chosen, Cells(GRID, active))
    np.save(tmp_path / "lengths.npy", lengths[1:])
    with pytest.raises(ConfigError, match=r"must be an array of shape \(6, 4, 5\)"):
        WhittleMatern.from_options(chosen, Cells(GRID, active))


def test_without_petsc_the_message_names_the_remedy(monkeypatch):
    monkeypatch.setitem(sys.modules, "petsc4py", None)
    monkeypatch.setattr("pvi_hpc.numerics.petsc.find_spec", lambda name: None)
    assert prior_of(length_m=BY_DEPTH).lower.shape == (120,)
    with pytest.raises(
        ConfigError, match="needs PETSc, but petsc4py is not installed; install"
    ):
        prior_of(dip_deg=17.0)


def test_cells_that_fill_no_box_need_petsc():
    active = np.ones(GRID.shape, bool)
    active[0, 0, 0] = False
    for changes in ({"solver": "cosine"}, {"alpha": 3}):
        with pytest.raises(ConfigError, match="need unknown cells that fill a box"):
            WhittleMatern.from_options(settings(**changes), Cells(GRID, active))


@pytest.mark.parametrize("shape", [(6, 1, 5), (6, 1, 1), (2, 3, 1)])
def test_axes_of_one_cell_are_fine(shape):
    chosen = settings()
    prior = load_prior(chosen, chosen.cells(Grid(shape, (50.0, 40.0, 30.0))))
    assert list(map_faults(prior)) == []


def test_bounds_are_those_of_the_tables():
    chosen = settings(dip_deg=20.0)
    assert prior_bounds(chosen, chosen.cells(GRID)) == (1500, 4500)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"solver": "cosine", "dip_deg": 10.0}, "'solver: cosine' and 'unknowns: waves' need"),
        ({"solver": "petsc", "unknowns": "waves"}, "'unknowns: waves' need lengths"),
        ({"alpha": 3, "length_m": BY_DEPTH}, "'alpha: 3' needs lengths that are numbers"),
        ({"alpha": 1}, "Input should be 2, 3 or 4"),
        ({"length_m": [10.0, -20.0, 10.0]}, "greater than 0"),
        ({"length_m": {"depth_m": [0, 10], "values": [1.0]}}, "'values' must have 2 values"),
        ({"length_m": {"depth_m": [5, 5], "values": [1, 1]}}, "'depth_m' must increase"),
        ({"lower_m_s": None}, "'marginal: uniform' needs 'lower_m_s' and 'upper_m_s'"),
    ],
)
def test_impossible_settings_are_refused(changes, message):
    with pytest.raises(ValidationError, match=message):
        settings(**changes)
