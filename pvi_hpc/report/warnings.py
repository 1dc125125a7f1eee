"""Warnings of a report: what the figures say against the runs, and what can be done."""

from collections.abc import Sequence
from itertools import permutations
from math import hypot
from typing import Any, Final

import yaml

from pvi_hpc.plugins import load_plugin
from pvi_hpc.report.view import RunView

__all__ = ["warnings_of"]

#: Excess of reduced chi-squared above 1 that a reader should know of.
MISFIT: Final = 0.05
#: Difference of two ELBOs, in its standard errors, that chance does not make.
CERTAIN: Final = 3.0
#: Remedies for a mean that has not arrived.
REMEDY: Final = (
    "spend more simulations on the mean ('start.map_iterations' with few 'map_shots', then "
    "'start.polish')"
)


def warnings_of(views: Sequence[RunView]) -> list[str]:
    """Return sentences about runs that have not converged or miss the data."""
    found = [view.scores for view in views]
    told = [_misfit(view.run, its) for view, its in zip(views, found, strict=True)]
    numbers = [(view, its) for view, its in zip(views, found, strict=True) if "elbo" in its]
    told += [_response(view) for view in views]
    for (richer, high), (poorer, low) in permutations(numbers, 2):
        told.append(_below(richer, high, poorer, low))
    return [sentence for sentence in told if sentence]


def _misfit(run: str, found: dict[str, float]) -> str:
    chi_squared = found.get("chi_squared_mean", 1.0)
    if chi_squared <= 1 + MISFIT:
        return ""
    return (
        f"The posterior mean of '{run}' has a reduced chi-squared of {chi_squared:.2f}: it "
        f"does not fit the data to their noise. Either {REMEDY}, or the noise sd or the "
        "simulation is wrong: look at the residuals, mute near offsets, or let the noise be "
        "inferred."
    )


def _response(view: RunView) -> str:
    """Return a warning of answers whose sd is another by linear response."""
    far = {
        name: its["linear_response"]
        for name, its in view.answers.items()
        if its.get("linear_response", {}).get("disagrees")
    }
    if not far:
        return ""
    listed = ", ".join(f"{name} ({its['ratio']:.2f})" for name, its in far.items())
    return (
        f"The family of '{view.run}' has another sd than linear response for: {listed}; in "
        "brackets the one over the other. It misses correlations of cells: take the sds by "
        "linear response, or a family with a longer stencil."
    )


def _below(
    richer: RunView, high: dict[str, float], poorer: RunView, low: dict[str, float]
) -> str:
    """Return a warning where a family ends below the mean field that it contains."""
    if not (richer.config and poorer.config) or not _contains(richer, poorer):
        return ""
    short = low["elbo"] - high["elbo"]
    error = hypot(low.get("elbo_se", 0.0), high.get("elbo_se", 0.0))
    if short <= CERTAIN * error:
        return ""
    return (
        f"The ELBO of '{richer.run}' is {short:,.0f} nats below that of '{poorer.run}', which "
        f"its family contains: it has not converged. Start it from gradients of noise "
        f"('start.hessian: {{kind: noise}}'), or {REMEDY}."
    )


def _contains(richer: RunView, poorer: RunView) -> bool:
    """Return whether two runs have one posterior, and the second a part of the family."""
    first, second = (yaml.safe_load(view.config) for view in (richer, poorer))
    rich, poor = (_settings(tree, "inference").get("family", {}) for tree in (first, second))
    if poor.get("kind") != "mean_field" or rich.get("kind") in (None, "mean_field"):
        return False
    return _is_gaussian(rich["kind"]) and _posterior(first) == _posterior(second)


def _posterior(tree: Any) -> list[Any]:
    """Return the settings that say what a run approximates, and how."""
    inference = _settings(tree, "inference")
    sections = [_settings(tree, name) for name in ("prior", "likelihood", "forward")]
    return [*sections, inference.get("method"), inference.get("coordinates")]


def _settings(tree: Any, section: str) -> dict[str, Any]:
    """Return a section of a configuration; empty where there is none."""
    found: dict[str, Any] = (tree.get(section) if isinstance(tree, dict) else None) or {}
    return found


def _is_gaussian(kind: str) -> bool:
    family = load_plugin("pvi_hpc.families", kind, "inference.family.kind")
    return all(hasattr(family, name) for name in ("informed", "reads"))
