"""Linear response of a run's answers, with products simulated by its workers."""

import hashlib
import logging
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from pvi_hpc.answers.linear_response import Products, Response, begin, step
from pvi_hpc.answers.questions.question import HasGradient, load_question
from pvi_hpc.config import Run
from pvi_hpc.config.questions import LinearResponseSettings, QuestionSettings
from pvi_hpc.errors import ConfigError
from pvi_hpc.execution.dask_simulator import DaskSimulator
from pvi_hpc.execution.lease import Lease
from pvi_hpc.families.capabilities import Gaussian
from pvi_hpc.inference.method import FitsFamily
from pvi_hpc.inference.noise_inference import precisions_of
from pvi_hpc.inference.state import State
from pvi_hpc.problem.curvature import PosteriorCurvature
from pvi_hpc.problem.forward import refuse_without_products, simulation_setup
from pvi_hpc.problem.problem import Problem
from pvi_hpc.run.interrupt import StopFlag
from pvi_hpc.run.safe_points import SafePoints
from pvi_hpc.run.segment import load_fitted
from pvi_hpc.run.workers import workers_of
from pvi_hpc.store.layout import RunPaths

__all__ = ["covariance_of", "respond"]

log = logging.getLogger(__name__)

#: Name of the file of how far it is.
STATE: Final = "state"
#: Smallest sd of the preconditioner of a method without a Gaussian, in those of the largest.
LEAST_SD: Final = 1e-3


def respond(
    run: Run,
    survey: Path,
    paths: RunPaths,
    questions: Sequence[QuestionSettings],
    stop: StopFlag,
) -> dict[str, dict[str, Any]]:
    """Return the sd by linear response of each answer whose question asks for it, by name.

    Products of all answers are simulated side by side. Each round of them is a safe point: what
    was simulated before a stop is not simulated again.

    Raises
    ------
    ConfigError
        If a question has no gradient, or simulations have no products.
    StopRequestedError
        If something asked to stop.
    CheckpointError
        If the run is not done.
    """
    wanted = [question for question in questions if question.linear_response is not None]
    if not wanted:
        return {}
    if run.inference.use_data:
        refuse_without_products(run)
    problem = Problem.build(run, survey)
    fitted = load_fitted(problem, survey, paths)
    state = fitted.progress.state
    curvature = _curvature(problem, state)
    gradients = curvature.pulled(_gradients(wanted, run, curvature.model))
    told = [question.model_dump_json(exclude={"linear_response"}) for question in wanted]
    key = hashlib.sha256(repr((fitted.id.attributes(), told)).encode()).hexdigest()
    steps = SafePoints(paths.responding, key, stop)
    covariance = covariance_of(problem, state)
    with Lease(paths.lease), _workers(run, survey, paths, stop) as simulator:
        products = replace(curvature, simulator=simulator).products
        limits = [its.linear_response or LinearResponseSettings() for its in wanted]
        found = _Solve(limits, products, covariance, steps).to_the_end(gradients)
    steps.clear()
    of_family = None
    if _gaussian(problem, state) is not None:
        rows = covariance(gradients).numpy() * gradients.numpy()
        of_family = np.sqrt(rows.sum(axis=1))
    shots = problem.n_shots if run.inference.use_data else 0
    return _told(wanted, found, of_family, shots)


def covariance_of(problem: Problem, state: State) -> Products:
    """Return products with the covariance of the fitted distribution.

    That of a Gaussian family is exact; of another method there are the sds.
    """
    found = _gaussian(problem, state)
    if found is not None:
        return found
    sd = problem.method(None).moments(state)[1].double()
    variance = sd.clamp(min=LEAST_SD * float(sd.max())) ** 2
    return lambda rows: variance * rows


def _gaussian(problem: Problem, state: State) -> Products | None:
    """Return products with the covariance of a Gaussian family; None where it is none."""
    method = problem.method(None)
    if not (isinstance(method, FitsFamily) and isinstance(method.family, Gaussian)):
        return None
    family = method.family
    parameters = {k: v.detach().double() for k, v in method.fitted(state).items()}

    def product(rows: Tensor) -> Tensor:
        return family.apply(parameters, family.apply_transposed(parameters, rows)).detach()

    return product


def _curvature(problem: Problem, state: State) -> PosteriorCurvature:
    """Return the precision at the mean, without workers for its products."""
    precisions = precisions_of(state.memory)
    mean = problem.method(None).moments(state)[0].double()
    return PosteriorCurvature(problem.model_map, mean, None, problem.n_shots, precisions)


def _workers(
    run: Run, survey: Path, paths: RunPaths, stop: StopFlag
) -> AbstractContextManager[DaskSimulator | None]:
    if not run.inference.use_data:
        return nullcontext()
    return workers_of(run, simulation_setup(run, survey), paths, stop.__bool__)


@dataclass(frozen=True)
class _Solve:
    """Conjugate gradients whose state is kept after every round."""

    limits: Sequence[LinearResponseSettings]
    precision: Products
    covariance: Products
    steps: SafePoints

    def to_the_end(self, gradients: Tensor) -> Response:
        kept = self.steps.kept(STATE)
        state = begin(gradients, self.covariance) if kept is None else Response.of_arrays(kept)
        while len(active := state.active(self.limits)):
            log.info(
                "Linear response: product %d of %d answers", len(state.gains) + 1, len(active)
            )
            state = self._round(state, active)
        return state

    def _round(self, state: Response, active: NDArray[np.intp]) -> Response:
        def products() -> dict[str, Any]:
            return step(state, active, self.precision, self.covariance).arrays()

        return Response.of_arrays(self.steps.renew(STATE, products))


def _gradients(
    questions: Sequence[QuestionSettings], run: Run, mean: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the derivatives `(K, nz, ny, nx)` of the answers at the mean model."""
    model, rows = mean.astype(np.float32), []
    for settings in questions:
        question = load_question(settings, run.cells)
        assert isinstance(question, HasGradient)  # `load_question` asks for it
        if not np.isfinite(question.answer(model)):
            raise ConfigError(
                f"'questions': 'linear_response' of '{settings.name}' needs an answer of the "
                "mean model, which has none; remove 'linear_response', or move its box or "
                "threshold."
            )
        rows.append(question.gradient(model))
    return np.stack(rows)


def _told(
    questions: Sequence[QuestionSettings],
    found: Response,
    of_family: NDArray[np.float64] | None,
    shots: int,
) -> dict[str, dict[str, Any]]:
    """Return the numbers as JSON values; `of_family` are the sds by its covariance."""
    told = {}
    for k, question in enumerate(questions):
        limit = question.linear_response or LinearResponseSettings()
        products = int(found.products[k])
        told[question.name] = {
            "sd": float(np.sqrt(found.variances[k])),
            "sd_of_family": None if of_family is None else float(of_family[k]),
            "products": products,
            "simulations": products * shots,
            "change": float(found.changes[k]),
            "converged": bool(found.changes[k] <= limit.tolerance),
        }
    return told
