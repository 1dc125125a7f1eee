"""The smoothed prior: its precision is that of second differences."""

from typing import Any

import numpy as np
import pytest
import torch

from pvi_hpc.errors import ConfigError
from pvi_hpc.grid import Cells, Grid
from pvi_hpc.priors import load_prior, map_faults
from pvi_hpc.priors.smoothed import Smoothed, SmoothedSettings

GRID = Grid((6, 4, 5), (50.0, 40.0, 30.0))
TABLES = {"depth_m": (0.0,), "lower_m_s": (1500.0,), "upper_m_s": (2500.0,)}


def settings(**changes):
    tree = {"kind": "smoothed", "length_m": (60.0, 90.0, 120.0), **TABLES, **changes}
    return SmoothedSettings.model_validate(tree)


def second_differences(n):
    """The matrix of second differences of `n` cells, edges mirrored."""
    slopes = np.diff(np.eye(n), axis=0)
    return slopes.T @ slopes


def test_the_precision_is_the_identity_and_squares_of_second_differences():
    chosen = settings()
    prior: Any = load_prior(chosen, chosen.cells(GRID))
    parts = np.eye(120)
    for axis, length in enumerate(chosen.lengths):
        factors = [np.eye(n) for n in GRID.shape]
        matrix = second_differences(GRID.shape[axis])
        factors[axis] = (length / GRID.spacing[axis]) ** 4 * matrix.T @ matrix
        parts = parts + np.kron(np.kron(factors[0], factors[1]), factors[2])
    covariance = np.linalg.inv(parts)
    sd = np.sqrt(np.diag(covariance))
    factor = prior.correlation.correlate(torch.eye(120, dtype=torch.float64)).numpy()
    np.testing.assert_allclose(
        factor.T @ factor, covariance / np.outer(sd, sd), rtol=1e-9, atol=1e-11
    )
    assert list(map_faults(prior)) == []


@pytest.mark.parametrize("marginal", ["uniform", "normal"])
def test_every_cell_keeps_its_marginal(marginal):
    normal = {"mean_m_s": (1900.0,), "sd_m_s": (200.0,)} if marginal == "normal" else {}
    chosen = settings(marginal=marginal, **normal)
    prior = load_prior(chosen, chosen.cells(GRID))
    draws = prior.sample(np.random.default_rng(3), 4000)
    # Correlated cells: the largest of 120 errors, of fewer independent ones.
    assert abs(draws.mean(axis=0) - prior.mean).max() < 4.5 * prior.sd.max() / np.sqrt(4000)
    assert abs(draws.std(axis=0) / prior.sd - 1).max() < 4.5 / np.sqrt(2 * 4000)


def test_cells_that_fill_no_box_are_refused():
    active = np.ones(GRID.shape, bool)
    active[0, 0, 0] = False
    with pytest.raises(ConfigError, match="unknown cells that fill a box"):
        Smoothed.from_options(settings(), Cells(GRID, active))


def test_the_lengths_are_told_in_cells():
    chosen = settings(length_m=(60.0, 20.0, 3000.0))
    findings = list(Smoothed.check(chosen, chosen.cells(GRID)))
    assert [f.level for f in findings] == ["ok", "warning", "warning"]
