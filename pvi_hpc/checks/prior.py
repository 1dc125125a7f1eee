"""Do prior and starting model agree with each other and with the grid?"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from pvi_hpc.config.project import Run
from pvi_hpc.errors import Finding, PviError, error, warning
from pvi_hpc.priors.load import load_prior
from pvi_hpc.problem.forward import true_model
from pvi_hpc.problem.starting_model import starting_model

__all__ = ["check_prior", "check_start", "check_true_model"]

Array = NDArray[np.float64]


def check_prior(run: Run) -> Iterator[Finding]:
    """Check that there is such a prior, and that its tables suit the grid and each other."""
    prior, grid = run.prior, run.grid.grid
    if (fault := _prior_fault(run)) is not None:
        yield error("prior", fault)
    top, bottom = grid.origin[0], grid.upper[0]
    if len(prior.depth_m) > 1 and (prior.depth_m[0] > top or prior.depth_m[-1] < bottom):
        yield warning(
            "prior.depth_m",
            f"covers {prior.depth_m[0]:g} to {prior.depth_m[-1]:g} m, the grid {top:g} to "
            f"{bottom:g} m; the first and last values hold beyond.",
        )
    if prior.fixed_above_m is not None and prior.fixed_above_m > bottom:
        yield error(
            "prior.fixed_above_m",
            f"must be above the grid's last cell at {bottom:g} m, or nothing is left to "
            f"invert, got {prior.fixed_above_m:g}.",
        )
    for z, mean, low, high in zip(
        prior.depth_m, prior.mean_m_s or (), prior.lower_m_s, prior.upper_m_s, strict=False
    ):
        if not low < mean < high:
            yield error(
                "prior.mean_m_s",
                f"must lie between 'lower_m_s' and 'upper_m_s', got {mean:g} m/s at {z:g} m, "
                f"bounds {low:g} to {high:g}.",
            )


def check_start(run: Run) -> Iterator[Finding]:
    """Check that the starting model lies within the prior's bounds where cells are free."""
    fixed_above, of_prior = run.prior.fixed_above_m, run.start.model == "prior_mean"
    if of_prior and _prior_fault(run) is not None:
        return  # `check_prior` reports it
    if of_prior and fixed_above is not None and not _free(run).all():
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
    try:
        model = true_model(run)
    except PviError as fault:
        yield error(setting, str(fault))
        return
    if model is None or not synthetic:
        return  # an independent survey's is for scoring: nothing may be learnt from it
    worst = _outside(run, model.astype(np.float64))
    if worst is not None:
        yield warning(
            setting, f"no run can find it, for {worst} ('prior.lower_m_s' and so on)."
        )


def _prior_fault(run: Run) -> str | None:
    """Say why the prior cannot be made at the depths of the grid, or return None."""
    try:
        load_prior(run.prior, run.grid.grid.axis(0))
    except PviError as fault:
        return str(fault)
    return None


def _free(run: Run) -> NDArray[np.bool_]:
    """Tell which depths of the grid are not fixed, `(nz,)`."""
    above = run.prior.fixed_above_m
    z = run.grid.grid.axis(0)
    return z >= (-np.inf if above is None else above)


def _outside(run: Run, model: Array) -> str | None:
    """Describe the first free cell outside the prior's bounds, or return None."""
    low = _by_depth(run, run.prior.depth_m, run.prior.lower_m_s)
    high = _by_depth(run, run.prior.depth_m, run.prior.upper_m_s)
    outside = ((model <= low) | (model >= high)) & _free(run)[:, None, None]
    if not outside.any():
        return None
    i = tuple(int(k) for k in np.unravel_index(int(outside.argmax()), outside.shape))
    z = run.grid.grid.axis(0)[i[0]]
    return (
        f"at z = {z:g} m it is {model[i]:g} m/s, bounds {low[i[0], 0, 0]:g} to "
        f"{high[i[0], 0, 0]:g} m/s, and {float(outside.mean()):.2%} of the model is outside"
    )


def _by_depth(run: Run, depth: tuple[float, ...], values: tuple[float, ...]) -> Array:
    table: Array = np.interp(run.grid.grid.axis(0), depth, values)[:, None, None]
    return table
