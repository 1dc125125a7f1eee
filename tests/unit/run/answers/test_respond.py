"""Linear response of a run's answers: exact on a linear problem, kept when stopped."""

import numpy as np
import pytest
from external_example import external_run, function
from linear_case import ROWS, SHOTS, Counting, exact, fitted_run, questions

from pvi_hpc.errors import ConfigError, StopRequestedError
from pvi_hpc.run.answers.respond import respond
from pvi_hpc.run.interrupt import StopFlag


@pytest.fixture
def fitted(tmp_path, monkeypatch):
    case = fitted_run(tmp_path, monkeypatch)
    return case.run, case.survey, case.paths, case.matrix


def exact_sds(matrix):
    posterior, weights = exact(matrix, np.zeros(ROWS))
    return np.sqrt(np.diag(posterior.covariance(weights)))


def test_the_sd_is_that_of_the_exact_posterior_where_the_familys_is_not(fitted):
    run, survey, paths, matrix = fitted
    found = respond(run, survey, paths, questions({"tolerance": 1e-6}), StopFlag())
    assert list(found) == ["box0", "box1"]
    told = list(found.values())
    np.testing.assert_allclose([its["sd"] for its in told], exact_sds(matrix), rtol=1e-4)
    assert all(its["converged"] and its["change"] < 1e-6 for its in told)
    family = np.array([its["sd_of_family"] for its in told])
    assert np.abs(family / exact_sds(matrix) - 1).min() > 0.03
    assert sum(its["products"] for its in told) == Counting.done
    assert all(its["simulations"] == SHOTS * its["products"] for its in told)
    assert not paths.responding.exists()


def test_a_stop_loses_no_product_and_changes_no_bit(fitted, monkeypatch):
    run, survey, paths, _ = fitted
    whole = respond(run, survey, paths, questions({}), StopFlag())
    taken, stop = Counting.done, StopFlag()
    monkeypatch.setattr(Counting, "done", 0)
    monkeypatch.setattr(Counting, "stop", stop)
    monkeypatch.setattr(Counting, "stop_after", 6)
    with pytest.raises(StopRequestedError, match="SIGTERM"):
        respond(run, survey, paths, questions({}), stop)
    assert (paths.responding / "state.npz").exists()
    monkeypatch.setattr(Counting, "stop", None)
    assert respond(run, survey, paths, questions({}), StopFlag()) == whole
    assert Counting.done == taken


def test_a_limit_of_products_is_kept_and_told(fitted):
    run, survey, paths, matrix = fitted
    limit = questions({"products": 2, "tolerance": 1e-6})
    found = respond(run, survey, paths, limit, StopFlag())
    for its, right in zip(found.values(), exact_sds(matrix), strict=True):
        assert its["products"] == 2 and not its["converged"]
        assert its["sd"] < right  # a sum of positive terms
    assert respond(run, survey, paths, questions(None), StopFlag()) == {}


def test_what_has_no_response_is_refused(fitted, tmp_path):
    run, survey, paths, _ = fitted
    body = {
        "name": "body",
        "kind": "connected_volume",
        "above_m_s": 0.3,
        "threshold_step_m_s": 0.1,
    }
    asked = questions(None, more=[body | {"linear_response": {}}])
    with pytest.raises(ConfigError, match="'linear_response' of 'body' needs an answer that"):
        respond(run, survey, paths, asked, StopFlag())
    deep = {"name": "deep", "kind": "average", "linear_response": {"products": 0}}
    with pytest.raises(ValueError, match="greater than 0"):
        questions(None, more=[deep])
    by_differences = external_run(tmp_path, **{**function(), "gradient": "differences"})
    with pytest.raises(ConfigError, match="needs simulations that pull any change"):
        respond(by_differences, survey, paths, questions({}), StopFlag())
