"""A picture of draws from a prior, on the planes that the report shows."""

from typing import Any, Final

import numpy as np
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

from pvi_hpc.config.project import ReportSettings, Run
from pvi_hpc.grid import Grid
from pvi_hpc.priors.load import load_prior
from pvi_hpc.report.figures.sections import extent
from pvi_hpc.report.places import Plane, plane_title, planes, slice_indices
from pvi_hpc.report.style import Scale

__all__ = ["draw_prior"]

#: Width of a panel and height of the tallest [in], and what a row needs beside its panel.
WIDTH: Final = 2.6
TALLEST: Final = 2.4
AROUND: Final = 0.75


def draw_prior(run: Run, settings: ReportSettings, draws: int, seed: int) -> Figure:
    """Draw models from a run's prior, one a column; cells that are fixed stay grey.

    Parameters
    ----------
    run
        The run.
    settings
        Places of the planes.
    draws, seed
        Number of draws, and the seed of their random numbers.
    """
    cells, grid = run.cells, run.grid.grid
    prior = load_prior(run.prior, cells)
    models = np.full((draws, *grid.shape), np.nan)
    models[:, cells.active] = prior.sample(np.random.default_rng(seed), draws)
    low, high = np.nanpercentile(models, (0.5, 99.5)) / 1000
    scale = Scale("viridis", Normalize(low, high), "velocity [km/s]", "both")
    shown, indices = planes(grid), slice_indices(grid, settings)
    heights = [_height(grid, plane) for plane in shown]
    figure = Figure(
        figsize=(draws * (WIDTH + 0.1) + 1.2, sum(heights) + len(heights) * AROUND + 0.5),
        layout="constrained",
    )
    panels = figure.subplots(len(shown), draws, squeeze=False, height_ratios=heights)
    for row, plane in zip(panels, shown, strict=True):
        for i, (axes, model) in enumerate(zip(row, models, strict=True)):
            section = np.take(model, indices[plane.normal], axis=plane.normal) / 1000
            image = _draw_panel(axes, section, grid, plane, scale)
            axes.tick_params(labelleft=i == 0)
        row[0].set_title(plane_title(plane, grid, indices[plane.normal]), loc="left")
        row[0].set_ylabel(f"{'zyx'[plane.vertical]} [km]")
    figure.suptitle(f"{draws} draws from the prior of run '{run.name}' ({run.prior.kind})")
    figure.colorbar(image, ax=panels, label=scale.label, extend=scale.extend, shrink=0.7)
    return figure


def _draw_panel(
    axes: Any, section: NDArray[np.float64], grid: Grid, plane: Plane, scale: Scale
) -> Any:
    axes.set_facecolor("#dddddd")  # shows through where a cell is fixed
    axes.set_xlabel(f"{'zyx'[plane.horizontal]} [km]", labelpad=1)
    return axes.imshow(
        section,
        cmap=scale.cmap,
        norm=scale.norm,
        extent=extent(grid, plane),
        origin="upper" if plane.vertical == 0 else "lower",
        interpolation="nearest",
        aspect="equal" if min(grid.shape) > 1 else "auto",
    )


def _height(grid: Grid, plane: Plane) -> float:
    """Return the height of a panel [in] on the scale of its width."""
    down, across = (
        grid.shape[axis] * grid.spacing[axis] for axis in (plane.vertical, plane.horizontal)
    )
    return float(np.clip(WIDTH * down / across, 0.5, TALLEST))
