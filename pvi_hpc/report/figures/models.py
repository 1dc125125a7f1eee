"""Figures of models: fields on sections, and whether their errors are as large as they say."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.special import ndtri

from pvi_hpc.report.figures.sections import Column, draw_sections
from pvi_hpc.report.scores import coverage
from pvi_hpc.report.style import (
    COLOURS,
    Scale,
    ratio_scale,
    sd_scale,
    standardised_scale,
    velocity_scale,
)
from pvi_hpc.report.view import RunView

__all__ = ["calibration", "comparison", "draws", "sections", "spread", "updates"]

KM = 1e-3


def sections(view: RunView) -> Figure:
    """True, starting, prior mean and posterior mean model, and posterior sd."""
    summary = view.summary
    velocity = velocity_scale(summary)
    named = (
        ("True", summary.true),
        ("Start", summary.start),
        ("Prior mean", summary.prior_mean),
        ("Posterior mean", summary.mean),
    )
    columns = [Column(name, v * KM, velocity) for name, v in named if v is not None]
    columns.append(Column("Posterior sd", summary.sd, sd_scale(summary.sd)))
    return draw_sections(view, columns)[0]


def updates(view: RunView) -> Figure:
    """Plot the error of the starting model, and the update that the inversion made to it."""
    summary = view.summary
    models = [("True", summary.true), ("Posterior mean", summary.mean)]
    models += [("Draw 1", sample) for sample in view.samples[:1]]
    fields = [(f"{n} − start", m - summary.start) for n, m in models if m is not None]
    limit = max(float(np.percentile(np.abs(field), 99)) for _, field in fields) or 1.0
    scale = Scale("RdBu_r", Normalize(-limit, limit), "difference to the start [m/s]", "both")
    return draw_sections(view, [Column(name, field, scale) for name, field in fields])[0]


def draws(view: RunView) -> Figure:
    """Posterior mean and a few posterior draws."""
    velocity = velocity_scale(view.summary)
    columns = [Column("Posterior mean", view.summary.mean * KM, velocity)]
    columns += [
        Column(f"Draw {i}", sample * KM, velocity) for i, sample in enumerate(view.samples, 1)
    ]
    return draw_sections(view, columns)[0]


def spread(view: RunView) -> Figure:
    """Prior sd, posterior sd and their ratio."""
    summary = view.summary
    sd = sd_scale(summary.prior_sd, summary.sd)
    spread = summary.prior_sd > 0
    ratio = np.full_like(summary.sd, np.nan)
    np.divide(summary.sd, summary.prior_sd, out=ratio, where=spread & summary.active)
    columns = [
        Column("Prior sd", summary.prior_sd, sd),
        Column("Posterior sd", summary.sd, sd),
        Column("Ratio", ratio, ratio_scale()),
    ]
    return draw_sections(view, columns)[0]


def calibration(view: RunView) -> Figure:
    """Error of the mean, the same in sds, and its distribution against a half-normal."""
    summary = view.summary
    assert summary.true is not None, "needs a true model"
    error = np.where(summary.active, summary.mean - summary.true, np.nan)
    sized = np.full_like(summary.sd, np.nan)
    np.divide(np.abs(error), summary.sd, out=sized, where=summary.active & (summary.sd > 0))
    limit = float(np.nanpercentile(np.abs(error), 99)) or 1.0
    signed = Scale("RdBu_r", Normalize(-limit, limit), "mean − true [m/s]", "both")
    columns = [
        Column("Error of the mean", error, signed),
        Column("Error in sds", sized, standardised_scale()),
    ]
    figure, sheet = draw_sections(view, columns, free=4.6)
    w, h = sheet.size
    each = min(3.4, (h - 1.9) / 2)
    values = sized[np.isfinite(sized)]
    left, width = 1 - 3.8 / w, 3.6 / w
    _histogram(figure.add_axes((left, 1 - (each + 0.54) / h, width, each / h)), values)
    _reliability(figure.add_axes((left, 0.62 / h, width, each / h)), view, values)
    return figure


def comparison(views: Sequence[RunView], what: str) -> Figure:
    """Draw `mean` or `sd` of runs on the same grid side by side, with the true model."""
    summaries = [view.summary for view in views]
    if what == "sd":
        scale = sd_scale(*(s.sd for s in summaries))
        columns = [Column(v.run, v.summary.sd, scale) for v in views]
    else:
        scale = velocity_scale(*summaries)
        columns = [Column(v.run, v.summary.mean * KM, scale) for v in views]
        if summaries[0].true is not None:
            columns.insert(0, Column("True", summaries[0].true * KM, scale))
    return draw_sections(views[0], columns)[0]


def _histogram(axes: Any, values: NDArray[Any]) -> None:
    top = 5.0
    edges = np.linspace(0, top, 41)
    counts, _ = np.histogram(np.minimum(values, top - 1e-6), bins=edges)
    density = counts / max(len(values), 1) / (edges[1] - edges[0])
    axes.stairs(density, edges, fill=True, color=COLOURS["mean"], alpha=0.55, label="cells")
    x = np.linspace(0, top, 200)
    expected = np.sqrt(2 / np.pi) * np.exp(-(x**2) / 2)
    axes.plot(x, expected, color="black", label="half-normal (calibrated)")
    for sigma in (1, 2, 3):
        axes.axvline(sigma, color=COLOURS["prior"], lw=0.7, ls=":")
    below = [float(np.mean(values < sigma)) for sigma in (1, 2)] if len(values) else [0, 0]
    lines = (f"within {i} sd: {100 * f:.0f} % of cells" for i, f in enumerate(below, 1))
    text = "\n".join([*lines, "(calibrated: 68 and 95 %)"])
    axes.text(0.97, 0.72, text, transform=axes.transAxes, ha="right", va="top")
    axes.set(xlim=(0, top), xlabel="|mean − true| / sd (last bin: 5 and more)")
    axes.set(ylabel="density", title="Error in posterior sds")
    axes.legend(loc="upper right")


def _reliability(axes: Any, view: RunView, values: NDArray[Any]) -> None:
    p = np.linspace(0, 1, 101)
    inside = np.searchsorted(np.sort(values), ndtri((1 + p) / 2)) / max(len(values), 1)
    axes.plot(100 * p, 100 * p, color="black", label="calibrated")
    axes.plot(100 * p, 100 * inside, color=COLOURS["mean"], label="mean ± sd, as a Gaussian")
    found = [100 * coverage(view.summary, level) for level in (0.5, 0.9)]
    axes.plot((50, 90), found, "o", color=COLOURS["start"], label="posterior quantiles")
    for level, value in zip((50, 90), found, strict=True):
        axes.text(level, value - 8, f"{value:.0f} %", ha="center", va="top")
    axes.set(xlim=(0, 100), ylim=(0, 100), xlabel="central interval [%]")
    axes.set(ylabel="cells with the true value inside [%]", title="Coverage")
    axes.legend(loc="upper left")
