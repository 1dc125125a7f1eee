"""Shots of a file of traces: grouped by what tells them apart, each with one source."""

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pvi_hpc.data.header_settings import HeaderSettings
from pvi_hpc.data.survey import Shot
from pvi_hpc.data.trace_files.header_words import bytes_of
from pvi_hpc.data.trace_files.trace_headers import Traces
from pvi_hpc.errors import SurveyError

__all__ = ["Numbering", "shots_of"]

#: Sources closer than this are one [m].
SAME: Final = 1e-3


class Numbering:
    """The numbers of shots over all files of a survey."""

    def __init__(self, description: HeaderSettings) -> None:
        """Begin with no shot."""
        self.description = description
        self._files = 0
        self._sources: dict[tuple[int, ...], int] = {}

    def of_file(self, traces: Traces, sources: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the number of the shot of each trace `(n,)` of the next file."""
        self._files += 1
        kind = self.description.shot_number
        if kind == "file":
            return np.full(len(sources), self._files, dtype=np.int64)
        if kind == "source":
            # To the centimetre: a projection may round the last digits differently.
            places = np.round(sources / (10 * SAME)).astype(np.int64)
            found = [
                self._sources.setdefault(tuple(place), len(self._sources) + 1)
                for place in places.tolist()
            ]
            return np.array(found, dtype=np.int64)
        return np.asarray(traces.headers["FieldRecord"], dtype=np.int64)


def shots_of(
    traces: Traces,
    places: tuple[NDArray[np.float64], NDArray[np.float64]],
    noise_sd: float,
    numbering: Numbering,
) -> Iterator[Shot]:
    """Yield the shots of one file; neither they nor their traces need be together.

    `places` are sources and receivers of the traces, both `(n, 3)` [m].

    Raises
    ------
    SurveyError
        If a shot has two sources, or two of its traces the same number.
    """
    description, (sources, receivers) = numbering.description, places
    records = numbering.of_file(traces, sources)
    if not len(records):
        return
    by_order = description.trace_number == "order"
    numbers = traces.number if by_order else traces.headers["TraceNumber"]
    order = np.lexsort((numbers, records))
    for i in np.split(order, np.flatnonzero(np.diff(records[order])) + 1):
        _check_shot(traces, i, sources, int(records[i[0]]), numbers[i], description)
        yield Shot(
            id=int(records[i[0]]),
            source=sources[i[0]],
            receivers=receivers[i],
            data=traces.data[i],
            noise_sd=np.full(len(i), noise_sd, dtype=np.float64),
        )


def _check_shot(
    traces: Traces,
    i: NDArray[np.intp],
    sources: NDArray[np.float64],
    record: int,
    numbers: NDArray[np.int64],
    description: HeaderSettings,
) -> None:
    """Check the traces `i`, sorted by their numbers, of one shot."""
    words = description.places
    by_record = description.shot_number == "FieldRecord"
    named = f"FieldRecord {record}" if by_record else f"shot {record}"
    places = {name: bytes_of(words[name]) for name in ("FieldRecord", "TraceNumber")}
    moved = np.abs(sources[i] - sources[i[0]]).max(axis=1) > SAME
    if moved.any() and description.shot_number != "source":
        k = i[int(moved.argmax())]
        remedy = f"give every shot its own FieldRecord ({places['FieldRecord']})"
        raise SurveyError(
            f"'{traces.file}': {named} has two sources, (z, y, x) = "
            f"{sources[i[0]].tolist()} m at trace {traces.number[i[0]]} and "
            f"{sources[k].tolist()} m at trace {traces.number[k]}; {remedy}, or set "
            "'survey.headers: {shot_number: source}'."
        )
    twice = np.flatnonzero(np.diff(numbers) == 0)
    if not len(twice):
        return
    a, b = sorted(int(traces.number[k]) for k in i[twice[0] : twice[0] + 2])
    if by_record and not (record or numbers.any()):
        raise SurveyError(
            f"'{traces.file}': FieldRecord ({places['FieldRecord']}) and TraceNumber "
            f"({places['TraceNumber']}) are 0 in {len(i)} traces, the first is trace "
            f"{traces.number[i[0]]}; number the shots, and the traces of each shot, or set "
            "'survey.headers: {shot_number: source, trace_number: order}'."
        )
    raise SurveyError(
        f"'{traces.file}': traces {a} and {b} are both {named}, TraceNumber "
        f"{numbers[twice[0]]}; a shot is in the file twice, or TraceNumber "
        f"({places['TraceNumber']}) must be renumbered: 'survey.headers: {{trace_number: "
        "order}' takes the order of the file."
    )
