"""Checks of acoustic simulations: time step, grid, wavelet, and the measured gradient."""

from collections.abc import Iterator
from contextlib import suppress
from math import ceil

import numpy as np

from pvi_hpc.data.prepare import true_model
from pvi_hpc.data.survey import Survey
from pvi_hpc.data.wavelets import for_solver, max_frequency
from pvi_hpc.errors import Finding, PviError, error, ok, warning
from pvi_hpc.forward.acoustic.settings import AcousticSettings
from pvi_hpc.forward.acoustic.stability import GOOD_POINTS, max_time_step, points_per_wavelength
from pvi_hpc.forward.problem import Domain

__all__ = [
    "check_free_surface",
    "check_grid",
    "check_sampling",
    "check_section",
    "check_time_step",
    "check_wavelet",
]

#: The stencils and the absorbing layer need as many cells along each axis.
FEWEST_CELLS = 8


def check_grid(domain: Domain) -> Iterator[Finding]:
    """Check that every axis has the cells that the stencils need; y may have one."""
    nz, ny, nx = domain.grid.shape
    if min(nz, nx) < FEWEST_CELLS or 1 < ny < FEWEST_CELLS:
        yield error(
            "grid.shape",
            f"must have at least {FEWEST_CELLS} cells along each axis with 'forward.kind: "
            f"acoustic', or [nz, 1, nx] for a section in two dimensions, got "
            f"{[nz, ny, nx]}; add cells, or lay the section along x.",
        )


def check_section(domain: Domain, survey: Survey) -> Iterator[Finding]:
    """Check what a section can model, and tell that its sources are lines along y."""
    if domain.grid.shape[1] > 1:
        return
    if survey.component == "vy":
        yield error(
            "survey.component",
            "'vy' is zero in a section, whose waves do not change along y; record 'pressure', "
            "'vz' or 'vx', or give 'grid.shape' cells along y.",
        )
    text = (
        "'grid.shape' has one cell along y: waves are 2D, those of line sources along y, with "
        "amplitudes that decay as 1 / sqrt(r)"
    )
    if domain.survey is not None and domain.survey.format == "synthetic":
        yield ok("grid.shape", f"{text}; so are the synthetic data.")
    else:
        yield warning(
            "survey.files",
            f"{text}. Field data are those of point sources: they must have been corrected "
            "(docs/theory/wave-equation.md gives the formula), and the wavelet must be in "
            "units of a line source.",
        )


def check_time_step(
    options: AcousticSettings, domain: Domain, survey: Survey
) -> Iterator[Finding]:
    """Check the stability limit at the prior's fastest velocity, and the true model's."""
    setting, fastest = "prior.upper_m_s", domain.model_range[1]
    model = None
    if domain.survey is not None and domain.survey.synthetic is not None:
        with suppress(PviError):  # `check_true_model` reports it
            model = true_model(domain.survey, domain.grid)
    if model is not None and model.max() > fastest:
        setting, fastest = "survey.synthetic.model", float(model.max())
    step = survey.dt / options.steps_per_sample
    spacing = _spacing(options, domain)
    limit = max_time_step(fastest, spacing, order=options.order)
    if step <= limit:
        yield ok("forward", f"time step {step:g} s, limit {limit:.4g} s at {fastest:g} m/s.")
        return
    yield error(
        setting,
        f"the time step of {step:g} s exceeds the stability limit of {limit:.4g} s at "
        f"{fastest:g} m/s and a spacing of {min(spacing):g} m; set "
        f"'forward.steps_per_sample: {ceil(survey.dt / limit)}'.",
    )


def check_sampling(
    options: AcousticSettings, domain: Domain, survey: Survey
) -> Iterator[Finding]:
    """Check the grid points per wavelength at the prior's slowest velocity."""
    slowest, spacing = domain.model_range[0], _spacing(options, domain)
    if slowest <= 0:
        return  # the check of the prior reports it
    frequency = max_frequency(survey.wavelet)
    if frequency <= 0:
        yield error("survey.wavelet", "the wavelet holds no frequency above 0 Hz.")
        return
    points = points_per_wavelength(slowest, spacing, frequency)
    least, good = options.min_points_per_wavelength, GOOD_POINTS[options.order]
    text = (
        f"{points:.2f} grid points per wavelength at {slowest:g} m/s and {frequency:.3g} Hz "
        f"(10 % of the wavelet's peak amplitude)"
    )
    if points < least:
        yield error(
            "grid.spacing_m",
            f"{text}, 'forward.min_points_per_wavelength' is {least:g}: use a spacing of at "
            f"most {slowest / (frequency * least):.4g} m (now {max(spacing):g}), a wavelet "
            f"of lower frequency, a finer grid for the solver alone ('forward.refine'), or "
            f"raise 'prior.lower_m_s' to {ceil(frequency * least * max(spacing))}.",
        )
    elif points < good:
        yield warning(
            "grid.spacing_m",
            f"{text}; below {good:g}, expect some dispersion. 'forward.refine' makes the "
            "solver's grid finer than the model's.",
        )
    else:
        yield ok("grid.spacing_m", f"{text}.")


def _spacing(options: AcousticSettings, domain: Domain) -> list[float]:
    """Return the spacing of the solver's grid along the axes that have cells [m]."""
    fine = options.refinement.fine(domain.grid)
    return [fine.spacing[axis] for axis in fine.axes]


def check_wavelet(options: AcousticSettings, survey: Survey) -> Iterator[Finding]:
    """Check that the wavelet has the solver's time step and fits into the record."""
    steps = options.steps_per_sample
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


def check_free_surface(
    options: AcousticSettings, domain: Domain, survey: Survey
) -> Iterator[Finding]:
    """Check that no source or receiver lies on a free surface, where the pressure is zero."""
    if not options.free_surface:
        return
    grid = domain.grid
    synthetic = domain.survey is not None and domain.survey.format == "synthetic"
    for shot in survey.shots:
        for kind, points in (("source", shot.source[None]), ("receiver", shot.receivers)):
            above = points[:, 0] - grid.origin[0]
            on_it = grid.contains(points) & (np.abs(above) <= 1e-6 * grid.spacing[0])
            if on_it.any():
                place = ", ".join(f"{x:g}" for x in points[int(on_it.argmax())])
                yield error(
                    f"survey.synthetic.{kind}s" if synthetic else "survey.files",
                    f"shot {shot.id}: its {kind} at (z, y, x) = ({place}) m lies on the free "
                    "surface, where the pressure is zero; place it below 'grid.origin_m' or "
                    "set 'forward.free_surface: false'.",
                )
                return
