"""All figures of a run: their names, captions, and what they need."""

from collections.abc import Callable
from typing import NamedTuple

from matplotlib.figure import Figure

from pvi_hpc.report.figures.answers import answers
from pvi_hpc.report.figures.gathers import gathers, traces
from pvi_hpc.report.figures.geometry import geometry
from pvi_hpc.report.figures.histories import histories
from pvi_hpc.report.figures.models import calibration, draws, sections, spread, updates
from pvi_hpc.report.figures.well_logs import well_logs
from pvi_hpc.report.view import RunView

__all__ = ["CATALOGUE", "Entry"]


class Entry(NamedTuple):
    """One figure; `name` is also its file name."""

    name: str
    title: str
    caption: str
    draw: Callable[[RunView], Figure]
    possible: Callable[[RunView], bool]


def _always(view: RunView) -> bool:
    return True


def _has_depths(view: RunView) -> bool:
    return view.summary.grid.shape[0] > 1


def _has_shot(view: RunView) -> bool:
    shots = () if view.predictive is None else view.predictive.shots
    return any(shot.observed.shape[1] > 1 for shot in shots)


def _has_positions(view: RunView) -> bool:
    return len(view.sources) > 0


CATALOGUE = (
    Entry(
        "answers",
        "Answers",
        "Each question asked of draws from the posterior (blue) and the prior (grey): what "
        "the data taught is how they differ. The solid line is the optimal answer, the dashed "
        "one the answer of the mean model, which may lie outside all draws, the black one "
        "that of the true model where it is known.",
        answers,
        lambda view: len(view.answers) > 0,
    ),
    Entry(
        "sections",
        "Models",
        "Velocity on one colour scale, and the posterior standard deviation, on the same "
        "three planes. Stars are sources and triangles receivers, projected onto the plane; "
        "dashed lines show where the other planes cut. Equal scale on both axes.",
        sections,
        _always,
    ),
    Entry(
        "updates",
        "Updates",
        "The same models less the starting model, on a scale of their own: what there was to "
        "find, and what was found.",
        updates,
        _always,
    ),
    Entry(
        "calibration",
        "Error against uncertainty",
        "Left: how far the posterior mean is from the true model, in m/s and in posterior "
        "standard deviations (grey: cells that are not inverted). Right, over "
        "all active cells: the distribution of the latter, and how many cells' true velocity "
        "lies inside central intervals. A calibrated posterior follows the black lines; bars "
        "that reach further right, and points below the line, mean that it is too sure.",
        calibration,
        lambda view: view.summary.true is not None,
    ),
    Entry(
        "wells",
        "Marginals at wells",
        "Central 50 % and 90 % intervals of the posterior against depth, between the bounds "
        "of the prior. The map below shows the wells.",
        well_logs,
        _has_depths,
    ),
    Entry(
        "gathers",
        "Shot gather",
        "Observed and simulated pressure of one shot and their differences, all on the same "
        "amplitude scale. Residuals of a model that fits look like noise of the level marked; "
        "data that do not count leave none.",
        gathers,
        _has_shot,
    ),
    Entry(
        "traces",
        "Traces",
        "Near, middle and far offset. The grey band is the mean model's trace with the noise "
        "of the data around it; 95 % of the observed samples should lie inside.",
        traces,
        _has_shot,
    ),
    Entry(
        "histories",
        "Convergence",
        "Each iteration (pale) and a running median (dark). In the MAP phase, where there is "
        "one, a single model is fitted and log q has no meaning.",
        histories,
        lambda view: len(view.history.get("iteration", ())) > 1,
    ),
    Entry(
        "spread",
        "What the data taught",
        "Prior and posterior standard deviation on one scale, and their ratio: 1 where the "
        "data say nothing, 0 where they say everything. Grey: not inverted.",
        spread,
        _always,
    ),
    Entry(
        "draws",
        "Posterior draws",
        "Models drawn from the posterior, next to its mean: each of them is as good an answer "
        "as the next. Details that all of them share are what the data and the prior support.",
        draws,
        lambda view: len(view.samples) > 0,
    ),
    Entry(
        "geometry",
        "Geometry",
        "Sources, receivers and wells on the grid; dashed lines are the slices above.",
        geometry,
        _has_positions,
    ),
)
