"""Answers of a run to questions: of its saved samples or of new draws, beside its prior's."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pvi_hpc.answers.interrogation import Asked, interrogate, summarise
from pvi_hpc.answers.questions.question import load_question
from pvi_hpc.config.questions import QuestionSettings
from pvi_hpc.errors import ConfigError
from pvi_hpc.numerics.random import keyed_rng
from pvi_hpc.priors.load import load_prior
from pvi_hpc.run.answers.respond import respond
from pvi_hpc.run.interrupt import StopFlag
from pvi_hpc.run.results import RunResults
from pvi_hpc.store.atomic import write_text
from pvi_hpc.store.posterior_file import PosteriorSummary
from pvi_hpc.store.samples import count_samples, sample_attributes

__all__ = ["ask", "write_answers"]

Model = NDArray[np.float32]

#: Relative difference of two sds of an answer that a reader should know of.
DISAGREE: Final = 0.25


@dataclass(frozen=True)
class _Draws:
    """Models of a run: of its posterior, the saved ones or new, and of its prior."""

    results: RunResults
    summary: PosteriorSummary
    n: int
    new: bool

    def posterior(self) -> Iterator[Model]:
        if not self.new:
            yield from self.results.samples()
            return
        for i in range(self.n):
            yield self.results.draw(1, first=i)[0]

    def prior(self) -> Iterator[Model]:
        run = self.results.settings
        prior = load_prior(run.prior, run.cells)
        for i in range(self.n):
            model = self.summary.start.copy()
            draw = prior.sample(keyed_rng(run.seed, "prior of answers", i), 1)[0]
            model[run.cells.active] = draw.astype(np.float32)
            yield model


def ask(
    results: RunResults,
    questions: Sequence[QuestionSettings],
    draws: int | None = None,
    stop: StopFlag | None = None,
) -> dict[str, dict[str, Any]]:
    """Return the posterior of the answer to each question, by its name, as JSON values.

    Models are taken one at a time. Beside the answers of the draws there are those of draws
    of the prior, of the mean model, and of the true one where it is known; and the sd by
    linear response where a question asks for it, which starts the run's workers.

    Parameters
    ----------
    results
        A run whose posterior is drawn.
    questions
        What to ask.
    draws
        Number of posterior models, drawn anew from the newest checkpoint; None: those that
        were saved, all of them.
    stop
        Looked at between simulations of a linear response.

    Raises
    ------
    ConfigError
        If a question cannot be asked on this grid, or there are too few draws.
    StopRequestedError
        If something asked to stop; what was simulated is kept.
    ResultFileError, CheckpointError
        If the posterior, its samples or the checkpoint are not there.
    """
    if draws is not None and draws < 2:
        raise ConfigError(f"'draws' must be at least 2, got {draws}; 200 or more are usual.")
    run = results.settings
    asked = {q.name: Asked(load_question(q, run.cells), q.utility) for q in questions}
    summary = results.posterior
    n = count_samples(results.paths.samples) if draws is None else draws
    models = _Draws(results, summary, n, draws is not None)
    answers = interrogate(asked, models.posterior())
    of_prior = interrogate(asked, models.prior())
    found = {}
    for name, its in asked.items():
        found[name] = summarise(its, answers[name], of_prior[name]["asked"])
        found[name]["of_the_mean_model"] = _answer(its, summary.mean)
        if summary.true is not None:
            found[name]["true"] = _answer(its, summary.true)
    survey = results.project.survey
    responses = respond(run, survey, results.paths, questions, stop or StopFlag())
    for name, told in responses.items():
        found[name]["linear_response"] = {**told, **_agreement(told, found[name]["sd"])}
    return found


def write_answers(
    results: RunResults, questions: Sequence[QuestionSettings], stop: StopFlag | None = None
) -> None:
    """Write `answers.json` of a run, from its saved samples; errors as `ask`."""
    state = {
        name: value
        for name, value in sample_attributes(results.paths.samples).items()
        if name.startswith("state_")
    }
    tree = {"state": state, "answers": ask(results, questions, stop=stop)}
    write_text(results.paths.answers, json.dumps(tree, indent=1) + "\n")


def _agreement(response: Mapping[str, Any], sd_of_draws: float | None) -> dict[str, Any]:
    """Return the family's sd over that by linear response, and whether they are far apart.

    The family's is that of its Gaussian, linear like the response; else that of the draws.
    """
    family = response["sd_of_family"]
    sd = sd_of_draws if family is None else family
    if sd is None or not response["sd"]:
        return {"ratio": None, "disagrees": False}
    ratio = sd / response["sd"]
    return {"ratio": ratio, "disagrees": not 1 / (1 + DISAGREE) <= ratio <= 1 + DISAGREE}


def _answer(asked: Asked, model: Model) -> float | None:
    found = asked.question.answer(model)
    return found if np.isfinite(found) else None
