"""Linear response of a run's answers: exact on a linear problem, kept when stopped."""

from contextlib import contextmanager

import numpy as np
import pytest
from external_example import external_run, function
from run_example import make_run
from scipy.sparse import csr_array, random_array, save_npz

from pvi_hpc.config.questions import QuestionFile
from pvi_hpc.data.survey_file import write_survey
from pvi_hpc.diagnostics.linear_gaussian import LinearGaussian
from pvi_hpc.errors import ConfigError, StopRequestedError
from pvi_hpc.forward.own_process import OwnProcessSimulator
from pvi_hpc.problem.forward import forward_problem, solver_here
from pvi_hpc.run import segment
from pvi_hpc.run.answers import respond as module
from pvi_hpc.run.answers.respond import respond
from pvi_hpc.run.interrupt import StopFlag
from pvi_hpc.run.segment import advance_run
from pvi_hpc.store.layout import RunPaths

SHAPE, ROWS, SHOTS = (1, 6, 7), 30, 3
MEAN, SD = 0.3, 0.05


class Counting(OwnProcessSimulator):
    """Counts products; asks to stop after some of them."""

    done = 0
    stop: StopFlag | None = None
    stop_after = -1

    def products(self, *arguments):
        found = super().products(*arguments)
        Counting.done += len(found.products)
        if Counting.stop is not None and Counting.done == Counting.stop_after:
            Counting.stop.received = "SIGTERM"
        return found


def questions(response, **changes):
    boxes = [{"y_m": [0, 2], "x_m": [0, 3]}, {"y_m": [3, 5]}]
    asked = [
        {"name": f"box{i}", "kind": "average", "box": box, "linear_response": response}
        for i, box in enumerate(boxes)
    ]
    asked.append({"name": "plain", "kind": "average"})
    return QuestionFile.model_validate(
        {"questions": [*asked, *changes.get("more", [])]}
    ).questions


@pytest.fixture
def fitted(tmp_path, monkeypatch):
    """A linear run whose mean field starts from gradients of noise, done; and its matrix."""
    rng = np.random.default_rng(3)
    matrix = csr_array(random_array((ROWS, 42), density=0.3, rng=rng, format="csr"))
    save_npz(tmp_path / "jacobian.npz", matrix)
    np.save(tmp_path / "data.npy", matrix @ (MEAN + SD * rng.standard_normal(42)))
    forward = {
        "kind": "linear",
        "jacobian": {"file": str(tmp_path / "jacobian.npz")},
        "data": str(tmp_path / "data.npy"),
        "noise_sd": 0.03,
        "shots": SHOTS,
    }
    run = make_run(
        survey=None,
        grid={"shape": list(SHAPE), "spacing_m": 1.0},
        prior={"kind": "normal", "depth_m": [0], "mean_m_s": [MEAN], "sd_m_s": [SD]},
        forward=forward,
        start={"map_optimiser": "lbfgs", "map_iterations": 20, "hessian": {"kind": "noise"}},
        inference={"iterations": 0, "samples": 2},
    )
    survey, paths = tmp_path / "survey.h5", RunPaths(tmp_path / "good")
    paths.folder.mkdir()
    write_survey(forward_problem(run).geometry(), survey)

    @contextmanager
    def here(run, setup, paths, stop=None):
        with solver_here(run, survey) as solver:
            yield Counting(solver)

    for each in (segment, module):
        monkeypatch.setattr(each, "workers_of", here)
    monkeypatch.setattr(Counting, "done", 0)
    monkeypatch.setattr(Counting, "stop", None)
    advance_run(run, survey, paths, run.start.iterations, StopFlag())
    return run, survey, paths, matrix


def exact_sds(matrix):
    data = np.zeros(ROWS)
    found = LinearGaussian.of(matrix, data, 0.03, MEAN, SD**2 * np.eye(42))
    weights = np.zeros((2, *SHAPE))
    weights[0, 0, :3, :4], weights[1, 0, 3:] = 1 / 12, 1 / 21
    return np.sqrt(np.diag(found.covariance(weights.reshape(2, -1))))


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
    for its, exact in zip(found.values(), exact_sds(matrix), strict=True):
        assert its["products"] == 2 and not its["converged"]
        assert its["sd"] < exact  # a sum of positive terms
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
