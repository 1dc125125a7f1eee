"""Checks of the mute: it is possible, it leaves data, and no trace next to a source counts."""

from collections.abc import Iterator
from math import ceil
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pvi_hpc.config.project import Run
from pvi_hpc.data.survey import Shot, Survey
from pvi_hpc.errors import Finding, error, ok, warning
from pvi_hpc.forward.acoustic.settings import AcousticSettings
from pvi_hpc.forward.grouping import offsets
from pvi_hpc.forward.likelihood import LikelihoodSettings
from pvi_hpc.forward.problem import ForwardProblem
from pvi_hpc.forward.weighting import Weighting, counts

__all__ = ["check_likelihood", "check_near_traces"]

#: Receivers nearer to their source than so many cells are simulated badly.
NEAR_CELLS: Final = 2.0
#: Data that a group needs to tell its noise within about 7 %.
FEWEST_DATA: Final = 100


def check_likelihood(run: Run, survey: Survey, problem: ForwardProblem) -> Iterator[Finding]:
    """Check that the section `likelihood` can be followed, and tell how many data count."""
    settings = run.likelihood
    if settings.is_default:
        return
    if fault := _impossible(run, problem):
        yield fault
        return
    if fault := _wrong_spectrum(settings, survey):
        yield fault
        return
    weighting = Weighting(settings, survey.dt, survey.n_samples)
    before = sum(counts(shot, survey.n_samples, None) for shot in survey.shots)
    of_shots = np.array([counts(shot, survey.n_samples, weighting) for shot in survey.shots])
    if not of_shots.sum() > 0:
        far = max(float(offsets(shot).max(initial=0.0)) for shot in survey.shots)
        yield error(
            "likelihood.mute",
            f"must leave data, but no sample of the {survey.n_traces} traces counts; offsets "
            f"reach {far:g} m and records {survey.dt * (survey.n_samples - 1):g} s: widen the "
            "limits.",
        )
        return
    yield ok(
        "likelihood",
        f"{of_shots.sum():,.0f} of {before:,} samples of live traces count "
        f"({of_shots.sum() / before:.1%}).",
    )
    yield from _check_groups(weighting, survey)
    if silent := int((of_shots == 0).sum()):
        first = survey.shots[int((of_shots == 0).argmax())].id
        yield warning(
            "likelihood.mute",
            f"leaves no sample of {silent} of {len(survey.shots)} shots, the first is shot "
            f"{first}; they are simulated all the same. Widen the limits, or remove the shots.",
        )


def _check_groups(weighting: Weighting, survey: Survey) -> Iterator[Finding]:
    """Check that the groups whose noise is an unknown hold data."""
    groups = weighting.noise_groups
    if groups is None:
        return
    held = [groups.sums(shot, weighting.weights(shot).values) for shot in survey.shots]
    n_data = np.sum(held, axis=0)
    least = int(n_data.argmin())
    if n_data[least] < FEWEST_DATA:
        yield warning(
            "likelihood.noise",
            f"the group '{groups.names[least]}' holds {n_data[least]:,.0f} data that count, "
            f"fewer than {FEWEST_DATA}: its noise follows the prior; move or remove an edge.",
        )
    else:
        yield ok(
            "likelihood.noise",
            f"the noise sd of {groups.n} group{'s' if groups.n > 1 else ''} is inferred; "
            f"'{groups.names[least]}' holds fewest data, {n_data[least]:,.0f}.",
        )


def check_near_traces(run: Run, survey: Survey) -> Iterator[Finding]:
    """Check that no trace counts whose receiver is next to its source.

    A synthetic survey is left out: its data have the errors of the simulations.
    """
    if run.survey is None or run.survey.format == "synthetic":
        return
    weighting = Weighting(run.likelihood, survey.dt, survey.n_samples)
    spacing = _solver_spacing(run)
    found = [
        (shot, near) for shot in survey.shots if (near := _near(shot, spacing, weighting)).any()
    ]
    if not found:
        return
    n = sum(int(near.sum()) for _, near in found)
    farthest = max(float(offsets(shot)[near].max()) for shot, near in found)
    limit = 10 * ceil(farthest / 10 + 0.1)
    yield warning(
        "likelihood.mute.min_offset_m",
        f"{n} traces of {len(found)} of {len(survey.shots)} shots have their receiver within "
        f"{NEAR_CELLS:g} cells of the source (the first is shot {found[0][0].id}), where "
        "simulations on this grid err most and single cells bend to fit them; set "
        f"'likelihood: {{mute: {{min_offset_m: {limit}, taper_m: {max(spacing):g}}}}}', or "
        "give the solver a finer grid ('forward.refine').",
    )


def _impossible(run: Run, problem: ForwardProblem) -> Finding | None:
    """Return why this forward problem cannot follow the section; None where it can."""
    kind, settings = run.forward.kind, run.likelihood
    if not problem.has_data or not getattr(problem, "weighs_data", False):
        return error(
            "likelihood",
            f"must be left out with 'forward.kind: {kind}', which compares the data "
            f"itself, got {settings.lasting()}; remove it, and weigh the data there.",
        )
    if not problem.has_positions and _wants_positions(settings):
        return error(
            "likelihood",
            f"must have no 'mute' and no 'noise.offset_edges_m' with 'forward.kind: {kind}', "
            f"whose receivers have no positions, got {settings.lasting()}; remove them.",
        )
    method = run.inference.method.kind
    if settings.noise is not None and method != "vi":
        return error(
            "likelihood.noise",
            "must be null unless 'inference.method.kind' is 'vi', whose iterations infer it, "
            f"got '{method}'; remove it, or set 'survey.noise_sd'.",
        )
    moves = settings.noise is not None and settings.noise.in_start
    if moves and run.start.map_optimiser != "adam":
        return error(
            "likelihood.noise.in_start",
            "must be false unless 'start.map_optimiser' is 'adam': a line search needs one "
            f"density, got true with '{run.start.map_optimiser}'; remove it.",
        )
    return None


def _wrong_spectrum(settings: LikelihoodSettings, survey: Survey) -> Finding | None:
    """Return why these traces cannot have noise of that spectrum; None where they can."""
    spectrum, highest = settings.spectrum, 0.5 / survey.dt
    if spectrum is None:
        return None
    if survey.n_samples < 2:
        return error(
            "likelihood.spectrum",
            f"must be null for data that are no traces, got {survey.n_samples} sample a trace; "
            "remove it.",
        )
    if spectrum.band_hz is not None and spectrum.band_hz[0] >= highest:
        return error(
            "likelihood.spectrum.band_hz",
            f"must begin below {highest:g} Hz, the highest frequency of data every "
            f"{survey.dt:g} s, got {list(spectrum.band_hz)}; correct it.",
        )
    return None


def _wants_positions(settings: LikelihoodSettings) -> bool:
    noise = settings.noise
    return settings.mute is not None or (noise is not None and bool(noise.offset_edges_m))


def _solver_spacing(run: Run) -> NDArray[np.float64]:
    """Return the spacing of the cells that waves are simulated on `(3,)` [m]."""
    grid, forward = run.grid.grid, run.forward
    fine = forward.refinement.fine(grid) if isinstance(forward, AcousticSettings) else grid
    return np.asarray(fine.spacing)


def _near(shot: Shot, spacing: NDArray[np.float64], weighting: Weighting) -> NDArray[np.bool_]:
    """Return the traces that count and are near their source `(n_rec,)`."""
    cells = np.sqrt((((shot.receivers - shot.source) / spacing) ** 2).sum(axis=1))
    return np.asarray((cells <= NEAR_CELLS) & ~weighting.weights(shot).muted)
