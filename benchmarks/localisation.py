"""Compare tapered gradients of noise with the exact Gauss-Newton Hessian of a small survey.

    python benchmarks/localisation.py [--truth 0]

The truth is one of `pvi calibrate config/calibrate3d.yaml --run metric`, whose mean is found as
that run finds it. The Hessian is made of Born runs, one for every cell and shot: 19,200. The
table has, for numbers of gradients a shot and lengths of the taper, the divergence of
`N(mu, P^-1)` from that of the exact precision [nats], the ratio of sds of cells by thirds of
the depths and of the 27 block means, and the shares of the truth in intervals of 90 %; the last
line is one JSON object.
"""

import argparse
import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from pvi_hpc.config import load_project
from pvi_hpc.data.survey_file import write_survey
from pvi_hpc.families.family import LOCATION
from pvi_hpc.families.gaussian.taper import Taper
from pvi_hpc.forward.acoustic.acoustic_solver import AcousticSolver
from pvi_hpc.forward.acoustic.shots import ShotSolver
from pvi_hpc.forward.own_process import OwnProcessSimulator
from pvi_hpc.forward.problem import Solver
from pvi_hpc.inference.methods.vi import VariationalInference
from pvi_hpc.inference.target import NoiseTarget
from pvi_hpc.numerics.random import keyed_rng
from pvi_hpc.problem.forward import solver_here
from pvi_hpc.problem.problem import Problem
from pvi_hpc.run.calibration.quantities import Quantities
from pvi_hpc.run.calibration.survey import SurveyCase, draw_survey

ROOT = Path(__file__).parents[1]
GRADIENTS = 12, 48, 150, 400
TAPERS = 3.0, 5.0, 8.0, 12.0, np.inf
DRAWS = 200

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Point:
    """A mean that has arrived, and what is known of the log posterior around it.

    `prior`, `exact` are the prior's precision and the data's Hessian `(n, n)`, `gradients`
    those of noise `(shots, K, n)`, `mean` `(n,)`; `truth` `(n,)` is in m/s.
    """

    problem: Problem
    quantities: Quantities
    mean: Array
    truth: Array
    prior: Array
    exact: Array
    gradients: Array

    @cached_property
    def reference(self) -> "Gaussian":
        """The Gaussian of the exact Hessian."""
        return Gaussian(self.prior + self.exact, self)


@dataclass(frozen=True)
class Gaussian:
    """`N(mean, P^-1)` of a dense precision."""

    precision: Array
    point: Point

    @cached_property
    def factor(self) -> torch.Tensor:
        """The Cholesky factor of the precision."""
        return torch.linalg.cholesky(torch.from_numpy(self.precision))

    @cached_property
    def covariance(self) -> Array:
        """The covariance `(n, n)`."""
        return np.asarray(torch.cholesky_inverse(self.factor))

    @property
    def log_det(self) -> float:
        """Logarithm of the determinant of the factor."""
        return float(self.factor.diagonal().log().sum())

    def divergence(self) -> float:
        """Return the KL divergence from the reference [nats]."""
        exact = self.point.reference
        trace = float(np.sum(self.covariance * exact.precision))
        return 0.5 * (trace - len(self.precision)) + self.log_det - exact.log_det

    def sds(self) -> list[Array]:
        """Return the sds of cells in each third of the depths, and of block means."""
        sd, of = np.sqrt(np.diag(self.covariance)), self.point.quantities
        blocks = [self.covariance[np.ix_(b, b)].mean() for b in of.blocks]
        return [*(sd[third] for third in of.thirds), np.sqrt(blocks)]

    def coverage(self) -> list[float]:
        """Return the shares of the truth in 90 % intervals: cells by thirds, block means."""
        eps = keyed_rng(4, "draws").standard_normal((len(self.precision), DRAWS))
        off = torch.linalg.solve_triangular(self.factor.T, torch.from_numpy(eps), upper=True)
        theta = torch.from_numpy(self.point.mean) + off.T
        problem, of = self.point.problem, self.point.quantities
        models = problem.models(theta)[:, problem.model_map.active]
        shares = []
        for name in ("upper third", "middle third", "lower third", "block means"):
            truth, drawn = of.values(name, self.point.truth[None])[0], of.values(name, models)
            low, high = np.quantile(drawn, [0.05, 0.95], axis=0)
            shares.append(float(np.mean((truth >= low) & (truth <= high))))
        return shares


