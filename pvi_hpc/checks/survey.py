"""Does the survey fit the grid, and can its data be compared with anything?"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from pvi_hpc.checks.geometry import (
    check_geometry,
    place_text,
    receiver_points,
    source_points,
)
from pvi_hpc.config.project import Run
from pvi_hpc.data.remarks import from_attributes
from pvi_hpc.data.survey import Survey
from pvi_hpc.errors import Finding, error, ok, warning

__all__ = ["check_data", "check_positions"]

Positions = NDArray[np.float64]


def check_positions(run: Run, survey: Survey) -> Iterator[Finding]:
    """Check that sources and receivers lie in the grid."""
    names = _settings(run)
    faults = 0
    for finding in check_geometry(survey, *names):
        faults += finding.level == "error"
        yield finding
    for setting, kind, points, shots in (
        (names[0], "source", *source_points(survey)),
        (names[1], "receiver", *receiver_points(survey)),
    ):
        for finding in _outside(run, setting, kind, points, shots):
            faults += 1
            yield finding
    if not faults:
        yield ok(
            "grid",
            f"all {len(survey.shots)} sources and {survey.n_traces} receivers lie in the grid, "
            f"{_extent(run)}.",
        )


def check_data(run: Run, survey: Survey) -> Iterator[Finding]:
    """Check traces and noise levels; a synthetic survey need not have traces yet."""
    synthetic = run.survey is not None and run.survey.format == "synthetic"
    setting = "survey.synthetic" if synthetic else "survey.files"
    setting = "forward" if run.survey is None else setting
    if not survey.n_traces:
        yield error(setting, "there are no traces at all; give a survey with receivers.")
        return
    if not synthetic and any(not shot.data.shape[1] for shot in survey.shots):
        yield error(setting, "the survey is a geometry without data; give one with traces.")
    for shot in survey.shots:
        if not np.isfinite(shot.data).all():
            trace = int((~np.isfinite(shot.data).all(axis=1)).argmax())
            yield error(
                setting,
                f"shot {shot.id}, receiver {trace + 1} holds NaN or infinite values; repair it "
                "or set the trace to zero.",
            )
            break
    yield from _noise(run, survey, setting)
    for kind, text in from_attributes(survey.attributes):
        yield (ok if kind == "assumed" else warning)(setting, text)


def _noise(run: Run, survey: Survey, setting: str) -> Iterator[Finding]:
    noise = np.concatenate([shot.noise_sd for shot in survey.shots])
    if np.isnan(noise).any() or (noise <= 0).any():
        bad = noise[np.isnan(noise) | (noise <= 0)]
        yield error(
            "survey.noise_sd",
            f"the noise sd of every trace must be positive, got {bad[0]:g} and {len(bad)} such "
            "traces; set 'survey.noise_sd'.",
        )
    dead = np.isinf(noise)
    if dead.all():
        yield error(setting, f"all {len(noise)} traces are dead (zero); there is no data.")
    elif dead.any():
        yield warning(setting, f"{int(dead.sum())} of {len(noise)} traces are dead; left out.")
    silent = [shot.id for shot in survey.shots if np.isinf(shot.noise_sd).all()]
    if silent and not dead.all():
        yield warning(
            setting, f"{len(silent)} shots have no live trace, the first is shot {silent[0]}."
        )


def _outside(
    run: Run, setting: str, kind: str, points: Positions, shots: NDArray[np.int64]
) -> Iterator[Finding]:
    grid = run.grid.grid
    bad = ~grid.contains(points)  # so are coordinates that are not finite
    if bad.any():
        i = int(bad.argmax())
        yield error(
            setting,
            f"shot {shots[i]}: its {kind} at (z, y, x) = {place_text(points[i])} m is outside "
            f"the grid, {_extent(run)}; {int(bad.sum())} of {len(points)} {kind}s are. Change "
            f"'grid.shape' or 'grid.origin_m', or leave them out.{_hint(run, kind, points[i])}",
        )


def _hint(run: Run, kind: str, point: Positions) -> str:
    grid = run.grid.grid
    if grid.shape[1] == 1 and abs(point[1] - grid.origin[1]) > 0.5 * grid.spacing[1]:
        return (
            " The grid has one cell along y: points must lie in it, within half of "
            "'grid.spacing_m' of 'grid.origin_m'. Project them on the section, or widen the "
            "cell."
        )
    above = point[0] < grid.origin[0]
    if run.survey is None or run.survey.format not in ("segy", "su") or not above:
        return ""
    header = "ReceiverGroupElevation" if kind == "receiver" else "SourceSurfaceElevation"
    return (
        f" Elevations in trace headers are positive upwards and z is downwards: is {header} "
        "a depth with the wrong sign, or is the ground higher than 'grid.origin_m'?"
    )


def _settings(run: Run) -> tuple[str, str]:
    if run.survey is None:
        return "forward", "forward"
    if run.survey.format == "synthetic":
        return "survey.synthetic.sources", "survey.synthetic.receivers"
    return "survey.files", "survey.files"


def _extent(run: Run) -> str:
    grid = run.grid.grid
    spans = zip("zyx", grid.origin, grid.upper, strict=True)
    return ", ".join(f"{name} {low:g} to {high:g}" for name, low, high in spans) + " m"
