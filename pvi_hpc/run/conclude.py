"""The last figures of a run: predictive data, final ELBO, cost."""

import hashlib
import json
import time
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pvi_hpc.answers.block_tails import block_k_hats
from pvi_hpc.answers.predictive_check import (
    Likelihood,
    Models,
    Once,
    ShotSimulator,
    log_likelihoods,
    predict,
)
from pvi_hpc.config import Run
from pvi_hpc.data.survey import Survey
from pvi_hpc.data.survey_file import read_survey
from pvi_hpc.execution.lease import Lease
from pvi_hpc.inference.elbo import ElboEstimate, density_error
from pvi_hpc.inference.noise_inference import factors_of, precisions_of
from pvi_hpc.problem.forward import simulation_setup
from pvi_hpc.problem.problem import Problem
from pvi_hpc.run.controller import Progress
from pvi_hpc.run.fit_facts import group_facts, noise_facts
from pvi_hpc.run.interrupt import StopFlag
from pvi_hpc.run.provenance import machine, versions
from pvi_hpc.run.safe_points import SafePoints
from pvi_hpc.run.segment import Fitted, load_fitted
from pvi_hpc.run.workers import workers_of
from pvi_hpc.store.atomic import write_text
from pvi_hpc.store.layout import RunPaths
from pvi_hpc.store.posterior_file import PosteriorSummary, read_posterior
from pvi_hpc.store.predictive_file import Predictive, write_predictive

__all__ = ["conclude_run"]


@dataclass(frozen=True)
class Draws:
    """Posterior draws `(S, n)` and their models `(S, nz, ny, nx)` [m/s]."""

    theta: torch.Tensor
    models: NDArray[np.float32]


def conclude_run(
    run: Run, survey: Path, paths: RunPaths, shown: int | None, stop: StopFlag
) -> None:
    """Simulate data from posterior draws, and write what a run amounts to.

    `shown` is the id of a shot whose traces the report shows. What was simulated before a
    stop is not simulated again.

    Raises
    ------
    StopRequestedError
        If something asked to stop; every shot is a safe point.
    CheckpointError, ResultFileError
        If the run is not done, or its posterior is of another state.
    """
    problem = Problem.build(run, survey)
    fitted = load_fitted(problem, survey, paths)
    summary, observed = read_posterior(paths.posterior), read_survey(survey)
    fitted.id.refuse_other(paths.posterior, summary.attributes)
    draws, progress = _draw(problem, fitted.progress), fitted.progress
    once = SafePoints(paths.predicted, _key(run, fitted, summary, shown), stop)
    start = time.monotonic()
    setup = simulation_setup(run, survey)
    with Lease(paths.lease), workers_of(run, setup, paths, stop.__bool__) as simulator:
        models = Models(summary.start, summary.mean, draws.models)
        likelihood = Likelihood.of(
            observed, problem.weighting, precisions_of(progress.state.memory)
        )
        predictive = predict(observed, simulator, models, shown, once, likelihood)
        k_hats = _k_hats(problem, progress, observed, simulator, once)
    predictive = replace(predictive, attributes=fitted.id.attributes())
    write_predictive(paths.predictive, predictive)
    seconds = once.saved_seconds + time.monotonic() - start
    facts = {
        **_final_elbo(problem, progress, draws, predictive),
        **_figures(fitted, predictive, k_hats),
        **noise_facts(problem, progress.state),
        **_cost(run, progress, (predictive, k_hats), seconds),
        "seed": run.seed,
        "versions": versions(),
        **machine(),
    }
    write_text(paths.summary, json.dumps(facts, indent=1) + "\n")
    once.clear()


def _key(run: Run, fitted: Fitted, summary: PosteriorSummary, shown: int | None) -> str:
    """Return a hash of all that the simulated data depend on."""
    mean = hashlib.sha256(summary.mean.tobytes()).hexdigest()
    # "by group": what earlier versions kept has no sums of groups.
    parts = ("by group", fitted.id.attributes(), run.posterior.model_dump_json(), mean, shown)
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def _draw(problem: Problem, progress: Progress) -> Draws:
    n = problem.run.posterior.predictive_draws
    theta = problem.method(None).sample(progress.state, n)
    return Draws(theta, problem.models(theta))


def _final_elbo(
    problem: Problem, progress: Progress, draws: Draws, predictive: Predictive
) -> dict[str, float]:
    """Return the ELBO of the draws that were simulated anyway, all shots, and its error."""
    method = problem.method(None)
    log_q = method.log_prob(progress.state, draws.theta)
    if log_q is None:
        return {}
    log_joint = problem.model_map.coordinates.log_prior(draws.theta).numpy()
    if problem.run.inference.use_data:
        misfits = predictive.misfits
        log_joint = log_joint - 0.5 * misfits.draws @ misfits.n_data
        factors, noise = factors_of(progress.state.memory), problem.noise
        if factors is not None and noise is not None:
            log_joint = log_joint + factors.elbo(noise.n_data, noise.prior)
    error = density_error(method, progress.state)
    estimate = ElboEstimate.of(log_joint, log_q.numpy(), error)
    return {"elbo": estimate.mean, "elbo_se": estimate.standard_error}


def _figures(
    fitted: Fitted, predictive: Predictive, k_hats: dict[str, float]
) -> dict[str, Any]:
    state = fitted.progress.state
    chi_squared = {
        which: float(np.mean(predictive.misfits.total(which)))
        for which in ("start", "mean", "draws")
    }
    return {
        **({"chi_squared": chi_squared} if predictive.of_data else {}),
        **group_facts(predictive),
        **({"k_hat": k_hats} if k_hats else {}),
        "iterations": state.iteration,
        "converged": state.converged,
        "state": fitted.id.attributes(),
    }


def _k_hats(
    problem: Problem,
    progress: Progress,
    observed: Survey,
    simulator: ShotSimulator,
    once: Once,
) -> dict[str, float]:
    """Return k-hat of every block, none where the configuration does not ask for them."""
    run, blocks = problem.run, count()

    def log_likelihood(models: NDArray[np.float32]) -> NDArray[np.float64]:
        if not run.inference.use_data:
            return np.zeros(len(models))
        told = Likelihood(problem.weighting, precisions=precisions_of(progress.state.memory))
        return log_likelihoods(observed, simulator, models, f"block-{next(blocks)}", once, told)

    settings = run.posterior.k_hat
    if settings is None:
        return {}
    return block_k_hats(problem, progress.state, settings, log_likelihood)


def _cost(
    run: Run, progress: Progress, after: tuple[Predictive, dict[str, float]], seconds: float
) -> dict[str, Any]:
    execution, simulated = run.execution, progress.count
    cores = execution.workers * execution.ranks * execution.threads
    misfits, blocks = after[0].misfits, len(after[1]) if run.inference.use_data else 0
    predicted = misfits.draws.size + 2 * len(misfits.ids)
    of_tails = 0
    if run.posterior.k_hat is not None:
        of_tails = blocks * run.posterior.k_hat.draws * len(misfits.ids)
    wall = progress.seconds + seconds
    return {
        "simulations": {
            "done": simulated.done + predicted + of_tails,
            "failed": simulated.failed,
            "retried": simulated.retried,
            "samples dropped": simulated.dropped,
            "for the posterior": simulated.done,
            "for the predictive check": predicted,
            "for k-hat": of_tails,
        },
        "wall_seconds": wall,
        "core_hours": wall * cores / 3600,
        "execution": f"{execution.executor}: {execution.workers} workers x "
        f"{execution.ranks} ranks x {execution.threads} threads",
    }
