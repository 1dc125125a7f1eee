"""A corrected posterior of a run: the exact one where the fit is not, kept when stopped."""

import json

import h5py
import numpy as np
import pytest
from linear_case import SHAPE, Counting, exact, fitted_run, questions

from pvi_hpc.errors import ConfigError, StopRequestedError
from pvi_hpc.problem.problem import Problem
from pvi_hpc.report.corrected import corrected_rows
from pvi_hpc.run.answers.correct import Length, correct
from pvi_hpc.run.draw_posterior import write_posterior_files
from pvi_hpc.run.interrupt import StopFlag
from pvi_hpc.run.segment import load_fitted

#: Data that teach little, so that short chains from a mean field arrive.
NOISE = 0.1
SHORT = Length(chains=3, warmup=30, draws=40)


@pytest.fixture
def done(tmp_path, monkeypatch):
    """A linear run whose posterior is drawn, as results; and its matrix."""
    case = fitted_run(tmp_path, monkeypatch, NOISE)
    problem = Problem.build(case.run, case.survey)
    write_posterior_files(problem, load_fitted(problem, case.survey, case.paths), case.paths)
    return case


def test_means_and_sds_are_those_of_the_exact_posterior(done):
    found = correct(done.results, questions(None), Length(4, 200, 480), StopFlag())
    posterior, weights = exact(done.matrix, np.load(done.folder / "data.npy"), NOISE)
    means, sds = weights @ posterior.mean, np.sqrt(np.diag(posterior.covariance(weights)))
    assert 0.2 < found["acceptance"] < 0.5 and found["step"] < 1
    assert found["simulations"] == 681 * 4 * 3
    for name, mean, sd in zip(("box0", "box1"), means, sds, strict=True):
        its = found["quantities"][name]
        assert its["r_hat"] < 1.2 and its["effective"] > 25
        assert abs(its["mean"] - mean) < 4 * sd / np.sqrt(its["effective"])
        assert its["sd"] == pytest.approx(sd, rel=4 / np.sqrt(2 * its["effective"]))
    assert json.loads(done.paths.corrected_facts.read_text()) == found
    with h5py.File(done.paths.corrected.posterior) as file:
        assert file["mean"].shape == SHAPE and file.attrs["user_corrected"] == "yes"
    assert len(corrected_rows(found)) == len(found["quantities"]) == 4 + 3


def test_a_stop_loses_nothing_and_changes_no_bit(done, monkeypatch):
    whole = correct(done.results, questions(None), SHORT, StopFlag())
    stop = StopFlag()
    monkeypatch.setattr(Counting, "stop", stop)
    monkeypatch.setattr(Counting, "stop_after", 50)
    monkeypatch.setattr(Counting, "done", 0)
    with pytest.raises(StopRequestedError, match="SIGTERM"):
        correct(done.results, questions(None), SHORT, stop)
    assert (done.paths.correcting / "state.npz").exists()
    monkeypatch.setattr(Counting, "stop", None)
    again = correct(done.results, questions(None), SHORT, StopFlag())
    assert {**again, "seconds": 0} == {**whole, "seconds": 0}
    assert Counting.done == 71  # the first states, and a batch a step
    assert not done.paths.correcting.exists()


def test_chains_that_tell_nothing_are_refused(done):
    with pytest.raises(ConfigError, match="'chains' must be at least 2"):
        correct(done.results, (), Length(1, 10, 100), StopFlag())
    with pytest.raises(ConfigError, match="must be at least the 100 samples"):
        correct(done.results, (), Length(2, 10, 20), StopFlag())
