"""Traces that begin before or after t = 0: brought to sample 0 at t = 0."""

from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pvi_hpc.data.header_settings import HeaderSettings
from pvi_hpc.data.remarks import Remark
from pvi_hpc.data.trace_files.header_words import bytes_of
from pvi_hpc.data.trace_files.trace_headers import Traces, scale_factor
from pvi_hpc.errors import SurveyError

__all__ = ["apply_delays", "delays_of"]

DELAY: Final = "DelayRecordingTime"
SCALAR: Final = "ScalarTraceHeader"
#: More samples than this before a trace begins are no delay but a wrong header.
LONGEST: Final = 10**6


def delays_of(headers: Any) -> NDArray[np.float64]:
    """Return the time of the first sample of each trace `(n,)` [s]."""
    factor = scale_factor(headers[SCALAR]) if SCALAR in headers else 1.0
    delays: NDArray[np.float64] = headers[DELAY] * factor / 1e3
    return delays


def apply_delays(traces: Traces, description: HeaderSettings) -> Traces:
    """Return traces whose sample 0 is at t = 0, with a remark on what was done.

    Samples before t = 0 are cut off, and zeros put in front of traces that begin later. All
    traces end together, where the first of them ends.

    Raises
    ------
    SurveyError
        If a delay is there and is not to be applied, is no whole number of samples, or
        leaves nothing of a trace.
    """
    delays, stated = delays_of(traces.headers), traces.headers[DELAY]
    if not delays.any():
        return traces
    words = description.places
    i = int((stated != 0).argmax())
    named = f"'{traces.file}': trace {{}} has {DELAY} = {{}}"
    if description.recording_delay == "refuse":
        raise SurveyError(
            named.format(traces.number[i], stated[i])
            + f", expected 0 ms ({bytes_of(words[DELAY])}): sample 0 must be at the "
            "wavelet's t = 0; set 'survey.headers: {recording_delay: apply}' to cut or fill "
            f"the traces, or '{{values: {{{DELAY}: 0}}}}' if the header is wrong."
        )
    shift = delays / traces.dt
    n, whole = traces.data.shape[1], np.round(shift).astype(np.int64)
    end = int(whole.min()) + n
    for bad, fault in (
        (
            np.abs(shift - whole) > 1e-3,
            f"no multiple of the interval of {traces.dt * 1e3:g} ms",
        ),
        (whole + n < 1, "which leaves nothing of it after t = 0"),
        (whole >= min(end, LONGEST), "after the end of another trace, or no delay at all"),
    ):
        if bad.any():
            i = int(bad.argmax())
            raise SurveyError(
                named.format(traces.number[i], stated[i])
                + f" ({bytes_of(words[DELAY])}), {delays[i] * 1e3:g} ms: {fault}; give the "
                f"right one: 'survey.headers: {{values: {{{DELAY}: 0}}}}' [ms]."
            )
    data = np.zeros((len(traces.data), end), dtype=np.float32)
    for shift_of in np.unique(whole):
        of, first = whole == shift_of, max(int(shift_of), 0)
        skipped = max(-int(shift_of), 0)
        data[of, first:] = traces.data[of, skipped : skipped + end - first]
    remarks = [*traces.remarks]
    early, late = int((whole < 0).sum()), int((whole > 0).sum())
    if early:
        text = f"what was recorded before t = 0, up to {-delays.min() * 1e3:g} ms, is cut off"
        remarks.append(Remark("assumed", text, early))
    if late:
        remarks.append(
            Remark(
                "doubtful",
                f"traces that begin after t = 0, up to {delays.max() * 1e3:g} ms, have zeros "
                "before; these count as data: leave them out with 'likelihood.mute' unless "
                "nothing arrives so early",
                late,
            )
        )
    if np.ptp(whole):
        last = (end - 1) * traces.dt
        text = f"traces begin at different times; all end with the first, at {last:g} s"
        remarks.append(Remark("assumed", text, len(whole)))
    return replace(traces, data=data, remarks=tuple(remarks))
