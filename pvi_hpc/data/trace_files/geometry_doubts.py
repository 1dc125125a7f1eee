"""Doubts about positions: what headers say twice must agree."""

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pvi_hpc.data.header_settings import HeaderSettings
from pvi_hpc.data.remarks import Remark
from pvi_hpc.data.trace_files.header_words import FIELDS, LIKELY_SCALARS, bytes_of
from pvi_hpc.data.trace_files.trace_headers import Traces, scale_factor
from pvi_hpc.data.trace_files.trace_positions import METRES

__all__ = ["geometry_doubts"]

Array = NDArray[np.float64]
#: Distances and offsets are rounded: each coordinate by half a unit, and the offset too.
ROUNDING: Final = 2.0
#: Positions that differ from the others are doubted while they are fewer than this share.
FEW: Final = 0.1


def geometry_doubts(
    traces: Traces, sources: Array, receivers: Array, description: HeaderSettings
) -> list[Remark]:
    """Return remarks on positions `(n, 3)` [m] that other headers contradict."""
    if not len(sources):
        return []
    found = [*_scalars(traces), *_recurring(traces, receivers)]
    return [*found, *_offsets(traces, sources, receivers, description)]


def _scalars(traces: Traces) -> Iterator[Remark]:
    for name in ("SourceGroupScalar", "ElevationScalar"):
        values = traces.headers[name]
        odd = ~np.isin(values, LIKELY_SCALARS)
        where = f"{name} ({bytes_of(FIELDS[name])})"
        if odd.any():
            text = (
                f"{where} is {values[int(odd.argmax())]}, no power of ten up to 10000; give "
                f"the right one in 'survey.headers: {{values: {{{name}: -10}}}}' if it is wrong"
            )
            yield Remark("doubtful", text, int(odd.sum()))
        factors = scale_factor(values)
        differ = factors != np.median(factors)
        if differ.any():
            yield Remark("doubtful", f"{where} differs between traces", int(differ.sum()))


def _offsets(
    traces: Traces, sources: Array, receivers: Array, description: HeaderSettings
) -> Iterator[Remark]:
    """Compare offsets with distances; the standard leaves open if the scalar holds for both."""
    offset = np.abs(traces.headers["offset"].astype(np.float64))
    if 2 * np.count_nonzero(offset) <= len(offset):
        return
    metres = METRES.get(description.length_unit or "m", 1.0)
    distance = np.hypot(*(receivers[:, 1:] - sources[:, 1:]).T)
    scale = np.ones(len(offset))
    if not description.angular:
        scale = scale_factor(traces.headers["SourceGroupScalar"])
    readings: list[tuple[Array, Array]] = []
    for factor in (np.ones(len(offset)), scale):
        off = np.abs(offset * factor * metres - distance)
        slack = ROUNDING * metres * np.maximum(factor, scale)
        readings.append((off, np.maximum(slack, 3 * np.median(off))))
    off, slack = min(readings, key=lambda reading: float(np.median(reading[0])))
    wrong = off > slack
    if np.median(off) > 0.05 * np.median(distance) + ROUNDING * metres:
        wrong = off > 0
    if wrong.any():
        i = int(off.argmax())
        place = bytes_of(description.places["offset"])
        text = (
            f"the offset ({place}) is not the distance of source and receiver; it is farthest "
            f"off at trace {traces.number[i]}, which has {traces.headers['offset'][i]} and "
            f"{distance[i]:.6g} m: are the words, axes, scalars and units right "
            "('survey.headers')"
        )
        yield Remark("doubtful", text, int(wrong.sum()))


def _recurring(traces: Traces, receivers: Array) -> Iterator[Remark]:
    """Doubt what few positions do, where receivers stay in their places from shot to shot."""
    places, which, counts = _unique(receivers[:, 1:])
    if 2 * len(places) > len(receivers):
        return
    once = counts == 1
    # A trace at a wrong place is missing at its own; a spread that moves has other counts too.
    missing = (counts.max() - counts[~once]).sum()
    if 0 < once.sum() == missing < max(2, FEW * len(places)):
        of = once[which]
        text = (
            "receivers are at places where no other trace has one, though the others recur; "
            f"the first is trace {traces.number[int(of.argmax())]}"
        )
        yield Remark("doubtful", text, int(of.sum()))
    deepest, highest = np.full(len(places), -np.inf), np.full(len(places), np.inf)
    np.maximum.at(deepest, which, receivers[:, 0])
    np.minimum.at(highest, which, receivers[:, 0])
    moved = deepest - highest > 1e-3
    if 0 < moved.sum() < max(2, FEW * len(places)):
        of = moved[which]
        text = (
            "receivers at one place (y, x) have different depths; the first is trace "
            f"{traces.number[int(of.argmax())]}"
        )
        yield Remark("doubtful", text, int(of.sum()))


def _unique(points: Array) -> tuple[Any, NDArray[np.intp], NDArray[np.intp]]:
    rounded = np.round(points, 2)
    places, which, counts = np.unique(rounded, axis=0, return_inverse=True, return_counts=True)
    return places, which.reshape(-1), counts
