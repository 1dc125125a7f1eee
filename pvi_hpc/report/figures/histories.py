"""Course of the inference: ELBO, misfit and densities by iteration."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter
from numpy.typing import NDArray

from pvi_hpc.report.style import COLOURS
from pvi_hpc.report.view import RunView

__all__ = ["histories"]


def histories(view: RunView) -> Figure:
    """Draw the ELBO, its last half, the reduced chi-squared, and log prior and log q.

    In the start the log posterior of the mean stands for the ELBO; where a run is its start,
    the last half is of that.
    """
    history = view.history
    iteration = np.asarray(history["iteration"])
    phase = np.asarray(history.get("phase", np.ones(len(iteration))))
    figure = Figure(figsize=(10.6, 5.6))
    figure.set_layout_engine("constrained")
    panels = figure.subplots(2, 2).ravel()
    _trace(panels[0], history, "elbo", "ELBO", "mean")
    variational = np.flatnonzero(phase > 0)
    shown = variational if len(variational) else np.flatnonzero(np.isfinite(history["elbo"]))
    tail = shown[len(shown) // 2 :]
    _trace(
        panels[1], {k: np.asarray(v)[tail] for k, v in history.items()}, "elbo", None, "mean"
    )
    _trace(panels[2], history, "chi_squared", None, "start")
    panels[2].axhline(1, color="black", lw=0.8, ls="--", label="noise level")
    _log_scale(panels[2])
    _trace(panels[3], history, "log_prior", "log prior", "prior")
    _trace(panels[3], history, "log_q", "log q", "draw")
    elbo = "ELBO" if len(variational) else "Log posterior of the mean"
    titles = (elbo, f"{elbo}, last half", "Reduced chi-squared", "log prior and log q")
    for axes, title in zip(panels, titles, strict=True):
        axes.set(title=title, xlabel="iteration")
        axes.grid(lw=0.3, color="#dddddd")
        if axes is not panels[1]:
            _shade(axes, iteration[phase == 0])
        if len(axes.get_legend_handles_labels()[0]) > 1:
            axes.legend()
    return figure


def _trace(
    axes: Any, history: Any, name: str, label: str | None, colour: str, window: int = 15
) -> None:
    """Draw each value pale and a running median over it."""
    if name not in history or not len(history[name]):
        return
    x, y = (np.asarray(history[k], dtype=np.float64) for k in ("iteration", name))
    noisy = len(y) > 2 * window
    axes.plot(x, y, color=COLOURS[colour], alpha=0.35 if noisy else 1, lw=0.8)
    smooth = _running_median(y, window) if noisy else y
    axes.plot(x, smooth, color=COLOURS[colour], label=label)


def _running_median(y: NDArray[Any], window: int) -> NDArray[Any]:
    half = window // 2
    padded = np.pad(y, half, mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, window)
    finite = np.isfinite(y)
    median = np.full(len(y), np.nan)
    median[finite] = np.nanmedian(windows[finite], axis=1)
    return median


def _log_scale(axes: Any) -> None:
    low, high = axes.dataLim.intervaly
    if low > 0 and high / low > 5:
        axes.set_yscale("log")
        # Nine labels a decade would stand on top of each other.
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter(NullFormatter())


def _shade(axes: Any, iterations: NDArray[Any]) -> None:
    if len(iterations):
        axes.axvspan(
            iterations[0] - 0.5,
            iterations[-1] + 0.5,
            color=COLOURS["map"],
            alpha=0.18,
            lw=0,
            label="MAP phase",
        )