def point_of(index: int) -> Point:
    """Invert truth `index`, and find everything around its mean."""
    case = SurveyCase(load_project(ROOT / "config" / "calibrate3d.yaml").run("metric"))
    run = case.of_truth(index)
    with tempfile.TemporaryDirectory() as folder:
        truth, survey = draw_survey(run, Path(folder))
        path = Path(folder) / "survey.h5"
        write_survey(survey, path)
        problem = Problem.build(run, path)
        with solver_here(run, path) as solver:
            method, state = problem.method(OwnProcessSimulator(solver)), problem.start()
            assert isinstance(method, VariationalInference)
            while state.iteration < run.start.to_map:
                state, _ = method.step(state)
            mean, target = state.parameters[LOCATION].double(), method.target
            assert isinstance(target, NoiseTarget)
            shots = tuple(range(problem.n_shots))
            at, n = mean[None].repeat(len(shots), 1), len(mean)
            parts = [
                target.noise_rows(at, shots, range(first, first + 50)).rows.numpy()
                for first in range(0, max(GRADIENTS), 50)
            ]
            gradients = np.concatenate([p.reshape(len(shots), -1, n) for p in parts], axis=1)
            exact = hessian(solver, problem, mean)
            prior = target.prior_precision(torch.eye(n, dtype=torch.float64)).numpy()
    of_truth = truth[problem.model_map.active]
    symmetric = 0.5 * (prior + prior.T)
    return Point(problem, case.quantities, mean.numpy(), of_truth, symmetric, exact, gradients)


def hessian(solver: Solver, problem: Problem, mean: torch.Tensor) -> Array:
    """Return `J^T W J` `(n, n)` by the unknowns, column by column."""
    assert isinstance(solver, ShotSolver)
    leaf = mean.clone().requires_grad_()
    model = problem.model_map.models(leaf[None])[0]
    slopes = torch.autograd.grad(model.sum(), leaf)[0].numpy()
    solver.set_model(model.detach().numpy())
    active, found = problem.model_map.active, np.zeros((len(mean), len(mean)))
    for index in range(problem.n_shots):
        columns = np.stack(list(_columns(solver, index, active, slopes)))
        found += columns @ columns.T
    return found


def _columns(
    solver: ShotSolver, index: int, active: NDArray[np.bool_], slopes: Array
) -> Iterator[Array]:
    """Yield the whitened change of a shot's data with every unknown."""
    its, setup, waves = solver.survey.shot(index), solver.setup, solver.waves
    assert isinstance(waves, AcousticSolver)
    places = setup.grid.relative(its.source), setup.grid.relative(its.receivers)
    sd = np.asarray(its.noise_sd, dtype=np.float64)[:, None]
    for cell, slope in zip(np.argwhere(active), slopes, strict=True):
        direction = np.zeros(active.shape, np.float32)
        direction[tuple(cell)] = 1
        born = waves.born(places[0], solver.wavelet, places[1], direction)
        traces = born.linearised[:, :: setup.steps_per_sample][:, : solver.survey.n_samples]
        yield (np.asarray(traces) / sd * slope).ravel()


def tapered(point: Point, gradients: int, sd: float) -> Gaussian:
    """Return the Gaussian of so many gradients a shot, tapered."""
    rows = point.gradients[:, :gradients].reshape(-1, len(point.mean)) / gradients**0.5
    found = rows.T @ rows
    if np.isfinite(sd):
        taper = Taper(point.problem.model_map.active, sd)
        ones, eye = torch.ones(1, len(found)).double(), torch.eye(len(found)).double()
        found *= torch.stack([taper.couple(ones, x) for x in eye]).numpy()
    return Gaussian(point.prior + found, point)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--truth", type=int, default=0)
    torch.set_num_threads(1)
    point = point_of(parser.parse_args().truth)
    exact, found = point.reference.sds(), {}
    print(f"exact: coverage {np.round(point.reference.coverage(), 2).tolist()}")
    print("gradients taper  KL [nats]  ratio of sds: thirds, blocks  coverage")
    for gradients in GRADIENTS:
        for sd in TAPERS:
            its = tapered(point, gradients, sd)
            ratios = [float(np.mean(a / b)) for a, b in zip(its.sds(), exact, strict=True)]
            shares, divergence = its.coverage(), its.divergence()
            print(
                f"{gradients:9d} {sd:5g} {divergence:10.0f}  {np.round(ratios, 2).tolist()}"
                f"  {np.round(shares, 2).tolist()}",
                flush=True,
            )
            found[f"{gradients} {sd:g}"] = [divergence, *ratios, *shares]
    print(json.dumps(found))


if __name__ == "__main__":
    main()
