"""Figures of a calibration: rank histogram, coverage of intervals, TARP."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from scipy import stats

from pvi_hpc.diagnostics.calibration import LEVELS, Calibration, bins
from pvi_hpc.report.style import COLOURS

__all__ = ["draw_calibration", "draw_calibrations"]

#: Probability that the curve of a calibrated procedure lies inside a band.
BAND = 0.95


def draw_calibration(found: Calibration) -> Figure:
    """Return a figure `(ranks, central intervals, TARP regions)`; grey is what chance allows.

    All unknowns are pooled in the first two panels, where they depend on each other: the band
    is that of independent inversions, of one unknown each.
    """
    figure = Figure(figsize=(8.4, 2.8), layout="constrained")
    axes = figure.subplots(1, 3)
    _ranks(axes[0], found)
    n, colour = len(found.tarp), COLOURS["mean"]
    _frame(axes[1], n, "central intervals")
    _curve(axes[1], found.coverage(), colour)
    _frame(axes[2], n, "TARP regions")
    _curve(axes[2], found.tarp_coverage(), colour)
    return figure


def draw_calibrations(found: Mapping[str, Calibration]) -> Figure:
    """Return the same figure with a curve for each quantity, by its name; ranks are curves too.

    As there, the bands are those of independent inversions of one number each.
    """
    figure = Figure(figsize=(9.6, 3.2), layout="constrained")
    axes = figure.subplots(1, 3)
    n = len(next(iter(found.values())).tarp)
    edges = np.linspace(0, 1, bins(n) + 1)
    low, high = (
        stats.binom.ppf(q, n, 1 / bins(n)) / n for q in ((1 - BAND) / 2, (1 + BAND) / 2)
    )
    axes[0].axhspan(bins(n) * low, bins(n) * high, color="0.9")
    axes[0].set(title="rank of the truth", xlabel="share of draws below", ylabel="density")
    _frame(axes[1], n, "central intervals")
    _frame(axes[2], n, "TARP regions")
    for (name, its), colour in zip(found.items(), COLOURS.values(), strict=False):
        counts = np.histogram(its.ranks, len(edges) - 1, (0, 1), density=True)[0]
        axes[0].stairs(counts, edges, color=colour, label=name, linewidth=1.2)
        _curve(axes[1], its.coverage(), colour)
        _curve(axes[2], its.tarp_coverage(), colour)
    axes[0].set_ylim(0, None)
    figure.legend(loc="outside right center")
    return figure


def _ranks(axes: Any, found: Calibration) -> None:
    n = len(found.ranks)
    counts = np.histogram(found.ranks, bins(n), (0, 1))[0] / found.ranks.shape[1]
    edges = np.linspace(0, 1, bins(n) + 1)
    low, high = (stats.binom.ppf(q, n, 1 / bins(n)) for q in ((1 - BAND) / 2, (1 + BAND) / 2))
    axes.axhspan(low, high, color="0.9")
    axes.stairs(counts, edges, color=COLOURS["mean"], fill=True, alpha=0.7)
    axes.set(title="rank of the truth", xlabel="share of draws below", ylabel="inversions")
    axes.set_ylim(0, 1.25 * max(high, counts.max()))


def _frame(axes: Any, n: int, title: str) -> None:
    """Draw what a calibrated procedure would show, and the axes of a panel."""
    low, high = (stats.binom.ppf(q, n, LEVELS) / n for q in ((1 - BAND) / 2, (1 + BAND) / 2))
    axes.fill_between(LEVELS, low, high, color="0.9", linewidth=0)
    axes.plot([0, 1], [0, 1], color="0.6", linewidth=0.8)
    axes.set(title=title, xlabel="level", ylabel="share that hold the truth")
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.set_aspect("equal")


def _curve(axes: Any, coverage: Any, colour: str) -> None:
    axes.plot(LEVELS, coverage, color=colour, marker=".", markersize=4)
