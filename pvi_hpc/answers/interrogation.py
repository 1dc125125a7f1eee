"""The posterior of an answer: a question asked of every draw, one model in memory at a time."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pvi_hpc.answers.questions.question import HasThreshold, Model, Question
from pvi_hpc.answers.utility import best_answer
from pvi_hpc.config.questions import UtilitySettings

__all__ = ["LEVELS", "Asked", "interrogate", "summarise"]

Array = NDArray[np.float64]

#: Probabilities of the quantiles of an answer.
LEVELS: Final = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True)
class Asked:
    """A question and how it is told: its unit, and the cost of a wrong answer."""

    question: Question
    utility: UtilitySettings

    @property
    def variants(self) -> dict[str, Question]:
        """The question, and with thresholds a step lower and higher, where it has one."""
        question = self.question
        if not isinstance(question, HasThreshold):
            return {"asked": question}
        middle, step = question.threshold, question.threshold_step
        return {
            "asked": question,
            "lower": question.at(middle - step),
            "higher": question.at(middle + step),
        }


def interrogate(
    asked: Mapping[str, Asked], models: Iterable[Model]
) -> dict[str, dict[str, Array]]:
    """Return the answers `(S,)` of models `(nz, ny, nx)` [m/s], by question and variant.

    All questions are asked of a model before the next one is taken from `models`.
    """
    variants = {name: each.variants for name, each in asked.items()}
    found: dict[str, dict[str, list[float]]] = {
        name: {variant: [] for variant in its} for name, its in variants.items()
    }
    for model in models:
        for name, its in variants.items():
            for variant, question in its.items():
                found[name][variant].append(question.answer(model))
    return {n: {v: np.array(x) for v, x in its.items()} for n, its in found.items()}


def summarise(asked: Asked, answers: Mapping[str, Array], prior: Array) -> dict[str, Any]:
    """Return the posterior of an answer, as JSON values; None where no draw has one.

    Parameters
    ----------
    asked
        The question.
    answers
        Answers of posterior draws, by variant, as `interrogate` returns them.
    prior
        Answers of prior draws.
    """
    values = answers["asked"]
    have = values[np.isfinite(values)]
    found = {
        "unit": asked.question.unit,
        "draws": len(values),
        "without_answer": 1 - len(have) / len(values),
        **_moments(have),
        "utility": asked.utility.model_dump(mode="json"),
        "prior": _moments(prior[np.isfinite(prior)]),
        "values": _listed(values),
        "prior_values": _listed(prior),
    }
    if len(have):
        decision = best_answer(have, asked.utility)
        found |= {"optimal_answer": decision.answer, "expected_cost": decision.cost}
    return {**found, **_sensitivity(asked.question, answers)}


def _moments(values: Array) -> dict[str, Any]:
    """Return mean, its standard error, sd and quantiles; None where there is no value."""
    n = len(values)
    if not n:
        return {"mean": None, "mean_se": None, "sd": None, "quantiles": {}}
    sd = float(values.std(ddof=1)) if n > 1 else 0.0
    levels = zip(LEVELS, np.quantile(values, LEVELS), strict=True)
    return {
        "mean": float(values.mean()),
        "mean_se": sd / float(np.sqrt(n)),
        "sd": sd,
        "quantiles": {f"{level:g}": float(value) for level, value in levels},
    }


def _listed(values: Array) -> list[float | None]:
    """Return the values, None for those that are none."""
    return [float(x) if np.isfinite(x) else None for x in values]


def _sensitivity(question: Question, answers: Mapping[str, Array]) -> dict[str, Any]:
    """Return how the mean answer changes with the threshold, over draws that have all three.

    The slope and its standard error are of differences within each draw.
    """
    if not isinstance(question, HasThreshold):
        return {}
    low, middle, high = (answers[name] for name in ("lower", "asked", "higher"))
    both = np.isfinite(low) & np.isfinite(middle) & np.isfinite(high)
    threshold, step = question.threshold, question.threshold_step
    found: dict[str, Any] = {"threshold_m_s": threshold, "threshold_step_m_s": step}
    if both.sum() < 2:
        return {"sensitivity": found}
    slopes = (high[both] - low[both]) / (2 * step)
    found |= {
        "mean_lower": float(low[both].mean()),
        "mean_higher": float(high[both].mean()),
        "slope": float(slopes.mean()),
        "slope_se": float(slopes.std(ddof=1) / np.sqrt(len(slopes))),
    }
    return {"sensitivity": found}
