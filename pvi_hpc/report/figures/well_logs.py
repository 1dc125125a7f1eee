"""Marginals against depth at wells: bands of the posterior inside the bounds of the prior."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from pvi_hpc.report.places import KM, Well, wells
from pvi_hpc.report.scores import central_interval
from pvi_hpc.report.style import COLOURS
from pvi_hpc.report.view import RunView

__all__ = ["well_logs"]

#: Central intervals drawn as bands, and their opacity.
BANDS = ((0.9, 0.22), (0.5, 0.4))


def well_logs(view: RunView) -> Figure:
    """Draw one panel per well, five in a row at most."""
    chosen = wells(view.summary.grid, view.settings)
    n_columns = min(len(chosen), 5)
    n_rows = -(-len(chosen) // n_columns)
    figure = Figure(figsize=(max(2.3 * n_columns + 0.6, 5.5), 4.4 * n_rows + 0.5))
    figure.set_layout_engine("constrained")
    panels = figure.subplots(n_rows, n_columns, sharex=True, sharey=True, squeeze=False)
    bands = [(p, alpha, *central_interval(view.summary, p)) for p, alpha in BANDS]
    for i, (axes, well) in enumerate(zip(panels.flat, chosen, strict=False), 1):
        _draw_well(axes, view, well, bands)
        axes.set_title(f"{i}: {well.label}", fontsize=9)
    for axes in panels.flat[len(chosen) :]:
        axes.set_visible(False)
    for axes in panels[:, 0]:
        axes.set_ylabel("depth [km]")
    panels[0, 0].invert_yaxis()
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4)
    return figure


def _draw_well(axes: Any, view: RunView, well: Well, bands: list[Any]) -> None:
    summary = view.summary
    depth = summary.grid.axis(0) * KM

    def log(field: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(field[:, well.iy, well.ix] * KM)

    for p, alpha, low, high in bands:
        label = f"posterior, central {100 * p:.0f} %"
        axes.fill_betweenx(
            depth, log(low), log(high), color=COLOURS["mean"], alpha=alpha, lw=0, label=label
        )
    bounds: Any = {"color": COLOURS["prior"], "ls": ":", "lw": 1.2}
    axes.plot(log(summary.prior_lower), depth, label="prior bounds", **bounds)
    axes.plot(log(summary.prior_upper), depth, **bounds)
    axes.plot(
        log(summary.prior_mean), depth, color=COLOURS["prior"], lw=0.9, label="prior mean"
    )
    axes.plot(log(summary.start), depth, color=COLOURS["start"], ls="--", label="start")
    axes.plot(log(summary.mean), depth, color=COLOURS["mean"], label="posterior mean")
    if summary.true is not None:
        axes.step(log(summary.true), depth, color="black", lw=1.1, where="mid", label="true")
    axes.set(xlabel="velocity [km/s]")
    axes.margins(y=0)
