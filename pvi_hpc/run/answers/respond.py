"""Linear response of a run's answers, with products simulated by its workers."""

import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from torch import Tensor

from pvi_hpc.answers.linear_response import Products, Response, begin, step
from pvi_hpc.answers.questions.question import HasGradient, load_question
from pvi_hpc.config import Run
from pvi_hpc.config.questions import LinearResponseSettings, QuestionSettings
from pvi_hpc.errors import ConfigError
from pvi_hpc.execution.lease import Lease
from pvi_hpc.families.capabilities import Gaussian
from pvi_hpc.inference.method import FitsFamily
from pvi_hpc.inference.noise_inference import factors_of
from pvi_hpc.inference.state import State
from pvi_hpc.problem.curvature import PosteriorCurvature
from pvi_hpc.problem.forward import refuse_without_products, simulation_setup
from pvi_hpc.problem.problem import Problem
from pvi_hpc.run.interrupt import StopFlag
from pvi_hpc.run.safe_points import SafePoints
from pvi_hpc.run.segment import load_fitted
from pvi_hpc.run.workers import workers_of
from pvi_hpc.store.layout import RunPaths

__all__ = ["Responses", "covariance_of", "respond"]

log = logging.getLogger(__name__)

#: Name of the file of how far it is.
STATE: Final = "state"
#: Smallest sd of the preconditioner of a method without a Gaussian, in those of the largest.
LEAST_SD: Final = 1e-3


@dataclass(frozen=True)
class Responses:
    """Linear response of answers, by the names of the questions, and what it cost."""

    answers: Mapping[str, Mapping[str, Any]]
    simulations: int


def respond(
    run: Run,
    survey: Path,
    paths: RunPaths,
    questions: Sequence[QuestionSettings],
    stop: StopFlag,
) -> Responses:
    """Return the sd by linear response of each answer whose question asks for it.

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
        return Responses({}, 0)
    problem = Problem.build(run, survey)
    fitted = load_fitted(problem, survey, paths)
    state = fitted.progress.state
    told = [question.model_dump_json(exclude={"linear_response"}) for question in wanted]
    key = hashlib.sha256(repr((fitted.id.attributes(), told)).encode()).hexdigest()
    steps = SafePoints(paths.responding, key, stop)
    factors = factors_of(state.memory)
    precisions = () if factors is None else tuple(factors.precisions.tolist())
    simulates = run.inference.use_data
    if simulates:
        refuse_without_products(run)
    with Lease(paths.lease):
        workers = (
            workers_of(run, simulation_setup(run, survey), paths, stop.__bool__)
            if simulates
            else nullcontext()
        )
        with workers as simulator:
            theta = problem.method(None).moments(state)[0].double()
            shots = problem.n_shots
            curvature = PosteriorCurvature(
                problem.model_map, theta, simulator, shots, precisions
            )
            gradients = curvature.pulled(_gradients(wanted, run, curvature))
            covariance = covariance_of(problem, state)
            limits = [its.linear_response or LinearResponseSettings() for its in wanted]
            solve = _Solve(gradients, limits, curvature.products, covariance, steps)
            found = solve.to_the_end()
    steps.clear()
    return _told(wanted, problem, state, found, gradients, shots if simulates else 0)


def covariance_of(problem: Problem, state: State) -> Products:
    """Return products with the covariance of the fitted distribution.

    That of a Gaussian family is exact; of another method there are the sds.
    """
    method = problem.method(None)
    if isinstance(method, FitsFamily) and isinstance(method.family, Gaussian):
        family = method.family
        parameters = {k: v.detach().double() for k, v in method.fitted(state).items()}

        def product(rows: Tensor) -> Tensor:
            return family.apply(parameters, family.apply_transposed(parameters, rows)).detach()

        return product
    sd = method.moments(state)[1].double()
    variance = sd.clamp(min=LEAST_SD * float(sd.max())) ** 2
    return lambda rows: variance * rows


@dataclass(frozen=True)
class _Solve:
    """Conjugate gradients whose state is kept after every round."""

    gradients: Tensor
    limits: Sequence[LinearResponseSettings]
    precision: Products
    covariance: Products
    steps: SafePoints

    def to_the_end(self) -> Response:
        kept = self.steps.kept(STATE)
        state = begin(self.gradients, self.covariance) if kept is None else _of(kept)
        while len(active := state.active(self.limits)):
            log.info(
                "Linear response: product %d, of %d answers", len(state.gains) + 1, len(active)
            )
            state = _of(self.steps.renew(STATE, self._round(state, active)))
        return state

    def _round(self, state: Response, active: Any) -> Callable[[], dict[str, Any]]:
        return lambda: step(state, active, self.precision, self.covariance).arrays()


def _of(arrays: Mapping[str, Any]) -> Response:
    return Response.of_arrays(arrays)


def _gradients(
    questions: Sequence[QuestionSettings], run: Run, curvature: PosteriorCurvature
) -> Any:
    """Return the derivatives `(K, nz, ny, nx)` of the answers at the mean model."""
    model, rows = curvature.model.astype(np.float32), []
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
    problem: Problem,
    state: State,
    found: Response,
    gradients: Tensor,
    shots: int,
) -> Responses:
    """Return the numbers as JSON values."""
    method = problem.method(None)
    linear = isinstance(method, FitsFamily) and isinstance(method.family, Gaussian)
    rows = covariance_of(problem, state)(gradients)
    of_family = np.sqrt((rows.numpy() * gradients.numpy()).sum(axis=1))
    told, total = {}, 0
    for k, question in enumerate(questions):
        limit = question.linear_response or LinearResponseSettings()
        products = int(found.products[k])
        total += products * shots
        told[question.name] = {
            "sd": float(np.sqrt(found.variances[k])),
            "sd_of_family": float(of_family[k]) if linear else None,
            "products": products,
            "simulations": products * shots,
            "change": float(found.changes[k]),
            "converged": bool(found.changes[k] <= limit.tolerance),
        }
    return Responses(told, total)
