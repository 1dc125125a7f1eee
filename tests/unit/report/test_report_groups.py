"""Groups of data in the report: their fit, their noise, and what does not count."""

from dataclasses import replace

import numpy as np
import pytest
from report_example import FACTS, example_view

from pvi_hpc.grid import Grid
from pvi_hpc.report.figures.gathers import gathers
from pvi_hpc.report.tables import group_rows, noise_rows, provenance_rows, score_rows
from pvi_hpc.store.predictive_file import GroupMisfits

NOISE = {"n_data": 1200.0, "factor": 1.25, "interval_90": [1.2, 1.31]}


@pytest.fixture(scope="module")
def view():
    plain = example_view(Grid((8, 20, 22), (60.0, 60.0, 60.0)))
    draws = np.array([[3.0, 1.0], [3.2, 1.02]])
    n_data, ones = np.array([200.0, 5000.0]), np.ones(2)
    groups = GroupMisfits(
        ("offset up to 100 m", "offset above 100 m"), n_data, n_data, 9 * ones,
        np.array([3.1, 0.99]), draws, ones,
    )  # fmt: skip
    facts = {**FACTS, "noise": {"all data": NOISE}, "groups": {"offset up to 100 m": {}}}
    return replace(plain, predictive=replace(plain.predictive, groups=groups), facts=facts)


def test_every_group_has_its_chi_squared_and_its_p_value(view):
    near, far = group_rows(view)
    assert (near.name, near.value) == ("offset up to 100 m", "3.100")
    assert near.note == "draws 3.100, p-value < 0.001"
    assert far.value == "0.990" and "p-value 0." in far.note
    assert group_rows(replace(view, predictive=None)) == []


def test_inferred_noise_has_a_table_and_chi_squared_says_that_it_is_by_it(view):
    (row,) = noise_rows(view)
    assert (row.name, row.value) == ("all data", "1.250")
    assert "interval 1.200 to 1.310, 1,200 data" in row.note
    (start,) = [row for row in score_rows(view) if row.name == "Reduced chi-squared, start"]
    assert start.note.endswith("by the noise inferred")
    names = " ".join(row.name for row in provenance_rows(view))
    assert "noise" not in names and "groups" not in names


def test_residuals_of_data_that_do_not_count_are_not_drawn(view):
    shots = view.predictive.shots
    weights = np.ones((len(shots[0].receivers), 1))
    weights[:] = 0
    hidden = tuple(replace(shot, weights=weights) for shot in shots)
    muted = replace(view, predictive=replace(view.predictive, shots=hidden))

    def residual(of):
        return gathers(of).axes[5].get_images()[0].get_array()

    assert np.abs(residual(view)).max() > 0
    assert np.abs(residual(muted)).max() == 0
