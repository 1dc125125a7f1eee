"""The 240-byte trace header that SEG-Y and SU share, and the geometry in it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pvi_hpc.errors import SurveyError

__all__ = ["FIELDS", "Traces", "check_headers", "positions", "unreadable"]

Headers = Mapping[str, NDArray[Any]]

#: First byte (counted from 1, as in the standard) and bytes of each field we read.
#: SEG Technical Standards Committee (2017), SEG-Y revision 2.0, table 3.
FIELDS: Final[Mapping[str, tuple[int, int]]] = {
    "FieldRecord": (9, 4),
    "TraceNumber": (13, 4),
    "TraceIdentificationCode": (29, 2),
    "ReceiverGroupElevation": (41, 4),
    "SourceSurfaceElevation": (45, 4),
    "SourceDepth": (49, 4),
    "ElevationScalar": (69, 2),
    "SourceGroupScalar": (71, 2),
    "SourceX": (73, 4),
    "SourceY": (77, 4),
    "GroupX": (81, 4),
    "GroupY": (85, 4),
    "CoordinateUnits": (89, 2),
    "DelayRecordingTime": (109, 2),
    "TRACE_SAMPLE_COUNT": (115, 2),
    "TRACE_SAMPLE_INTERVAL": (117, 2),
}

DEAD: Final = 2  # TraceIdentificationCode of a dead trace


@dataclass(frozen=True)
class Traces:
    """All traces of one file, in its order.

    `headers` has one array `(n,)` a field of `FIELDS`; `data` is `(n, n_samples)` float32;
    `dt` is the sampling interval [s].
    """

    file: str
    headers: Headers
    data: NDArray[np.float32]
    dt: float


def positions(headers: Headers) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return sources and receivers, both `(n, 3)`, each `(z, y, x)` [m], z downwards.

    Elevations are positive upwards and the source's depth is below its surface
    elevation, so that z = -elevation. A negative scalar divides, a positive one
    multiplies, 0 means 1.
    """
    horizontal = _factor(headers["SourceGroupScalar"])
    vertical = _factor(headers["ElevationScalar"])
    source_z = headers["SourceDepth"] - headers["SourceSurfaceElevation"].astype(np.int64)
    sources = (
        source_z * vertical,
        headers["SourceY"] * horizontal,
        headers["SourceX"] * horizontal,
    )
    receivers = (
        -headers["ReceiverGroupElevation"].astype(np.int64) * vertical,
        headers["GroupY"] * horizontal,
        headers["GroupX"] * horizontal,
    )
    # Adding 0 turns -0.0 into 0.0.
    return np.stack(sources, axis=1) + 0.0, np.stack(receivers, axis=1) + 0.0


def check_headers(traces: Traces) -> None:
    """Check what every trace must satisfy.

    Raises
    ------
    SurveyError
        If an interval, sample count, delay or coordinate unit does not fit, or a value
        of a live trace is not finite; the message names file, trace and header.
    """
    headers, n_samples = traces.headers, traces.data.shape[1]
    interval, count = headers["TRACE_SAMPLE_INTERVAL"], headers["TRACE_SAMPLE_COUNT"]
    delay, units = headers["DelayRecordingTime"], headers["CoordinateUnits"]
    micro = round(traces.dt * 1e6)
    _refuse(
        traces, "TRACE_SAMPLE_INTERVAL", (interval != micro) & (interval != 0), f"{micro} us"
    )
    _refuse(traces, "TRACE_SAMPLE_COUNT", (count != n_samples) & (count != 0), f"{n_samples}")
    _refuse(
        traces,
        "DelayRecordingTime",
        delay != 0,
        "0 ms: sample 0 must be at the wavelet's t = 0; pad the traces and set it to 0",
    )
    _refuse(
        traces,
        "CoordinateUnits",
        ~np.isin(units, (0, 1)),
        "0 or 1 (lengths in metres); project geographic coordinates to metres",
    )
    live = headers["TraceIdentificationCode"] != DEAD
    bad = ~np.isfinite(traces.data).all(axis=1) & live
    if bad.any():
        i = int(bad.argmax())
        raise SurveyError(
            f"'{traces.file}': trace {i + 1} (FieldRecord {headers['FieldRecord'][i]}, "
            f"TraceNumber {headers['TraceNumber'][i]}) holds NaN or infinite values, and "
            f"{int(bad.sum())} traces do in all; mark them dead "
            f"(TraceIdentificationCode, bytes 29-30, = {DEAD}), set them to zero, or remove "
            "them."
        )


def unreadable(path: object, error: OSError) -> SurveyError:
    """Return the error that tells a user that a file is there, but not for us."""
    return SurveyError(
        f"Cannot read '{path}': {error.strerror or error}; make it readable ('chmod u+r'), "
        "or correct its name in the configuration."
    )


def _refuse(traces: Traces, header: str, bad: NDArray[np.bool_], expected: str) -> None:
    if bad.any():
        i = int(bad.argmax())
        raise SurveyError(
            f"'{traces.file}': trace {i + 1} has {header} = {traces.headers[header][i]}, "
            f"expected {expected}."
        )


def _factor(scalar: NDArray[Any]) -> NDArray[np.float64]:
    size = np.maximum(np.abs(scalar.astype(np.float64)), 1.0)
    return np.where(scalar < 0, 1.0 / size, size)
