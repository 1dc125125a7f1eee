"""Histograms of answers: of the posterior's draws and of the prior's."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from pvi_hpc.report.style import COLOURS
from pvi_hpc.report.view import RunView

__all__ = ["answers"]

#: Number of bins of each histogram.
BINS = 40


def answers(view: RunView) -> Figure:
    """Draw one panel for each question, three in a row at most."""
    n = len(view.answers)
    n_columns = min(n, 3)
    n_rows = -(-n // n_columns)
    figure = Figure(figsize=(max(3.1 * n_columns, 5.0), 2.4 * n_rows + 0.4))
    figure.set_layout_engine("constrained")
    panels = figure.subplots(n_rows, n_columns, squeeze=False)
    for axes, (name, its) in zip(panels.flat, view.answers.items(), strict=False):
        _draw(axes, its)
        axes.set_title(name.replace("_", " "))
    for axes in panels.flat[n:]:
        axes.set_visible(False)
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=5)
    return figure


def _draw(axes: Any, its: Any) -> None:
    posterior, prior = _values(its["values"]), _values(its["prior_values"])
    both = np.concatenate([posterior, prior])
    low, high = (float(both.min()), float(both.max())) if len(both) else (0.0, 0.0)
    if low == high:
        low, high = low - 0.5, high + 0.5
    bins = np.linspace(low, high, BINS + 1)
    for values, label, what in ((prior, "prior", "prior"), (posterior, "posterior", "mean")):
        if len(values):
            weights = np.full(len(values), 1 / len(values))
            look: dict[str, Any] = {"color": COLOURS[what], "alpha": 0.6, "label": label}
            axes.hist(values, bins, weights=weights, **look)
    lines = [("optimal answer", its.get("optimal_answer"), COLOURS["start"], "-")]
    lines += [("mean model", its["of_the_mean_model"], COLOURS["draw"], "--")]
    lines += [("true", its.get("true"), COLOURS["true"], "-")]
    for label, value, colour, style in lines:
        if value is not None:
            axes.axvline(value, color=colour, ls=style, lw=1.2, label=label)
    axes.set_xlabel(its["unit"])
    axes.set_yticks([])


def _values(values: list[float | None]) -> NDArray[np.float64]:
    return np.array([value for value in values if value is not None], dtype=np.float64)
