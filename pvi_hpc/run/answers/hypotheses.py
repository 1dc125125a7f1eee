"""The posterior of a run under other priors, without simulations; evidence and ranking."""

import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pvi_hpc.answers.interrogation import Asked, interrogate, summarise
from pvi_hpc.answers.questions.question import load_question
from pvi_hpc.answers.replacement.change import PriorChange
from pvi_hpc.answers.replacement.evidence import Evidence, ranking
from pvi_hpc.answers.replacement.fit import Replaced, elbo_terms, replace_prior
from pvi_hpc.answers.replacement.gate import Gate, marginals, open_gate
from pvi_hpc.answers.replacement.implied import ImpliedTarget
from pvi_hpc.answers.replacement.tempered import tempered_terms
from pvi_hpc.config import Run
from pvi_hpc.config.hypotheses import HypothesisSettings
from pvi_hpc.config.load import run_under
from pvi_hpc.config.questions import QuestionSettings
from pvi_hpc.errors import ConfigError, NonFiniteError
from pvi_hpc.inference.method import FitsFamily
from pvi_hpc.priors.load import load_prior
from pvi_hpc.problem.coordinates import load_coordinates
from pvi_hpc.problem.model_map import ModelMap
from pvi_hpc.problem.problem import Problem
from pvi_hpc.run.draw_posterior import write_models
from pvi_hpc.run.segment import Fitted, load_fitted
from pvi_hpc.store.atomic import write_text
from pvi_hpc.store.layout import RunPaths
from pvi_hpc.store.samples import iter_samples

__all__ = ["replace_priors", "write_hypotheses"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Outcome:
    """The posterior under a hypothesis, and what is known of it."""

    replaced: Replaced
    gate: Gate
    evidence: Evidence
    fit: float
    information: float

    def facts(self) -> dict[str, Any]:
        return {
            "evidence": self.evidence.facts(),
            "gate": self.gate.facts(),
            "implied_log_likelihood": self.fit,
            "information": self.information,
            "iterations": self.replaced.iterations,
        }


def replace_priors(
    run: Run,
    survey: Path,
    paths: RunPaths,
    hypotheses: Sequence[HypothesisSettings],
    questions: Sequence[QuestionSettings] = (),
) -> dict[str, Any]:
    """Find the posterior of a run under each hypothesis; write its files, return the facts.

    Each that passes the gate has `posterior.h5`, `samples.nc` and `posterior.vtkhdf` in a
    folder of its own, and answers to the questions. One that does not is told with the reason
    and has no files.

    Raises
    ------
    ConfigError
        If the run's method fits no family, or the prior of a hypothesis cannot be made.
    CheckpointError
        If the run is not done.
    """
    problem = Problem.build(run, survey)
    fitted = load_fitted(problem, survey, paths)
    found: dict[str, Any] = {}
    for hypothesis in hypotheses:
        new = _under(problem, hypothesis)
        target = _implied(problem, fitted, new)
        log.info("Hypothesis '%s'", hypothesis.name)
        its = paths.under(hypothesis.name)
        for stale in (its.posterior, its.samples, its.vtk):
            stale.unlink(missing_ok=True)  # of other settings, should this one be refused
        try:
            outcome = _outcome(target, hypothesis, run.seed)
        except NonFiniteError as error:
            found[hypothesis.name] = {"refused": f"the optimisation ran away: {error}"}
            continue
        except ConfigError as error:
            found[hypothesis.name] = {"refused": str(error)}
            continue
        found[hypothesis.name] = outcome.facts()
        if not outcome.gate.passed:
            found[hypothesis.name]["refused"] = outcome.gate.refusal()
            continue
        attributes = {"run": run.name, "hypothesis": hypothesis.name, **fitted.id.attributes()}
        models = _models(new, outcome.replaced, run.seed)
        its.folder.mkdir(parents=True, exist_ok=True)
        write_models(new, models, its, attributes)
        found[hypothesis.name]["answers"] = _answers(new, its, questions)
    state = {"state": fitted.id.attributes()}
    return {**state, "hypotheses": found, "ranking": _ranking(found)}


def write_hypotheses(facts: dict[str, Any], path: Path) -> None:
    """Write what `replace_priors` returned."""
    write_text(path, json.dumps(facts, indent=1) + "\n")


def _under(problem: Problem, hypothesis: HypothesisSettings) -> Problem:
    """Return the problem with the prior of a hypothesis; its start need not suit that."""
    run = run_under(problem.run, hypothesis)
    cells = run.cells
    prior = load_prior(run.prior, cells)
    coordinates = load_coordinates(prior, run.inference.coordinates)
    made = ModelMap(prior, cells, problem.model_map.start, coordinates)
    return replace(problem, run=run, model_map=made)


def _implied(problem: Problem, fitted: Fitted, new: Problem) -> ImpliedTarget:
    method = problem.method(None)
    if not isinstance(method, FitsFamily):
        raise ConfigError(
            "A prior can be replaced where 'inference.method.kind' fits a family, such as "
            f"'vi', got '{problem.run.inference.method.kind}' in run '{problem.run.name}'."
        )
    parameters = method.fitted(fitted.progress.state)
    double = {name: value.detach().double() for name, value in parameters.items()}
    change = PriorChange(problem.model_map, new.model_map)
    return ImpliedTarget(change, method.family, double)


def _outcome(target: ImpliedTarget, hypothesis: HypothesisSettings, seed: int) -> _Outcome:
    replaced = replace_prior(target, hypothesis, seed)
    terms = elbo_terms(target, replaced, hypothesis.draws, seed)
    evidence = Evidence.of(terms.total, replaced.log_evidence_ratio)
    if evidence.kind == "bound" and hypothesis.temperatures:
        size = hypothesis.temperatures, hypothesis.chains
        evidence = evidence.along_path(tempered_terms(target, replaced, *size, seed))
    return _Outcome(
        replaced,
        open_gate(*marginals(target, replaced, hypothesis.draws, seed)),
        evidence,
        float(terms.likelihood.mean()),
        float(terms.divergence.mean()),
    )


def _answers(
    problem: Problem, paths: RunPaths, questions: Sequence[QuestionSettings]
) -> dict[str, Any]:
    """Return mean, sd and quantiles of each answer under the hypothesis."""
    cells = problem.model_map.cells
    asked = {q.name: Asked(load_question(q, cells), q.utility) for q in questions}
    found = interrogate(asked, iter_samples(paths.samples))
    keys = ("unit", "mean", "mean_se", "sd", "quantiles", "without_answer")
    told = {name: summarise(its, found[name], np.empty(0)) for name, its in asked.items()}
    return {name: {key: its[key] for key in keys} for name, its in told.items()}


def _models(problem: Problem, replaced: Replaced, seed: int) -> Iterator[NDArray[np.float32]]:
    for theta, _ in replaced.draws(problem.run.posterior.samples, seed, "replaced"):
        yield from problem.models(theta)


def _ranking(found: dict[str, Any]) -> dict[str, Any]:
    """Return the ranking of the hypotheses that passed, and of the run's own prior."""
    evidences = {"own": (0.0, 0.0)}
    for name, its in found.items():
        if "refused" not in its:
            evidence = its["evidence"]
            evidences[name] = evidence["log_ratio"], evidence["standard_error"]
    return ranking(evidences)
