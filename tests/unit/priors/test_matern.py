"""The correlated prior: marginals, correlation, inverse, density and gradient."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from pydantic import ValidationError
from scipy.stats import kstest, multivariate_normal, norm

from pvi_hpc.config import parse_project
from pvi_hpc.errors import ConfigError
from pvi_hpc.grid import Cells, Grid
from pvi_hpc.priors import PriorSettings, load_prior, prior_bounds
from pvi_hpc.priors.load import prior_class
from pvi_hpc.priors.matern import Matern, MaternSettings
from pvi_hpc.priors.normal import NormalSettings
from pvi_hpc.priors.uniform import UniformSettings

GRID = Grid((5, 3, 4), (50.0, 40.0, 30.0))
TABLES = {
    "depth_m": (0.0, 200.0),
    "lower_m_s": (1500.0, 2000.0),
    "upper_m_s": (2500.0, 4500.0),
    "fixed_above_m": 40.0,
}
MOMENTS = {"mean_m_s": (1700.0, 4000.0), "sd_m_s": (200.0, 900.0)}


def settings(**changes):
    tree = {"kind": "matern", "length_m": 80.0, **TABLES, **changes}
    return MaternSettings.model_validate(tree)


def prior_of(chosen, grid=GRID):
    return load_prior(chosen, chosen.cells(grid))


def normal(*shape):
    return torch.from_numpy(np.random.default_rng(3).standard_normal(shape))


MARGINALS = {
    "uniform": (settings(), UniformSettings(kind="uniform", **TABLES)),
    "normal": (
        settings(marginal="normal", **MOMENTS),
        NormalSettings(kind="normal", **TABLES, **MOMENTS),
    ),
}


@pytest.fixture(params=MARGINALS)
def pair(request):
    """The correlated prior and that of the same cells without correlation."""
    return tuple(prior_of(chosen) for chosen in MARGINALS[request.param])


def test_every_cell_by_itself_has_the_distribution_of_the_independent_prior(pair):
    prior, alone = pair
    for name in ("lower", "upper", "mean", "sd"):
        np.testing.assert_array_equal(getattr(prior, name), getattr(alone, name))
    np.testing.assert_array_equal(prior.quantile(0.3), alone.quantile(0.3))
    draws = torch.from_numpy(prior.sample(np.random.default_rng(4), 3000))
    scores = alone.to_normal(draws).numpy()
    # The smallest of 48 p-values, of which many are alike.
    assert min(kstest(cell, norm.cdf).pvalue for cell in scores.T) > 0.05 / 48


def test_cells_are_as_alike_as_the_formula_says(pair):
    prior, alone = pair
    draws = torch.from_numpy(prior.sample(np.random.default_rng(5), 20000))
    found = np.corrcoef(alone.to_normal(draws).numpy(), rowvar=False)
    places = np.stack(np.meshgrid(*(h * np.arange(n) for n, h in ((4, 50), (3, 40), (4, 30))),
                                  indexing="ij")).reshape(3, -1)  # fmt: skip
    s = np.sqrt(3) * abs(places[:, :, None] - places[:, None]) / 80
    expected = ((1 + s) * np.exp(-s)).prod(axis=0)
    # 48 * 47 / 2 pairs, standard errors of (1 - rho^2) / sqrt(20000).
    np.testing.assert_allclose(found, expected, atol=4.5 / np.sqrt(20000))


def test_to_normal_inverts_from_normal(pair):
    prior, _ = pair
    theta = normal(3, 48)
    torch.testing.assert_close(
        prior.to_normal(prior.from_normal(theta)), theta, atol=1e-9, rtol=0
    )


def test_the_gradient_is_that_of_finite_differences(pair):
    prior, _ = pair
    theta = normal(2, 48).requires_grad_()
    assert torch.autograd.gradcheck(prior.from_normal, theta, eps=1e-5, rtol=1e-6, atol=1e-4)


def test_the_density_is_that_of_the_gaussian_copula(pair):
    prior, alone = pair
    m = torch.from_numpy(prior.sample(np.random.default_rng(6), 4))
    z = alone.to_normal(m)
    covariance = prior.correlation.correlate(torch.eye(48, dtype=torch.float64)).numpy()
    covariance = covariance.T @ covariance
    expected = (
        multivariate_normal.logpdf(z.numpy(), cov=covariance) - alone.log_abs_det(z).numpy()
    )
    np.testing.assert_allclose(prior.log_prob(m), expected, rtol=1e-9)
    assert (prior.log_prob(m + 5000) == -torch.inf).all()


def test_theta_is_standard_normal_under_the_prior(pair):
    prior, _ = pair
    theta = normal(3, 48)
    density = prior.log_prob(prior.from_normal(theta)) + prior.log_abs_det(theta)
    np.testing.assert_allclose(density, norm.logpdf(theta).sum(axis=1), rtol=1e-9)


def test_the_middle_of_theta_is_the_median_of_every_cell(pair):
    prior, alone = pair
    zero = torch.zeros(1, 48, dtype=torch.float64)
    np.testing.assert_array_equal(prior.from_normal(zero), alone.from_normal(zero))


def test_a_start_that_the_prior_allows_is_kept_and_a_rough_one_smoothed(pair):
    prior, _ = pair
    smooth = prior.from_normal(0.5 * normal(1, 48))
    kept = prior.from_normal(prior.start(smooth))
    assert abs((kept - smooth).numpy() / prior.sd).max() < 0.25
    rough = torch.from_numpy(prior.mean + 1.5 * prior.sd * (-1.0) ** np.arange(48))[None]
    theta = prior.start(torch.cat([rough, smooth]))
    assert theta[0].abs().max() <= 3 < prior.to_normal(rough).abs().max()
    torch.testing.assert_close(theta[1:], prior.start(smooth))


def test_the_direction_of_a_block_is_that_in_which_its_mean_grows_fastest(pair):
    prior, _ = pair
    block = torch.zeros(48, dtype=torch.float64)
    block[[0, 1, 4, 5]] = 1
    correlation = prior.correlation.correlate(torch.eye(48, dtype=torch.float64)).T
    torch.testing.assert_close(prior.direction(block), correlation.T @ block)
    along = correlation @ prior.direction(block)
    assert along[[0, 1, 4, 5]].min() > along[[20, 30, 47]].max()


def test_lengths_and_smoothness_of_each_axis_are_its_own():
    prior = prior_of(settings(length_m=(1e-3, 80.0, 80.0), smoothness=(2.5, 0.5, 1.5)))
    factor = prior.correlation.correlate(torch.eye(48, dtype=torch.float64)).numpy()
    rho = (factor.T @ factor).reshape(4, 3, 4, 4, 3, 4)
    assert rho[0, 1, 1, 1, 1, 1] == pytest.approx(0, abs=1e-12)
    assert rho[1, 0, 2, 1, 1, 2] == pytest.approx(np.exp(-0.5))
    s = np.sqrt(3) * 30 / 80
    assert rho[1, 1, 1, 1, 1, 2] == pytest.approx((1 + s) * np.exp(-s))


@pytest.mark.parametrize("shape", [(5, 1, 4), (5, 1, 1), (2, 3, 1)])
def test_axes_of_one_cell_are_fine(shape):
    prior = prior_of(settings(), Grid(shape, (50.0, 40.0, 30.0)))
    theta = normal(1, len(prior.lower))
    torch.testing.assert_close(prior.to_normal(prior.from_normal(theta)), theta)


def test_bounds_are_those_of_the_tables():
    chosen = settings()
    assert prior_bounds(chosen, chosen.cells(GRID)) == (1500, 4500)


def test_the_lengths_are_told_in_cells():
    chosen = settings(length_m=(100.0, 20.0, 600.0))
    findings = list(Matern.check(chosen, chosen.cells(GRID)))
    assert [f.level for f in findings] == ["ok", "warning", "warning"]
    assert "lengths of 2.0, 0.5, 20.0 cells along z, y, x" in findings[0].message
    assert "20 m along y, less than a cell of 40 m" in findings[1].message
    assert "600 m along x, more than the 120 m of unknown cells" in findings[2].message
    flat = Grid((5, 1, 40), (50.0, 40.0, 30.0))
    assert [f.level for f in Matern.check(chosen, chosen.cells(flat))] == ["ok"]


def test_cells_that_fill_no_box_are_refused():
    active = np.ones(GRID.shape, bool)
    active[0, 0, 0] = False
    with pytest.raises(ConfigError, match="unknown cells that fill a box"):
        prior_class(settings()).from_options(settings(), Cells(GRID, active))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mean_m_s": (1700.0, 4000.0)}, "'marginal: uniform' must not have mean_m_s"),
        ({"marginal": "normal"}, r"'marginal: normal' needs 'mean_m_s' and 'sd_m_s', got \[\]"),
        (
            {"marginal": "normal", **MOMENTS, "mean_m_s": (1700.0, 5000.0)},
            "'mean_m_s' must lie between",
        ),
        ({"length_m": -3.0}, "greater than 0"),
        ({"length_m": (10.0, 20.0)}, "length_m"),
        ({"smoothness": 3.0}, "less than or equal to 2.5"),
    ],
)
def test_impossible_settings_are_refused(changes, message):
    with pytest.raises(ValidationError, match=message):
        settings(**changes)


def test_a_run_of_another_kind_takes_over_what_both_have():
    tree = {
        "name": "two",
        "grid": {"shape": [10, 12, 14], "spacing_m": 50},
        "survey": {
            "format": "segy",
            "files": ["a.sgy"],
            "noise_sd": 1,
            "wavelet": {"ricker": {"peak_hz": 5, "delay_s": 0.24}},
        },
        "prior": {"kind": "matern", "length_m": 200, **TABLES},
        "inference": {"iterations": 3},
        "runs": [{"name": "alike"}, {"name": "alone", "prior": {"kind": "uniform"}}],
    }
    project = parse_project(tree)
    alike: Any = project.run("alike").prior
    assert alike.length_m == 200
    assert project.run("alone").prior == UniformSettings(kind="uniform", **TABLES)


def test_the_example_of_the_documentation_is_valid():
    text = (Path(__file__).parents[3] / "docs" / "theory" / "matern.md").read_text()
    (example,) = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    chosen = PriorSettings.model_validate(yaml.safe_load(example)["prior"])
    assert isinstance(chosen, MaternSettings)
    assert chosen.along(0) == (150, 0.5)
    assert chosen.along(2) == (800, 1.5)
