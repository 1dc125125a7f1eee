"""Maps of sources, receivers, wells and slices."""

from typing import Any

from matplotlib.figure import Figure

from pvi_hpc.report.figures.sections import extent, thin
from pvi_hpc.report.places import KM, PLANES, Plane, slice_indices, wells
from pvi_hpc.report.style import COLOURS
from pvi_hpc.report.view import RunView

__all__ = ["geometry"]


def geometry(view: RunView) -> Figure:
    """Draw a map and a side view of the survey on the grid; of a section its side alone."""
    grid = view.summary.grid
    z, y, x = (n * h for n, h in zip(grid.shape, grid.spacing, strict=True))
    inch_per_m = min(6.0 / x, 4.6 / y, 4.6 / z)
    width, deep, high = (max(size * inch_per_m, 0.7) for size in (x, z, y))
    has_map = grid.shape[1] > 1
    w, h = max(width, 3.0) + 2.2, deep + (high + 1.7 if has_map else 1.0)
    figure = Figure(figsize=(w, h))
    side = figure.add_axes((0.7 / w, 0.5 / h, width / w, deep / h))
    style: Any = {"color": COLOURS["prior"], "lw": 0.8, "ls": "--"}
    _draw(side, view, PLANES[1])
    side.set(ylabel="z [km]", title="Side view")
    described = side
    if has_map:
        described = chart = figure.add_axes((0.7 / w, (deep + 1.2) / h, width / w, high / h))
        _draw(chart, view, PLANES[0])
        equal = min(x, y) * inch_per_m > 0.7
        chart.set(ylabel="y [km]", title="Map", aspect="equal" if equal else "auto")
        iz, iy, ix = slice_indices(grid, view.settings)
        chart.axhline(grid.axis(1)[iy] * KM, label="slices", **style)
        side.axhline(grid.axis(0)[iz] * KM, **style)
        for axes in (chart, side):
            axes.axvline(grid.axis(2)[ix] * KM, **style)
    else:  # wells are lines, and the only slice is this one
        for i, well in enumerate(wells(grid, view.settings)):
            label = "wells" if i == 0 else None
            side.axvline(grid.axis(2)[well.ix] * KM, label=label, **style)
    described.legend(loc="upper left", bbox_to_anchor=(1.02, 1), borderaxespad=0)
    return figure


def _draw(axes: Any, view: RunView, plane: Plane) -> None:
    left, right, bottom, top = extent(view.summary.grid, plane)
    axes.set(xlim=(left, right), ylim=(bottom, top), xlabel="x [km]")
    receivers, sources = (
        thin(p[:, [2, plane.vertical]] * KM) for p in (view.receivers, view.sources)
    )
    n_receivers, n_sources = len(view.receivers), len(view.sources)
    axes.scatter(
        *receivers.T,
        marker="v",
        s=16,
        color=COLOURS["mean"],
        lw=0,
        clip_on=False,
        label=f"{n_receivers} receivers",
    )
    axes.scatter(
        *sources.T,
        marker="*",
        s=90,
        color=COLOURS["start"],
        edgecolors="black",
        linewidths=0.5,
        clip_on=False,
        zorder=3,
        label=f"{n_sources} sources",
    )
    if plane.vertical == 1:
        grid = view.summary.grid
        for i, well in enumerate(wells(grid, view.settings), 1):
            y, x = grid.axis(1)[well.iy] * KM, grid.axis(2)[well.ix] * KM
            label = "wells" if i == 1 else None
            axes.plot(x, y, "o", mfc="white", mec="black", ms=11, label=label, zorder=4)
            axes.text(x, y, str(i), fontsize=7, ha="center", va="center_baseline", zorder=5)
