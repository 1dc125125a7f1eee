"""Scores of a posterior against a true model and against the data."""

from dataclasses import replace

import numpy as np
import pytest
from report_example import example_view

from pvi_hpc.grid import Grid
from pvi_hpc.report.scores import central_interval, coverage
from pvi_hpc.report.tables import comparison_rows, provenance_rows, score_rows

GRID = Grid((12, 20, 26), (40.0, 60.0, 60.0))


@pytest.fixture(scope="module")
def view():
    return example_view(GRID)


@pytest.fixture
def calibrated(view):
    """The summary with a true model drawn from the posterior itself."""
    rng = np.random.default_rng(6)
    summary = view.summary
    noise = rng.standard_normal(GRID.shape).astype(np.float32)
    return replace(summary, true=summary.mean + summary.sd * noise)


@pytest.mark.parametrize("p", [0.5, 0.9])
def test_a_calibrated_posterior_covers_what_it_promises(calibrated, p):
    tolerance = 4 * np.sqrt(p * (1 - p) / calibrated.active.sum())
    assert coverage(calibrated, p) == pytest.approx(p, abs=tolerance)


def test_a_posterior_half_as_wide_covers_too_little(calibrated):
    narrow = replace(calibrated, sd=calibrated.sd / 2, quantiles={})
    assert coverage(narrow, 0.9) < 0.65


def test_fixed_cells_do_not_count(calibrated):
    wrong = np.where(calibrated.fixed, 9999, calibrated.true).astype(np.float32)
    assert coverage(replace(calibrated, true=wrong), 0.9) == coverage(calibrated, 0.9)


def test_intervals_come_from_the_quantiles_before_the_sd(calibrated):
    flat = {0.05: np.zeros(GRID.shape), 0.95: np.ones(GRID.shape)}
    lower, upper = central_interval(replace(calibrated, quantiles=flat), 0.9)
    assert (lower.max(), upper.min()) == (0, 1)
    lower, upper = central_interval(replace(calibrated, quantiles={}), 0.9)
    np.testing.assert_allclose(upper - lower, 2 * 1.6449 * calibrated.sd, rtol=1e-3, atol=0.1)


def test_a_perfect_mean_scores_perfectly(view):
    perfect = replace(view, summary=replace(view.summary, mean=view.summary.true))
    found = perfect.scores
    assert found["rms_mean"] == 0
    assert found["correlation_mean"] == pytest.approx(1, abs=1e-12)
    assert found["anomaly_correlation_mean"] == pytest.approx(1, abs=1e-12)


def test_a_gradient_correlates_only_through_its_trend(view):
    found = view.scores
    assert found["correlation_start"] > 0.5
    assert abs(found["anomaly_correlation_start"]) < 0.2
    assert found["correlation_mean"] > found["correlation_start"]


def test_a_constant_start_has_no_correlation(view):
    constant = np.full(GRID.shape, 2000, dtype=np.float32)
    changed = replace(view, summary=replace(view.summary, start=constant))
    assert np.isnan(changed.scores["correlation_start"])
    notes = {row.name: row.note for row in score_rows(changed)}
    assert "constant" in notes["Correlation of mean with true"]


def test_without_a_true_model_only_the_data_are_scored(view):
    found = replace(view, summary=replace(view.summary, true=None)).scores
    assert "coverage_50" not in found
    assert found["chi_squared_mean"] == pytest.approx(1.01, abs=0.02)


def test_the_spread_of_chi_squared_is_that_of_noise(view):
    n = view.predictive.misfits.n_data.sum()
    draws = np.random.default_rng(7).chisquare(n, 4000) / n
    assert view.scores["chi_squared_spread"] == pytest.approx(draws.std(), rel=0.05)


def test_every_run_has_the_same_columns(view):
    bare = replace(view, predictive=None, facts={}, summary=replace(view.summary, true=None))
    full, empty = comparison_rows([view, bare])
    assert list(full) == list(empty)
    assert full["ELBO"] == "-1,143,210.4 ± 31.2"
    assert empty["ELBO"] == empty["wall time"] == "–"


def test_provenance_flattens_what_it_is_given(view):
    rows = {row.name: row.value for row in provenance_rows(view)}
    assert rows["versions torch"] == "2.5.1"
    assert "elbo" not in rows
