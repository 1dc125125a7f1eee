"""A shot gather observed and predicted, and traces at three offsets."""

from typing import Any, Final

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from pvi_hpc.report.places import KM
from pvi_hpc.report.style import COLOURS
from pvi_hpc.report.view import RunView
from pvi_hpc.store.predictive_file import PredictedShot

__all__ = ["gathers", "receiver_line", "traces"]

#: Fewest receivers that are shown as a receiver line.
SHORTEST_LINE: Final = 8


def receiver_line(shot: PredictedShot) -> tuple[NDArray[Any], str]:
    """Return the receivers to show and how they are sorted.

    Those of the line of constant y nearest to the source, by x; if no line is long enough,
    all by offset.
    """
    y, x = shot.receivers[:, 1], shot.receivers[:, 2]
    for line in sorted(set(np.round(y, 1)), key=lambda v: abs(v - shot.source[1])):
        members = np.flatnonzero(np.abs(y - line) < 0.1)
        if len(members) >= SHORTEST_LINE:
            return members[
                np.argsort(x[members], kind="stable")
            ], f"line y = {line * KM:.2f} km"
    return np.argsort(_offsets(shot), kind="stable"), "all receivers, by offset"


def gathers(view: RunView) -> Figure:
    """Draw observed and predicted gathers, and under them residuals, on one scale."""
    shot, dt = _shot(view)
    order, name = receiver_line(shot)
    models = [("Start", shot.start), ("Posterior mean model", shot.mean)]
    models += [("One posterior draw", draw) for draw in shot.draws[:1]]
    clip = float(np.percentile(np.abs(shot.observed[order]), 98)) or 1.0
    figure = Figure(figsize=(3.1 * (len(models) + 1), 7.2))
    figure.set_layout_engine("constrained")
    axes = figure.subplots(2, len(models) + 1, sharex=True, sharey=True)
    image = _draw_gather(axes[0, 0], shot, order, shot.observed / clip, dt, "Observed")
    weight = 1.0 if shot.weights is None else np.sqrt(shot.weights)
    for column, (title, data) in zip(axes.T[1:], models, strict=True):
        residual = weight * (shot.observed - data) / clip
        _draw_gather(column[0], shot, order, data / clip, dt, title)
        _draw_gather(column[1], shot, order, residual, dt, "Observed − above")
        column[0].set_xlabel("")
    axes[0, 0].set_ylabel("time [s]")
    axes[1, 1].set_ylabel("time [s]")
    axes[1, 1].tick_params(labelleft=True)
    axes[0, 0].tick_params(labelbottom=True)
    _draw_bar(figure, axes[1, 0], image, clip, float(np.median(shot.noise_sd[order])))
    figure.suptitle(f"Shot {shot.id}, {name}", fontsize=10)
    return figure


def traces(view: RunView) -> Figure:
    """Draw the traces nearest to 10, 50 and 90 % of the offsets, data over predictions."""
    shot, dt = _shot(view)
    counted = np.isfinite(shot.noise_sd)
    if shot.weights is not None:
        counted &= shot.weights.any(axis=1)
    live = np.flatnonzero(counted)
    chosen = live if len(live) else np.arange(len(shot.receivers))
    chosen = chosen[np.argsort(_offsets(shot)[chosen], kind="stable")]
    picks = [chosen[int(f * (len(chosen) - 1))] for f in (0.1, 0.5, 0.9)]
    figure = Figure(figsize=(12.4, 6.6))
    figure.set_layout_engine("constrained")
    panels = figure.subplots(3, 1, sharex=True)
    for axes, i in zip(panels, picks, strict=True):
        _draw_traces(axes, shot, int(i), dt)
    panels[-1].set_xlabel("time [s]")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=5)
    return figure


def _shot(view: RunView) -> tuple[PredictedShot, float]:
    shot = view.predictive.shot(view.settings.shot) if view.predictive else None
    assert view.predictive is not None and shot is not None, "needs a predicted shot"
    return shot, view.predictive.dt


def _draw_bar(figure: Figure, axes: Any, image: Any, clip: float, noise: float) -> None:
    """Use the empty panel under the observed data for the colour bar."""
    axes.set_axis_off()
    cax = axes.inset_axes((0.05, 0.62, 0.9, 0.05))
    bar = figure.colorbar(image, cax=cax, orientation="horizontal", extend="both")
    bar.set_label(f"pressure / {clip:.2e}")
    if np.isfinite(noise):
        text = f"noise sd of the data: {noise / clip:.2g}\n(thick marks on the bar)"
        axes.text(0.5, 0.42, text, transform=axes.transAxes, ha="center", va="top")
        for level in (-noise / clip, noise / clip):
            bar.ax.axvline(level, color="black", lw=2)


def _draw_gather(
    axes: Any,
    shot: PredictedShot,
    order: NDArray[Any],
    data: NDArray[Any],
    dt: float,
    title: str,
) -> Any:
    x = shot.receivers[order, 2] * KM
    by_x = bool(np.all(np.diff(x) > 0))
    left, right = (x[0], x[-1]) if by_x else (1, len(order))
    half = (right - left) / max(len(order) - 1, 1) / 2
    axes.set(title=title, xlabel="receiver x [km]" if by_x else "trace")
    if by_x:
        axes.axvline(shot.source[2] * KM, color="black", lw=0.6, ls=":")
    return axes.imshow(
        data[order].T,
        cmap="RdBu_r",
        vmin=-1,
        vmax=1,
        aspect="auto",
        extent=(left - half, right + half, (data.shape[1] - 0.5) * dt, -0.5 * dt),
        interpolation="nearest",
    )


def _draw_traces(axes: Any, shot: PredictedShot, i: int, dt: float) -> None:
    t = np.arange(shot.observed.shape[1]) * dt
    noise = shot.noise_sd[i]
    if np.isfinite(noise):
        low, high = shot.mean[i] - 2 * noise, shot.mean[i] + 2 * noise
        label = "mean model ± 2 noise sd"
        axes.fill_between(t, low, high, color="#cccccc", lw=0, label=label)
    for k, draw in enumerate(shot.draws):
        name = f"{len(shot.draws)} posterior draws" if k == 0 else None
        axes.plot(t, draw[i], color=COLOURS["draw"], lw=0.7, alpha=0.7, label=name)
    axes.plot(t, shot.start[i], color=COLOURS["start"], lw=1.0, ls="--", label="start")
    axes.plot(t, shot.mean[i], color=COLOURS["mean"], label="posterior mean model")
    axes.plot(t, shot.observed[i], color="black", lw=0.8, label="observed")
    axes.set_title(f"offset {_offsets(shot)[i] * KM:.2f} km", loc="left")
    axes.set(ylabel="data", xlim=(0, t[-1]))
    axes.ticklabel_format(axis="y", scilimits=(-2, 3))


def _offsets(shot: PredictedShot) -> NDArray[np.float64]:
    y, x = (shot.receivers[:, 1:] - shot.source[1:]).T
    return np.asarray(np.hypot(y, x))
