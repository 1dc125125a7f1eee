"""The table of hypotheses: evidence, fit and prior strength, and what would be answered."""

from typing import Any

from pvi_hpc.report.answers import figure
from pvi_hpc.report.tables import MISSING
from pvi_hpc.report.view import RunView

__all__ = ["hypothesis_rows", "ranking_sentence"]

#: Name, cells by heading, and a note in their place.
HypothesisRow = tuple[str, dict[str, str], str]


def hypothesis_rows(view: RunView) -> list[HypothesisRow]:
    """Return one row for each hypothesis, the most probable first, those refused last.

    Columns of the fit and of the information are two ends of a Bayesian L-curve: a weaker prior
    fits better and learns more.
    """
    if not view.hypotheses:
        return []
    found, ranked = view.hypotheses["hypotheses"], view.hypotheses["ranking"]
    rows = [
        (_name(name), _row(view, name, ranked["probability"][name]), "")
        for name in ranked["order"]
    ]
    refused = [(n, its["refused"]) for n, its in found.items() if "refused" in its]
    return [*rows, *((_name(name), {}, f"refused: {why}") for name, why in refused)]


def ranking_sentence(view: RunView) -> str:
    """Return how sure the ranking is, and what the columns are."""
    if not view.hypotheses:
        return ""
    ranked = view.hypotheses["ranking"]
    return (
        "Posteriors under other priors, from this run's own and without a simulation. Evidence "
        "is in nats, relative to the run's own prior; the probability takes all hypotheses as "
        "equally probable before the data. Fit and information are the expected implied log "
        "likelihood and the divergence of the posterior from its prior. By the Monte Carlo "
        f"errors the first is first with probability {ranked['first_is_first']:.3g}, and the "
        f"whole order is right with probability {ranked['order_is_right']:.3g}."
    )


def _row(view: RunView, name: str, probability: float) -> dict[str, str]:
    its = view.hypotheses["hypotheses"].get(name, {})
    own = name == "own"
    row = {
        "log evidence": "0" if own else _evidence(its["evidence"]),
        "probability": f"{probability:.3g}",
        "fit [nats]": MISSING if own else figure(its["implied_log_likelihood"]),
        "information [nats]": MISSING if own else figure(its["information"]),
    }
    answers = view.answers if own else its.get("answers", {})
    for question in view.answers:
        told = answers.get(question)
        row[question.replace("_", " ")] = MISSING if told is None else _answer(told)
    return row


def _answer(told: Any) -> str:
    if told["mean"] is None:
        return "none"
    return f"{figure(told['mean'])} ± {figure(told['sd'])} {told['unit']}"


def _evidence(its: Any) -> str:
    sign = "≥ " if its["kind"] == "bound" else ""
    error = f" ± {its['standard_error']:.2g}" if its["standard_error"] else ""
    return f"{sign}{its['log_ratio']:.2f}{error}"


def _name(name: str) -> str:
    return "the run's own prior" if name == "own" else name.replace("_", " ")
