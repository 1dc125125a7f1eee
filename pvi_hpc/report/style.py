"""Fonts, colours and colour scales of all figures.

Colours are Okabe & Ito's (2008), which people with any colour vision can tell apart;
continuous scales are perceptually uniform.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import matplotlib as mpl
import numpy as np
from matplotlib.colors import BoundaryNorm, ListedColormap, Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

from pvi_hpc.store.posterior_file import PosteriorSummary

__all__ = [
    "COLOURS",
    "DPI",
    "Scale",
    "png",
    "ratio_scale",
    "sd_scale",
    "standardised_scale",
    "velocity_scale",
]

DPI: Final = 144
STYLE: Final = {
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.labelsize": 9,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "lines.linewidth": 1.4,
}
COLOURS: Final = {
    "mean": "#0072B2",
    "true": "#000000",
    "start": "#D55E00",
    "prior": "#767676",
    "draw": "#009E73",
    "map": "#E69F00",
}


@dataclass(frozen=True)
class Scale:
    """A colour scale: what two panels share when they share a colour bar."""

    cmap: Any
    norm: Any
    label: str
    extend: str = "neither"
    ticks: tuple[float, ...] | None = None


def png(draw: Callable[[], Figure]) -> bytes:
    """Run a function that draws a figure, in our style, and return the picture."""
    with mpl.rc_context(STYLE), io.BytesIO() as buffer:
        figure = draw()
        # Nothing that changes from run to run, so that equal results give equal files.
        figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
        return buffer.getvalue()


def velocity_scale(*summaries: PosteriorSummary) -> Scale:
    """Return the one scale of true, starting, prior and posterior mean models."""
    shown = [getattr(s, n) for s in summaries for n in ("true", "start", "prior_mean", "mean")]
    low, high = _range([model for model in shown if model is not None], 0.5, 99.5)
    norm = Normalize(low / 1000, high / 1000)
    return Scale("viridis", norm, "velocity [km/s]", "both")


def sd_scale(*fields: NDArray[Any]) -> Scale:
    """Return the scale of standard deviations [m/s], from 0, pale for certain."""
    high = _range(fields, 0, 99.5)[1]
    # The dark end of magma is black, in which nothing drawn on top can be seen.
    cmap = ListedColormap(mpl.colormaps["magma_r"](np.linspace(0, 0.85, 256)))
    return Scale(cmap, Normalize(0, high), "standard deviation [m/s]", "max")


def ratio_scale() -> Scale:
    """Return the scale of posterior over prior sd, pale where the data say nothing."""
    ticks = (0.0, 0.25, 0.5, 0.75, 1.0)
    return Scale("cividis", Normalize(0, 1), "posterior sd / prior sd", "max", ticks)


def standardised_scale() -> Scale:
    """Return the stepped scale of |mean - true| / sd."""
    edges = (0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0)
    norm = BoundaryNorm(edges, 256, extend="max")
    return Scale("YlGnBu", norm, "|mean − true| / sd", "max", edges)


def _range(fields: Any, low: float, high: float) -> tuple[float, float]:
    bounds = [np.nanpercentile(field, (low, high)) for field in fields]
    a, b = float(min(b[0] for b in bounds)), float(max(b[1] for b in bounds))
    return (a, b) if b > a else (a - 1e-6 - abs(a) / 100, a + 1e-6 + abs(a) / 100)
