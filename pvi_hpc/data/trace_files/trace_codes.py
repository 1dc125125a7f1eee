"""Trace identification codes: the traces of a file that record what a survey is about."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pvi_hpc.data.header_settings import HeaderSettings
from pvi_hpc.data.remarks import Remark
from pvi_hpc.data.survey import Component
from pvi_hpc.data.trace_files.trace_headers import Traces
from pvi_hpc.errors import SurveyError

__all__ = ["DEAD", "describe_code", "receiver_traces"]

DEAD: Final = 2
UNKNOWN: Final = 0
#: Codes that say "seismic data" and not which component.
GENERAL: Final = (UNKNOWN, 1)
#: Names of the codes. SEG Technical Standards Committee (2017), SEG-Y revision 2.0, table 3.
NAMES: Final[Mapping[int, str]] = {
    -1: "other", UNKNOWN: "unknown", 1: "seismic data", DEAD: "dead", 3: "dummy",
    4: "time break", 5: "uphole", 6: "sweep", 7: "timing", 8: "water break",
    9: "near-field gun signature", 10: "far-field gun signature", 11: "pressure sensor",
    12: "vertical", 13: "cross-line", 14: "in-line", 15: "rotated vertical",
    16: "rotated transverse", 17: "rotated radial", 18: "vibrator reaction mass",
    19: "vibrator baseplate", 20: "vibrator ground force", 21: "vibrator reference",
    22: "time-velocity pairs", 23: "time-depth pairs", 24: "depth-velocity pairs",
    25: "depth-domain data", 43: "vertical", 44: "horizontal 1", 45: "horizontal 2",
    143: "vertical", 144: "horizontal 1", 145: "horizontal 2",
}  # fmt: skip
#: Codes that name a component, and what it can be; 43 and above are those of Seismic Unix.
RECORDS: Final[Mapping[int, tuple[Component, ...]]] = {
    11: ("pressure",),
    **dict.fromkeys((12, 15, 43, 143), ("vz",)),
    **dict.fromkeys((13, 14, 44, 45, 144, 145), ("vy", "vx")),
}
FIELD: Final = "TraceIdentificationCode"


def describe_code(code: int) -> str:
    """Return a code with its name: ``6 (sweep)``."""
    return f"{code} ({NAMES.get(code, 'not seismic data')})"


def receiver_traces(
    traces: Traces, component: Component, description: HeaderSettings
) -> tuple[NDArray[np.bool_], list[Remark]]:
    """Tell which traces are live and record `component`, with remarks on the others.

    Raises
    ------
    SurveyError
        If the codes leave open which traces record `component`.
    """
    codes = np.asarray(traces.headers[FIELD])
    matching = [*GENERAL, *(code for code, what in RECORDS.items() if component in what)]
    if description.receiver_codes is not None:
        matching = list(description.receiver_codes)
    with np.errstate(invalid="ignore"):  # samples may be any bits
        silent = ~(traces.data != 0).any(axis=1)
    ours = np.isin(codes, matching)
    dead = np.isin(codes, description.dead_codes) | (ours & silent)
    kept = ours & ~dead
    specific = np.isin(codes, list(RECORDS)) & ~silent
    if description.receiver_codes is None:
        _refuse_ambiguous(traces, codes, kept, specific, component)
    return kept, list(_remarks(codes, kept, dead, component))


def _refuse_ambiguous(
    traces: Traces,
    codes: NDArray[Any],
    kept: NDArray[np.bool_],
    specific: NDArray[np.bool_],
    component: Component,
) -> None:
    found = [int(code) for code in np.unique(codes[kept])]
    general = kept & np.isin(codes, GENERAL)
    if general.any() and specific.any():
        a, b = (int(mask.argmax()) for mask in (general, specific))
        raise SurveyError(
            f"'{traces.file}': trace {traces.number[a]} has {FIELD} (bytes 29-30) = "
            f"{describe_code(int(codes[a]))}, trace {traces.number[b]} has "
            f"{describe_code(int(codes[b]))}: it is not clear which traces record "
            f"'{component}' ('survey.component'). Give every trace the code of its component "
            "(11 pressure, 12 vertical, 13 cross-line, 14 in-line), or name those of its "
            "receivers: 'survey.headers: {receiver_codes: [1]}'."
        )
    if len(found) > 1 and specific.any():
        raise SurveyError(
            f"'{traces.file}': traces with {FIELD} (bytes 29-30) = "
            f"{' and '.join(map(describe_code, found))} may all be "
            f"'survey.component: {component}'; write those of one component to a file of "
            f"their own, or name the code: 'survey.headers: {{receiver_codes: [{found[0]}]}}'."
        )


def _remarks(
    codes: NDArray[Any],
    kept: NDArray[np.bool_],
    dead: NDArray[np.bool_],
    component: Component,
) -> Iterator[Remark]:
    if dead.any():
        yield Remark(
            "doubtful", "dead traces (so marked, or all samples zero) are left out",
            int(dead.sum()),
        )  # fmt: skip
    others = ~kept & ~dead
    for code in np.unique(codes[others]):
        yield Remark(
            "doubtful",
            f"traces with {FIELD} {describe_code(int(code))} are no receivers of "
            f"'survey.component: {component}' and are left out",
            int((others & (codes == code)).sum()),
        )
    unknown = kept & (codes == UNKNOWN)
    if unknown.any():
        yield Remark(
            "assumed", f"{FIELD} (bytes 29-30) is 0, unknown; the traces are taken as live "
            f"records of '{component}'", int(unknown.sum()),
        )  # fmt: skip
    for code in np.unique(codes[kept]):
        if len(RECORDS.get(int(code), ())) > 1:
            yield Remark(
                "doubtful",
                f"traces with {FIELD} {describe_code(int(code))} are taken as '{component}'; "
                "the header does not say along which axis they record, nor with which sign",
                int((kept & (codes == code)).sum()),
            )
