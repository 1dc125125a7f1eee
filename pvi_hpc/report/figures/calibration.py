"""The figure of a calibration: rank histogram, coverage of intervals, TARP."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from scipy import stats

from pvi_hpc.diagnostics.calibration import BINS, LEVELS, Calibration
from pvi_hpc.report.style import COLOURS

__all__ = ["draw_calibration"]

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
    _curve(axes[1], found.coverage(), len(found.tarp), "central intervals")
    _curve(axes[2], found.tarp_coverage(), len(found.tarp), "TARP regions")
    return figure


def _ranks(axes: Any, found: Calibration) -> None:
    n = len(found.ranks)
    counts = np.histogram(found.ranks, BINS, (0, 1))[0] / found.ranks.shape[1]
    edges = np.linspace(0, 1, BINS + 1)
    low, high = (stats.binom.ppf(q, n, 1 / BINS) for q in ((1 - BAND) / 2, (1 + BAND) / 2))
    axes.axhspan(low, high, color="0.9")
    axes.stairs(counts, edges, color=COLOURS["mean"], fill=True, alpha=0.7)
    axes.set(title="rank of the truth", xlabel="share of draws below", ylabel="inversions")
    axes.set_ylim(0, 1.25 * max(high, counts.max()))


def _curve(axes: Any, coverage: Any, n: int, title: str) -> None:
    low, high = (stats.binom.ppf(q, n, LEVELS) / n for q in ((1 - BAND) / 2, (1 + BAND) / 2))
    axes.fill_between(LEVELS, low, high, color="0.9", linewidth=0)
    axes.plot([0, 1], [0, 1], color="0.6", linewidth=0.8)
    axes.plot(LEVELS, coverage, color=COLOURS["mean"], marker=".", markersize=4)
    axes.set(title=title, xlabel="level", ylabel="share that hold the truth")
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.set_aspect("equal")
