"""The last figures of a run: predictive data, final ELBO, cost; and the report of all."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pvi_hpc.answers.block_tails import block_k_hats
from pvi_hpc.answers.predictive_check import (
    Models,
    SimulateModels,
    Traces,
    log_likelihoods,
    predict,
)
from pvi_hpc.config import Project, Run
from pvi_hpc.data.survey import Survey
from pvi_hpc.data.survey_file import read_survey
from pvi_hpc.execution.lease import Lease
from pvi_hpc.inference.elbo import ElboEstimate
from pvi_hpc.numerics.standard_normal import log_density
from pvi_hpc.problem.forward import simulation_setup
from pvi_hpc.problem.problem import Problem
from pvi_hpc.report.pages import write_site
from pvi_hpc.report.view import load_view
from pvi_hpc.run.controller import Progress
from pvi_hpc.run.provenance import machine, versions
from pvi_hpc.run.segment import load_progress
from pvi_hpc.run.workers import workers_of
from pvi_hpc.store.atomic import write_text
from pvi_hpc.store.layout import ProjectPaths, RunPaths
from pvi_hpc.store.posterior_file import read_posterior
from pvi_hpc.store.predictive_file import Predictive, write_predictive

__all__ = ["conclude_run", "write_project_report"]


@dataclass(frozen=True)
class Draws:
    """Posterior draws `(S, n)` and their models `(S, nz, ny, nx)` [m/s]."""

    theta: torch.Tensor
    models: NDArray[np.float32]


def conclude_run(run: Run, survey: Path, paths: RunPaths, shown: int | None) -> None:
    """Simulate data from posterior draws, and write what a run amounts to.

    `shown` is the id of a shot whose traces the report shows.
    """
    problem = Problem.build(run, survey)
    progress = load_progress(problem, survey, paths)
    draws = _draw(problem, progress)
    start = time.monotonic()
    with Lease(paths.lease), workers_of(run, simulation_setup(run, survey), paths) as simulator:

        def simulate(batch: NDArray[np.float32], shots: Sequence[int]) -> list[list[Traces]]:
            return simulator.simulate(batch, [shots] * len(batch))

        summary, observed = read_posterior(paths.posterior), read_survey(survey)
        models = Models(summary.start, summary.mean, draws.models)
        predictive = predict(observed, simulate, models, shown)
        k_hats = _k_hats(problem, progress, observed, simulate)
    write_predictive(paths.predictive, predictive)
    facts = {
        **_final_elbo(problem, progress, draws, predictive),
        "chi_squared": {
            which: float(np.mean(predictive.misfits.total(which)))
            for which in ("start", "mean", "draws")
        },
        **({"k_hat": k_hats} if k_hats else {}),
        **_cost(run, progress, (predictive, k_hats), time.monotonic() - start),
        "iterations": progress.state.iteration,
        "converged": progress.state.converged,
        "seed": run.seed,
        "versions": versions(),
        **machine(),
    }
    write_text(paths.summary, json.dumps(facts, indent=1) + "\n")


def write_project_report(project: Project, paths: ProjectPaths) -> None:
    """Write the pages and figures of all runs."""
    views = []
    for run in project.resolved:
        problem = Problem.build(run, paths.survey)
        progress = load_progress(problem, paths.survey, paths.run(run.name))
        views.append(
            load_view(
                paths.run(run.name).folder,
                paths.survey,
                project,
                run,
                history=progress.history.arrays,
            )
        )
    write_site(views, paths.report)


def _draw(problem: Problem, progress: Progress) -> Draws:
    n = problem.run.posterior.predictive_draws
    theta = problem.method(None).sample(progress.state, n)
    return Draws(theta, problem.models(theta))


def _final_elbo(
    problem: Problem, progress: Progress, draws: Draws, predictive: Predictive
) -> dict[str, float]:
    """Return the ELBO of the draws that were simulated anyway, all shots, and its error."""
    log_q = problem.method(None).log_prob(progress.state, draws.theta)
    if log_q is None:
        return {}
    log_joint = log_density(draws.theta).numpy()
    if problem.run.inference.use_data:
        misfits = predictive.misfits
        log_joint = log_joint - 0.5 * misfits.draws @ misfits.n_data
    estimate = ElboEstimate.of(log_joint, log_q.numpy())
    return {"elbo": estimate.mean, "elbo_se": estimate.standard_error}


def _k_hats(
    problem: Problem, progress: Progress, observed: Survey, simulate: SimulateModels
) -> dict[str, float]:
    """Return k-hat of every block, none where the configuration does not ask for them."""
    run = problem.run

    def log_likelihood(models: NDArray[np.float32]) -> NDArray[np.float64]:
        if not run.inference.use_data:
            return np.zeros(len(models))
        return log_likelihoods(observed, simulate, models)

    settings = run.posterior.k_hat
    if settings is None:
        return {}
    return block_k_hats(problem, progress.state, settings, log_likelihood)


def _cost(
    run: Run, progress: Progress, after: tuple[Predictive, dict[str, float]], seconds: float
) -> dict[str, Any]:
    execution, count = run.execution, progress.count
    cores = execution.workers * execution.ranks * execution.threads
    misfits, blocks = after[0].misfits, len(after[1]) if run.inference.use_data else 0
    predicted = misfits.draws.size + 2 * len(misfits.ids)
    of_tails = 0
    if run.posterior.k_hat is not None:
        of_tails = blocks * run.posterior.k_hat.draws * len(misfits.ids)
    wall = progress.seconds + seconds
    return {
        "simulations": {
            "done": count.done + predicted + of_tails,
            "failed": count.failed,
            "retried": count.retried,
            "samples dropped": count.dropped,
            "for the posterior": count.done,
            "for the predictive check": predicted,
            "for k-hat": of_tails,
        },
        "wall_seconds": wall,
        "core_hours": wall * cores / 3600,
        "execution": f"{execution.executor}: {execution.workers} workers x "
        f"{execution.ranks} ranks x {execution.threads} threads",
    }
