"""A small travel-time run, served by a server in a thread of this process."""

import threading
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from external_example import SHAPE, SPACING, function, observed
from run_example import make_run

from pvi_hpc.data.survey_file import SurveyFile, write_survey
from pvi_hpc.forward.own_process import OwnProcessSimulator
from pvi_hpc.forward.problem import NoiseGradients
from pvi_hpc.problem.forward import forward_problem, solver_here
from pvi_hpc.problem.problem import Problem
from pvi_hpc.run.serving.models import served_models
from pvi_hpc.run.serving.server import ModelServer

PRIOR = {"kind": "normal", "depth_m": [0, 350], "mean_m_s": [2000, 3000], "sd_m_s": [150, 150]}
PRIOR |= {"lower_m_s": [1500, 2000], "upper_m_s": [2800, 4000]}


def a_run(folder: Path, **forward):
    """Return a run of straight rays, or of another forward problem."""
    tree = {"data": str(observed(folder)), "noise_sd": 0.01, **function(), **forward}
    if tree.get("returns", "data") != "data":
        del tree["data"], tree["noise_sd"]
    grid = {"shape": list(SHAPE), "spacing_m": SPACING}
    return make_run(survey=None, grid=grid, forward=tree, prior=PRIOR)


@contextmanager
def served(run, folder: Path):
    """Yield the problem, its simulator and the models that are served."""
    survey = folder / "survey.h5"
    write_survey(forward_problem(run).prepare(lambda *_: []), survey)
    problem = Problem.build(run, survey)
    with solver_here(run, survey) as solver:
        simulator = OwnProcessSimulator(solver)
        file, asked = SurveyFile(survey), forward_problem(run)
        simulate = (
            (lambda model: simulator.traces(model, range(problem.n_shots)))
            if asked.has_data
            else None
        )
        n = sum(len(shot.receivers) for shot in file.geometry().shots)
        products = isinstance(asked, NoiseGradients) and asked.has_noise_gradients
        models = served_models(problem, simulator, simulate, n, products=products)
        yield problem, simulator, models


@contextmanager
def listening(models, host="127.0.0.1"):
    """Yield the address of a server of models on any free port."""
    server, stop = ModelServer(models, host, 0), threading.Event()
    thread = threading.Thread(target=server.serve, args=(stop.is_set,))
    thread.start()
    try:
        yield server.url
    finally:
        stop.set()
        thread.join()


def a_theta(n: int, seed: int = 3) -> np.ndarray:
    """Return unknowns `(n,)` of about half a prior sd."""
    return 0.5 * np.random.default_rng(seed).standard_normal(n)
