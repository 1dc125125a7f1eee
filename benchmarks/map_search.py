"""Compare searches for the mode of a small 3D waveform inversion, gradient by gradient.

    python benchmarks/map_search.py [--truths 3] [--gradients 80]

Truths are those of `pvi calibrate config/calibrate3d.yaml`. Our L-BFGS, PETSc's TAO (`blmvm`)
and SciPy's L-BFGS-B go from the same start, with eight pairs each and gradients of all shots.
The table has the best log posterior after so many gradients, in nats below the best of all; the
last line is one JSON object.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize

from pvi_hpc.config import load_project
from pvi_hpc.data.survey_file import write_survey
from pvi_hpc.forward.own_process import OwnProcessSimulator
from pvi_hpc.inference.method import Method
from pvi_hpc.inference.methods.vi import VariationalInference
from pvi_hpc.inference.starts.lbfgs import MEMORY
from pvi_hpc.inference.state import State
from pvi_hpc.numerics.petsc import has_petsc
from pvi_hpc.problem.forward import solver_here
from pvi_hpc.problem.problem import Problem
from pvi_hpc.run.calibration.survey import SurveyCase, draw_survey

ROOT = Path(__file__).parents[1]
STEP = 0.1

Array = NDArray[np.float64]
#: Log posteriors in the order of evaluation, and the seconds besides simulations.
Path_ = tuple[list[float], float]


@contextmanager
def inversion(index: int, lbfgs: str, gradients: int) -> Iterator[tuple[Method, State]]:
    """Yield the method and the first state of an inversion of truth `index`."""
    run = load_project(ROOT / "config" / "calibrate3d.yaml").run("mean_field")
    run = SurveyCase(run).of_truth(index)
    changes = {"map_iterations": gradients, "map_step": STEP, "lbfgs": lbfgs}
    start = run.start.model_copy(update={**changes, "map_gain": None, "hessian": None})
    run = run.model_copy(update={"start": start})
    with tempfile.TemporaryDirectory() as folder:
        survey = Path(folder) / "survey.h5"
        write_survey(draw_survey(run, Path(folder))[1], survey)
        problem = Problem.build(run, survey)
        with solver_here(run, survey) as solver:
            yield problem.method(OwnProcessSimulator(solver)), problem.start()


def of_ours(lbfgs: str) -> Callable[[int, int], Path_]:
    """Return the search of a run, with an implementation of L-BFGS."""

    def search(index: int, gradients: int) -> Path_:
        values, waves, begun = [], 0.0, time.perf_counter()
        with inversion(index, lbfgs, gradients) as (method, state):
            begun = time.perf_counter()
            while state.iteration < gradients:
                state, info = method.step(state)
                values.append(float(info.terms[0]))
                waves += info.count.seconds
            return values, time.perf_counter() - begun - waves

    return search


def of_scipy(index: int, gradients: int) -> Path_:
    """Search with SciPy's L-BFGS-B."""
    values: list[float] = []
    waves = 0.0
    with inversion(index, "own", gradients) as (method, state):
        assert isinstance(method, VariationalInference)
        target = method.target

        def loss(x: Array) -> tuple[float, Array]:
            nonlocal waves
            if len(values) == gradients:
                raise StopIteration
            value = target.value(torch.from_numpy(x.copy())[None])
            waves += value.count.seconds
            values.append(float(value.log_likelihood + value.log_prior))
            return -values[-1], -value.gradient[0].numpy()

        first = state.parameters["mu"].numpy().astype(np.float64)
        options = {"maxcor": MEMORY, "maxfun": 10**6, "maxiter": 10**6, "ftol": 0, "gtol": 0}
        begun = time.perf_counter()
        with suppress(StopIteration):
            minimize(loss, first, jac=True, method="L-BFGS-B", options=options)
        return values, time.perf_counter() - begun - waves


def main() -> None:
    """Run all searches and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--truths", type=int, default=3)
    parser.add_argument("--gradients", type=int, default=80)
    given = parser.parse_args()
    searches = {"own": of_ours("own"), "SciPy": of_scipy}
    if has_petsc():
        searches["TAO"] = of_ours("blmvm")
    shown = [n for n in (10, 20, 40, 80, 160) if n <= given.gradients]
    short: dict[str, Array] = {}
    seconds = dict.fromkeys(searches, 0.0)
    for index in range(given.truths):
        found = {name: search(index, given.gradients) for name, search in searches.items()}
        best = max(max(values) for values, _ in found.values())
        for name, (values, taken) in found.items():
            gaps = best - np.maximum.accumulate([*values, *[values[-1]] * given.gradients])
            row = gaps[[n - 1 for n in shown]]
            short[name] = short.get(name, np.zeros(len(shown))) + row / given.truths
            seconds[name] += taken / given.truths
            told = zip(shown, row, strict=True)
            print(index, f"{name:6}", *(f"{n}: {gap:10.1f}" for n, gap in told))
    line = {
        name: {str(n): round(float(gap), 1) for n, gap in zip(shown, row, strict=True)}
        for name, row in short.items()
    }
    print(json.dumps({"nats_below_the_best": line, "seconds_besides_waves": seconds}))


if __name__ == "__main__":
    main()
