"""The tables of answers: numbers as a person reads them."""

from collections.abc import Mapping
from typing import Any

from pvi_hpc.report.tables import MISSING, NARROW, Row
from pvi_hpc.report.view import RunView

__all__ = [
    "answer_rows",
    "answer_text",
    "figure",
    "response_rows",
    "response_text",
    "sensitivity_rows",
]


def answer_rows(view: RunView) -> list[Row]:
    """Return one row for each question; nothing where none was asked."""
    return [
        Row(name.replace("_", " "), answer_text(its), _note(its))
        for name, its in view.answers.items()
    ]


def sensitivity_rows(view: RunView) -> list[Row]:
    """Return how the answers change with their thresholds."""
    rows = []
    for name, its in view.answers.items():
        told = its.get("sensitivity", {})
        if "slope" not in told:
            continue
        low, high = (figure(told[f"mean_{side}"]) for side in ("lower", "higher"))
        middle, step = told["threshold_m_s"], told["threshold_step_m_s"]
        value = f"{figure(told['slope'])} ± {figure(told['slope_se'])} {its['unit']} per m/s"
        note = f"mean answer {low} at {middle - step:g} m/s, {high} at {middle + step:g} m/s"
        rows.append(Row(name.replace("_", " "), value, note))
    return rows


def response_rows(view: RunView) -> list[Row]:
    """Return the sds of answers by linear response, beside those of the family."""
    return [
        Row(
            name.replace("_", " "),
            f"{figure(its['linear_response']['sd'])} {its['unit']}",
            response_text(its),
        )
        for name, its in view.answers.items()
        if "linear_response" in its
    ]


def response_text(its: Mapping[str, Any]) -> str:
    """Return the sd of an answer by linear response, that of the family, and the products."""
    found, unit = its["linear_response"], its["unit"]
    parts = [f"sd {figure(found['sd'])} {unit} after {found['products']} products"]
    if not found["converged"]:
        parts.append(f"still growing, by {100 * found['change']:.0f}{NARROW}% of the variance")
    if found["sd_of_family"] is not None:
        parts.append(f"sd {figure(found['sd_of_family'])} by the family's covariance")
    if found["disagrees"]:
        parts.append("they disagree: use that by linear response")
    return "; ".join(parts)


def answer_text(its: Mapping[str, Any]) -> str:
    """Return mean, sd and 90 % interval of an answer."""
    if its["mean"] is None:
        return "no draw has an answer"
    low, high = its["quantiles"]["0.05"], its["quantiles"]["0.95"]
    return (
        f"{figure(its['mean'])} ± {figure(its['sd'])} {its['unit']}, "
        f"90{NARROW}% {figure(low)} to {figure(high)}"
    )


def _note(its: Mapping[str, Any]) -> str:
    prior = its["prior"]
    parts = []
    if its["mean"] is not None:
        kind, optimal = its["utility"]["kind"], figure(its["optimal_answer"])
        parts.append(f"optimal answer ({kind}) {optimal}")
    if prior["mean"] is None:
        parts.append("prior: no draw has an answer")
    else:
        parts.append(f"prior {figure(prior['mean'])} ± {figure(prior['sd'])}")
    parts.append(f"mean model {figure(its['of_the_mean_model'])}")
    if "true" in its:
        parts.append(f"true {figure(its['true'])}")
    if its["without_answer"] > 0:
        parts.append(f"{100 * its['without_answer']:.0f}{NARROW}% of the draws have none")
    return "; ".join(parts)


def figure(value: float | None) -> str:
    """Return a number with four figures, large ones with thousands set apart."""
    if value is None:
        return MISSING
    return f"{float(f'{value:.4g}'):,.10g}" if abs(value) < 1e9 else f"{value:.3e}"
