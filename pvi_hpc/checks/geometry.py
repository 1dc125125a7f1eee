"""Is there a geometry at all? Coordinates never filled in, and points that coincide."""

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pvi_hpc.data.survey import Shot, Survey
from pvi_hpc.errors import Finding, error, warning

__all__ = ["check_geometry", "place_text", "receiver_points", "source_points"]

Positions = NDArray[np.float64]

#: Points closer than this are one place [m].
SAME_PLACE: Final = 1e-3


def check_geometry(survey: Survey, of_sources: str, of_receivers: str) -> Iterator[Finding]:
    """Check that sources and receivers have coordinates, and places of their own.

    `of_sources` and `of_receivers` are the settings that say where they are.
    """
    sources, receivers = source_points(survey)[0], receiver_points(survey)[0]
    most = max(len(shot.receivers) for shot in survey.shots)
    yield from _never_filled(of_sources, "source", sources, several=len(sources) > 1)
    yield from _never_filled(of_receivers, "receiver", receivers, several=most > 1)
    if len(sources) > 1 and _one_place(sources) and sources[0, 1:].any():
        yield warning(
            of_sources,
            f"all {len(sources)} shots have their source at one place, (z, y, x) = "
            f"{place_text(sources[0])} m; is that so, or is the geometry missing?",
        )
    yield from _coinciding(of_receivers, survey)


def source_points(survey: Survey) -> tuple[Positions, NDArray[np.int64]]:
    """Return the sources `(n, 3)` [m] and the ids of their shots."""
    points = [shot.source for shot in survey.shots]
    ids = np.array([shot.id for shot in survey.shots], dtype=np.int64)
    return np.reshape(np.array(points, dtype=np.float64), (-1, 3)), ids


def receiver_points(survey: Survey) -> tuple[Positions, NDArray[np.int64]]:
    """Return the receivers of all shots `(n, 3)` [m] and the ids of their shots."""
    points = [np.empty((0, 3)), *(shot.receivers for shot in survey.shots)]
    ids, counts = source_points(survey)[1], [len(shot.receivers) for shot in survey.shots]
    return np.concatenate(points), np.repeat(ids, counts)


def _never_filled(
    setting: str, kind: str, points: Positions, *, several: bool
) -> Iterator[Finding]:
    """Look for points at y = x = 0: all of them, at one depth, or more than one of several."""
    at_zero = ~points[:, 1:].any(axis=1)
    if at_zero.all() and _one_place(points):
        text = (
            f"all {len(points)} {kind}s are at (z, y, x) = {place_text(points[0])} m: the file "
            "seems to hold no coordinates; merge the geometry into it (in trace headers, "
            "bytes 41-52 and 73-88)."
        )
        yield (error if several else warning)(setting, text)
    elif kind == "source" and 1 < at_zero.sum() < len(points):
        yield warning(
            setting,
            f"{int(at_zero.sum())} of {len(points)} {kind}s are at y = x = 0 and the others "
            "are not; are the coordinates of these shots missing?",
        )


def _coinciding(setting: str, survey: Survey) -> Iterator[Finding]:
    """Look for receivers of a shot at one place, or at the source."""
    shared = [(shot, n) for shot in survey.shots if (n := _sharing(shot.receivers))]
    if shared:
        shot, n = shared[0]
        yield warning(
            setting,
            f"{n} of the {len(shot.receivers)} receivers of shot {shot.id} share their place "
            f"with another one, and so it is in {len(shared)} of {len(survey.shots)} shots; "
            "are coordinates missing, or is it a file of several components?",
        )
    near = [(shot, n) for shot in survey.shots if (n := _at_source(shot))]
    if near:
        shot, n = near[0]
        yield warning(
            setting,
            f"{n} of the {len(shot.receivers)} receivers of shot {shot.id} are at its source, "
            f"(z, y, x) = {place_text(shot.source)} m, and so it is in {len(near)} of "
            f"{len(survey.shots)} shots; are coordinates missing? A simulated trace there is "
            "not to be trusted: leave it out.",
        )


def _sharing(points: Positions) -> int:
    """Return how many points have another one at the same place."""
    cells = np.round(points / SAME_PLACE)
    counts = np.unique(cells, axis=0, return_counts=True)[1]
    return int(counts[counts > 1].sum())


def _at_source(shot: Shot) -> int:
    return int((np.abs(shot.receivers - shot.source).max(axis=1) < SAME_PLACE).sum())


def _one_place(points: Positions) -> bool:
    return bool((np.abs(points - points[0]) < SAME_PLACE).all())


def place_text(point: Positions) -> str:
    """Return a point (z, y, x) as text."""
    return "(" + ", ".join(f"{x:g}" for x in point) + ")"
