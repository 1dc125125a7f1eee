"""Do time step, grid and wavelet suit every velocity that the prior allows?"""

from collections.abc import Iterator
from contextlib import suppress
from math import ceil
from typing import Final

import numpy as np

from pvi_hpc.checks.prior import velocity_range
from pvi_hpc.config.project import Run
from pvi_hpc.data.prepare import true_model
from pvi_hpc.data.survey import Survey
from pvi_hpc.data.wavelets import for_solver, max_frequency
from pvi_hpc.errors import PviError
from pvi_hpc.findings import Finding, error, ok, warning
from pvi_hpc.forward.acoustic.stability import GOOD_POINTS, max_time_step, points_per_wavelength

__all__ = ["check_grid", "check_sampling", "check_time_step", "check_wavelet"]

#: Cells that the acoustic solver needs along every axis, for its stencils and sources.
FEWEST_CELLS: Final = 8


def check_grid(run: Run) -> Iterator[Finding]:
    """Check that the grid has enough cells for the acoustic solver."""
    if min(run.grid.shape) < FEWEST_CELLS:
        yield error(
            "grid.shape",
            f"must have at least {FEWEST_CELLS} cells on every axis for the forward problem "
            f"'acoustic', which is 3D, got {list(run.grid.shape)}; use a larger grid, or a "
            "forward problem of fewer dimensions.",
        )


def check_time_step(run: Run, survey: Survey) -> Iterator[Finding]:
    """Check the stability limit at the prior's fastest velocity, and the true model's."""
    setting, fastest = "prior.upper_m_s", velocity_range(run)[1]
    model = None
    if run.survey.synthetic is not None:
        with suppress(PviError):  # `check_true_model` reports it
            model = true_model(run)
    if model is not None and model.max() > fastest:
        setting, fastest = "survey.synthetic.model", float(model.max())
    step = survey.dt / run.solver.steps_per_sample
    limit = max_time_step(fastest, run.grid.grid.spacing, order=run.solver.order)
    if step <= limit:
        yield ok("solver", f"time step {step:g} s, limit {limit:.4g} s at {fastest:g} m/s.")
        return
    yield error(
        setting,
        f"the time step of {step:g} s exceeds the stability limit of {limit:.4g} s at "
        f"{fastest:g} m/s and a spacing of {min(run.grid.grid.spacing):g} m; set "
        f"'solver.steps_per_sample: {ceil(survey.dt / limit)}'.",
    )


def check_sampling(run: Run, survey: Survey) -> Iterator[Finding]:
    """Check the grid points per wavelength at the prior's slowest velocity."""
    slowest, spacing = velocity_range(run)[0], run.grid.grid.spacing
    frequency = max_frequency(survey.wavelet)
    if frequency <= 0:
        yield error("survey.wavelet", "the wavelet holds no frequency above 0 Hz.")
        return
    points = points_per_wavelength(slowest, spacing, frequency)
    least, good = run.solver.min_points_per_wavelength, GOOD_POINTS[run.solver.order]
    text = (
        f"{points:.2f} grid points per wavelength at {slowest:g} m/s and {frequency:.3g} Hz "
        f"(10 % of the wavelet's peak amplitude)"
    )
    if points < least:
        yield error(
            "grid.spacing_m",
            f"{text}, 'solver.min_points_per_wavelength' is {least:g}: use a spacing of at "
            f"most {slowest / (frequency * least):.4g} m (now {max(spacing):g}), a wavelet "
            f"of lower frequency, or raise 'prior.lower_m_s' to "
            f"{ceil(frequency * least * max(spacing))}.",
        )
    elif points < good:
        yield warning("grid.spacing_m", f"{text}; below {good:g}, expect some dispersion.")
    else:
        yield ok("grid.spacing_m", f"{text}.")


def check_wavelet(run: Run, survey: Survey) -> Iterator[Finding]:
    """Check that the wavelet has the solver's time step and fits into the record."""
    steps = run.solver.steps_per_sample
    n_steps = (survey.n_samples - 1) * steps + 1
    try:
        samples = for_solver(survey.wavelet, survey.dt / steps, n_steps)
    except PviError as fault:
        yield error("survey.wavelet", str(fault))
        return
    largest = float(np.abs(samples).max())
    if abs(samples[0]) > 0.05 * largest:
        yield warning(
            "survey.wavelet",
            f"the wavelet starts with {abs(samples[0]) / largest:.0%} of its largest value; "
            "the jump at t = 0 radiates frequencies that the grid cannot carry. Delay it.",
        )
    if 0.5 / survey.dt < max_frequency(survey.wavelet):
        yield warning(
            "survey.wavelet",
            f"the wavelet holds {max_frequency(survey.wavelet):.3g} Hz, but data every "
            f"{survey.dt:g} s only carry {0.5 / survey.dt:.3g} Hz.",
        )
