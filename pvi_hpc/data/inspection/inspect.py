"""Content of a SEG-Y or SU file, and a description under which it can be read."""

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import yaml
from numpy.typing import NDArray
from pydantic import ValidationError

from pvi_hpc.data.header_settings import STANDARD, HeaderSettings
from pvi_hpc.data.inspection.content import Content, Kind, SampleSummary
from pvi_hpc.data.remarks import Remark
from pvi_hpc.data.survey import Component
from pvi_hpc.data.trace_files.delays import apply_delays
from pvi_hpc.data.trace_files.geometry_doubts import geometry_doubts
from pvi_hpc.data.trace_files.segy_layout import SegyLayout
from pvi_hpc.data.trace_files.shots import Numbering, shots_of
from pvi_hpc.data.trace_files.trace_headers import Traces, unreadable
from pvi_hpc.data.trace_files.trace_positions import positions
from pvi_hpc.data.trace_files.trace_records import RecordFile
from pvi_hpc.data.trace_files.traces import receivers_of
from pvi_hpc.errors import SurveyError

__all__ = ["Inspection", "inspect_traces"]

#: Refusals that are settled one after the other before we give up.
MOST_REFUSALS: Final = 20
#: The line of a refusal that settles it.
LINE: Final = re.compile(r"'survey\.headers: (\{.*?\})'")


@dataclass(frozen=True)
class Inspection:
    """Findings on one file.

    `layout` is that of SEG-Y, None for SU; `words` are first byte and code of each word of
    `headers`, which has one array `(n,)` each. `refusals` are the messages that the file gets
    one after the other, each settled as it says; `settings` are all these lines as one
    description. `complete` tells that the file is read with it; `shots` are then the numbers
    of its shots, `sources` and `receivers` `(n, 3)` [m] those of its live traces.
    """

    path: Path
    kind: Kind
    records: RecordFile
    layout: SegyLayout | None
    words: dict[str, tuple[int, str]]
    headers: dict[str, NDArray[Any]]
    dt: float
    samples: SampleSummary
    refusals: tuple[str, ...]
    remarks: tuple[Remark, ...]
    settings: HeaderSettings
    complete: bool
    shots: tuple[int, ...]
    sources: NDArray[np.float64]
    receivers: NDArray[np.float64]


def inspect_traces(
    path: str | Path,
    kind: Kind,
    description: HeaderSettings = STANDARD,
    component: Component = "pressure",
) -> Inspection:
    """Read all headers and samples of a file, in pieces, and find what it takes to use it.

    Raises
    ------
    SurveyError
        If the file cannot be read whatever the description says.
    """
    path, refusals, content = Path(path), list[str](), None
    while True:
        try:
            content = content or Content.read(path, kind, description)
            return _inspected(content, kind, component, description, tuple(refusals))
        except OSError as error:
            raise unreadable(path, error) from error
        except SurveyError as error:
            refusals.append(str(error))
            settled = _settled(description, str(error))
            if settled is None or len(refusals) > MOST_REFUSALS:
                if content is None:
                    raise
                return _refused(content, kind, description, tuple(refusals))
            # Words, values and byte order change what is read; the rest what it means.
            if any(getattr(settled, n) != getattr(description, n) for n in READ_WITH):
                content = None
            description = settled


#: Settings that change what is read from a file.
READ_WITH: Final = ("bytes", "values", "byte_order", "ignore", "length_unit")


def _settled(description: HeaderSettings, refusal: str) -> HeaderSettings | None:
    """Return the description with the line that a refusal names, or None if there is none."""
    found = LINE.search(refusal)
    if found is None:
        return None
    tree = description.model_dump()
    try:
        for name, value in yaml.safe_load(found[1]).items():
            if isinstance(value, dict):
                tree[name] = {**tree[name], **value}
            elif name == "ignore":
                tree[name] = (*tree[name], *value)
            else:
                tree[name] = value
        settled = HeaderSettings(**tree)
    except (yaml.YAMLError, ValidationError):
        return None
    return settled if settled != description else None


def _inspected(
    content: Content,
    kind: Kind,
    component: Component,
    description: HeaderSettings,
    refusals: tuple[str, ...],
) -> Inspection:
    traces = receivers_of(content.traces, component, description)
    # Delays are checked with as many samples as the file has, of which none is in memory.
    empty = np.broadcast_to(np.float32(0), (len(traces.data), content.records.n_samples))
    _check_delays(replace(traces, data=empty), description)
    sources, receivers = positions(traces, description)
    shots = list(shots_of(traces, (sources, receivers), 1.0, Numbering(description)))
    if not shots:
        return _refused(content, kind, description, (*refusals, _no_trace(component)), traces)
    doubts = geometry_doubts(traces, sources, receivers, description)
    return replace(
        _refused(content, kind, description, refusals, traces),
        remarks=(*traces.remarks, *doubts),
        complete=True,
        shots=tuple(shot.id for shot in shots),
        sources=sources,
        receivers=receivers,
    )


def _check_delays(traces: Traces, description: HeaderSettings) -> None:
    """Check that all delays can be applied, on one trace for each delay."""
    _, first = np.unique(traces.headers["DelayRecordingTime"], return_index=True)
    kept = np.zeros(len(traces.data), dtype=bool)
    kept[first] = True
    apply_delays(traces.take(kept), description)


def _no_trace(component: Component) -> str:
    return f"The file holds no live trace of 'survey.component: {component}'."


def _refused(
    content: Content,
    kind: Kind,
    description: HeaderSettings,
    refusals: tuple[str, ...],
    traces: Traces | None = None,
) -> Inspection:
    nowhere = np.empty((0, 3))
    return Inspection(
        path=content.records.path,
        kind=kind,
        records=content.records,
        layout=content.layout,
        words=content.words,
        headers=dict(content.traces.headers),
        dt=content.traces.dt,
        samples=content.samples,
        refusals=refusals,
        remarks=(traces or content.traces).remarks,
        settings=description,
        complete=False,
        shots=(),
        sources=nowhere,
        receivers=nowhere,
    )
