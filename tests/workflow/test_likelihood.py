"""A run whose section `likelihood` says what counts and infers its noise, to its report."""

import json

import h5py
import numpy as np
import pytest

# Its parts are tested apart; a whole run of it takes minutes.
pytestmark = pytest.mark.long

LIKELIHOOD = {
    "mute": {"min_offset_m": 100, "taper_m": 60, "after": {"time_s": 0.5, "taper_s": 0.1}},
    "noise": {"offset_edges_m": [250.0]},
}


def test_a_run_ends_with_its_noise_and_its_fit_by_group(surveyed):
    surveyed.keep("mean_field")
    surveyed.write(likelihood=LIKELIHOOD)
    surveyed.pvi("run", "tiny.yaml")
    run = surveyed.results / "mean_field"
    summary = json.loads((run / "summary.json").read_text())
    names = ["offset up to 250 m", "offset above 250 m"]
    assert list(summary["noise"]) == list(summary["groups"]) == names
    with h5py.File(run / "predictive.h5") as file:
        n_data = file["reduced_chi_squared/n_data"][...].sum()
        assert file["groups/n_data"][...].sum() == pytest.approx(n_data)
        assert 0 < n_data < 18 * 101
        draws = file["reduced_chi_squared/draws"][...]
        total = draws @ file["reduced_chi_squared/n_data"][...] / n_data
    assert summary["chi_squared"]["draws"] == pytest.approx(total.mean())
    # Far from converged: the misfit that is left counts as noise.
    factors = [noise["factor"] for noise in summary["noise"].values()]
    assert min(factors) > 1.2
    status = json.loads((run / "status.json").read_text())
    np.testing.assert_allclose(status["noise"], factors)
    page = (surveyed.results / "report" / "mean_field.html").read_text()
    assert "Noise sd inferred" in page and "offset above 250 m" in page
    # Other noise is another run.
    surveyed.write(likelihood={"noise": {}})
    assert "was begun with other settings" in surveyed.pvi("run", "tiny.yaml", code=2)
