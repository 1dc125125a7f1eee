"""Do prior and starting model agree with each other and with the grid?"""

from collections.abc import Iterator
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

from pvi_hpc.config.project import ACOUSTIC, Run
from pvi_hpc.data.model_file import states_grid
from pvi_hpc.data.settings import ModelFileSettings
from pvi_hpc.errors import Finding, PviError, error, ok, warning
from pvi_hpc.priors.load import load_prior, prior_bounds, prior_class
from pvi_hpc.priors.verify import map_faults
from pvi_hpc.problem.forward import true_model
from pvi_hpc.problem.starting_model import starting_model

__all__ = ["check_prior", "check_start", "check_true_model"]

Array = NDArray[np.float64]


def check_prior(run: Run) -> Iterator[Finding]:
    """Check that the prior can be made, and what it says of itself on this grid."""
    if (fault := _prior_fault(run)) is not None:
        yield error("prior", fault)
    elif run.cells.n:
        for sentence in map_faults(load_prior(run.prior, run.cells)):
            yield error("prior.kind", sentence)
        yield from _positive(run)
    with suppress(PviError):  # reported above
        yield from prior_class(run.prior).check(run.prior, run.cells)
    bottom, fixed_above = run.grid.grid.upper[0], run.prior.fixed_above_m
    if fixed_above is not None and fixed_above > bottom:
        yield error(
            "prior.fixed_above_m",
            f"must be above the grid's last cell at {bottom:g} m, or nothing is left to "
            f"invert, got {fixed_above:g}.",
        )


def check_start(run: Run) -> Iterator[Finding]:
    """Check that the starting model lies within the prior's bounds where cells are free."""
    fixed_above, of_prior = run.prior.fixed_above_m, run.start.model == "prior_mean"
    if of_prior and _prior_fault(run) is not None:
        return  # `check_prior` reports it
    if of_prior and fixed_above is not None and not run.cells.active.all():
        yield warning(
            "start.model",
            f"is 'prior_mean', so that the cells above 'prior.fixed_above_m: {fixed_above:g}' "
            "keep the prior's mean for good, which is probably not water; give a profile "
            "('depth_m', 'velocity_m_s') or a file with their velocity.",
        )
    try:
        model = starting_model(run)
    except PviError as fault:
        yield error("start.model", str(fault))
        return
    if isinstance(run.start.model, ModelFileSettings):
        yield from _unstated_grid("start.model", run.start.model)
    worst = _outside(run, model)
    if worst is not None:
        yield error(
            "start.model",
            f"must lie between the prior's bounds, but {worst}; widen 'prior.lower_m_s' and "
            "'prior.upper_m_s', or change the start.",
        )


def check_true_model(run: Run) -> Iterator[Finding]:
    """Check that the true model can be read, and one of our own be found."""
    synthetic = run.survey is not None and run.survey.synthetic is not None
    setting = "survey.synthetic.model" if synthetic else "survey.true_model"
    if run.survey is None:
        synthetic, setting = True, "forward.synthetic.model"
    try:
        model = true_model(run)
    except PviError as fault:
        yield error(setting, str(fault))
        return
    source = None
    if run.survey is not None:
        own = run.survey.synthetic
        source = run.survey.true_model if own is None else own.model
    if isinstance(source, ModelFileSettings):
        yield from _unstated_grid(setting, source)
    if model is None or not synthetic:
        return  # an independent survey's is for scoring: nothing may be learnt from it
    worst = _outside(run, model.astype(np.float64))
    if worst is not None:
        yield warning(
            setting, f"no run can find it, for {worst} ('prior.lower_m_s' and so on)."
        )


def _positive(run: Run) -> Iterator[Finding]:
    lowest = prior_bounds(run.prior, run.cells)[0]
    if run.forward.kind == ACOUSTIC and lowest <= 0:
        yield error(
            "prior.lower_m_s",
            f"must be given with 'forward.kind: acoustic', or the prior allows {lowest:g} m/s; "
            "set the lowest velocity that rocks may have.",
        )


def _unstated_grid(setting: str, model: ModelFileSettings) -> Iterator[Finding]:
    if not states_grid(model):
        yield ok(
            setting,
            f"'{model.file}' does not say on which grid it lies (spacing and origin); its "
            "cells are taken as those of 'grid', axes (z, y, x).",
        )


def _prior_fault(run: Run) -> str | None:
    """Say why the prior cannot be made on the cells of the grid, or return None."""
    try:
        load_prior(run.prior, run.cells)
    except PviError as fault:
        return str(fault)
    return None


def _outside(run: Run, model: Array) -> str | None:
    """Describe the first free cell outside the prior's bounds, or return None."""
    cells = run.cells
    try:
        prior = load_prior(run.prior, cells)
    except PviError:
        return None  # `check_prior` reports it
    values = model[cells.active]
    outside = (values <= prior.lower) | (values >= prior.upper)
    if not outside.any():
        return None
    i = int(outside.argmax())
    return (
        f"at z = {cells.depth[i]:g} m it is {values[i]:g} m/s, bounds {prior.lower[i]:g} to "
        f"{prior.upper[i]:g} m/s, and {outside.sum() / model.size:.2%} of the model is outside"
    )
