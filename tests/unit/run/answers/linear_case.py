"""A small linear run that is fitted in this process, for steps that come after."""

from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from run_example import make_run
from scipy.sparse import csr_array, random_array, save_npz

from pvi_hpc.config import Run
from pvi_hpc.config.questions import QuestionFile
from pvi_hpc.data.survey_file import write_survey
from pvi_hpc.diagnostics.linear_gaussian import LinearGaussian
from pvi_hpc.forward.own_process import OwnProcessSimulator
from pvi_hpc.problem.forward import forward_problem, solver_here
from pvi_hpc.run import segment
from pvi_hpc.run.answers import correct, respond
from pvi_hpc.run.interrupt import StopFlag
from pvi_hpc.run.results import RunResults
from pvi_hpc.run.segment import advance_run
from pvi_hpc.store.layout import ProjectPaths, RunPaths

SHAPE, ROWS, SHOTS = (1, 6, 7), 30, 3
MEAN, SD, NOISE = 0.3, 0.05, 0.03


class Counting(OwnProcessSimulator):
    """Counts products, and batches of misfits; asks to stop after some of them."""

    done = 0
    stop: StopFlag | None = None
    stop_after = -1

    def products(self, *arguments):
        found = super().products(*arguments)
        self.count(len(found.products))
        return found

    def misfits(self, *arguments):
        found = super().misfits(*arguments)
        self.count(1)
        return found

    @classmethod
    def count(cls, n):
        Counting.done += n
        if Counting.stop is not None and Counting.done == Counting.stop_after:
            Counting.stop.received = "SIGTERM"


@dataclass(frozen=True)
class Case:
    """The run, its files and its matrix."""

    run: Run
    survey: Path
    paths: RunPaths
    matrix: Any
    folder: Path

    @property
    def results(self):
        return RunResults(self.run, ProjectPaths(self.folder), self.paths)


def fitted_run(folder, monkeypatch, noise=NOISE):
    """Return a run whose mean field starts from gradients of noise, done."""
    rng = np.random.default_rng(3)
    matrix = csr_array(random_array((ROWS, 42), density=0.3, rng=rng, format="csr"))
    save_npz(folder / "jacobian.npz", matrix)
    np.save(folder / "data.npy", matrix @ (MEAN + SD * rng.standard_normal(42)))
    forward = {
        "kind": "linear",
        "jacobian": {"file": str(folder / "jacobian.npz")},
        "data": str(folder / "data.npy"),
        "noise_sd": noise,
        "shots": SHOTS,
    }
    run = make_run(
        survey=None,
        grid={"shape": list(SHAPE), "spacing_m": 1.0},
        prior={"kind": "normal", "depth_m": [0], "mean_m_s": [MEAN], "sd_m_s": [SD]},
        forward=forward,
        start={"map_optimiser": "lbfgs", "map_iterations": 20, "hessian": {"kind": "noise"}},
        inference={"iterations": 0, "samples": 2},
        posterior={"samples": 100},
    )
    survey, paths = folder / "survey.h5", RunPaths(folder / "good")
    paths.folder.mkdir()
    write_survey(forward_problem(run).geometry(), survey)

    @contextmanager
    def here(run, setup, paths, stop=None):
        with solver_here(run, survey) as solver:
            yield Counting(solver)

    for module in (segment, respond, correct):
        monkeypatch.setattr(module, "workers_of", here)
    for name, value in (("done", 0), ("stop", None)):
        monkeypatch.setattr(Counting, name, value)
    advance_run(run, survey, paths, run.start.iterations, StopFlag())
    return Case(run, survey, paths, matrix, folder)


def questions(response, more=()):
    """Return two averages with a linear response, one without, and more."""
    boxes = [{"y_m": [0, 2], "x_m": [0, 3]}, {"y_m": [3, 5]}]
    asked: list[Any] = [
        {"name": f"box{i}", "kind": "average", "box": box, "linear_response": response}
        for i, box in enumerate(boxes)
    ]
    asked += [{"name": "plain", "kind": "average"}, *more]
    return QuestionFile.model_validate({"questions": asked}).questions


def exact(matrix, data, noise=NOISE):
    """Return the exact posterior, and the weights `(2, n)` of the two averages."""
    weights = np.zeros((2, *SHAPE))
    weights[0, 0, :3, :4], weights[1, 0, 3:] = 1 / 12, 1 / 21
    posterior = LinearGaussian.of(matrix, data, noise, MEAN, SD**2 * np.eye(42))
    return posterior, weights.reshape(2, -1)
