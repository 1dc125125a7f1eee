"""The 240-byte trace header that SEG-Y and SU share, and the geometry in it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pvi_hpc.data.header_settings import HeaderSettings
from pvi_hpc.data.remarks import Kind, Remark
from pvi_hpc.data.survey import Component
from pvi_hpc.data.trace_files.header_words import FIELDS, TIME_SCALAR, bytes_of
from pvi_hpc.errors import SurveyError

__all__ = [
    "Traces",
    "bad_traces",
    "check_headers",
    "header_remarks",
    "override",
    "scale_factor",
    "unreadable",
    "unsigned_interval",
]

Headers = Mapping[str, NDArray[Any]]

#: Of TraceValueMeasurementUnit (revision 1 and later), where they tell components apart.
UNITS: Final[Mapping[int, str]] = {1: "Pa", 5: "m", 6: "m/s", 7: "m/s2", 8: "N", 9: "W"}
UNITS_OF: Final[Mapping[Component, tuple[int, ...]]] = {
    "pressure": (1,), "vz": (6,), "vy": (6,), "vx": (6,),
}  # fmt: skip


#: Polarity codes under which the samples have the other sign than ours.
OPPOSITE: Final[Mapping[Component, int]] = {"pressure": 1, "vz": 2}


@dataclass(frozen=True)
class Traces:
    """Traces of one file, in its order.

    `headers` has one array `(n,)` a field; `data` is `(n, n_samples)` float32; `dt` is the
    sampling interval [s]; `number` counts the traces in the file, from 1. `intervals` [us]
    and `counts` are what the headers of the traces may hold beside 0. `polarity` is 1 where
    a rise of pressure, or motion upwards, is a negative number, 2 the other way, 0 unknown.
    """

    file: str
    headers: Headers
    data: NDArray[np.float32]
    dt: float
    number: NDArray[np.int64]
    intervals: tuple[int, ...]
    counts: tuple[int, ...]
    remarks: tuple[Remark, ...] = ()
    polarity: int = 0

    def take(self, kept: NDArray[np.bool_]) -> "Traces":
        """Return those traces where `kept` `(n,)` is true."""
        if kept.all():
            return self
        headers = {name: values[kept] for name, values in self.headers.items()}
        return replace(self, headers=headers, data=self.data[kept], number=self.number[kept])


def override(headers: dict[str, NDArray[Any]], description: HeaderSettings, n: int) -> None:
    """Give the words that a description has values for these values, in all `n` traces."""
    for name, value in description.values.items():
        if name in FIELDS or name in TIME_SCALAR:
            whole = value == int(value)
            headers[name] = np.full(n, value, dtype=np.int64 if whole else np.float64)


def check_headers(traces: Traces, description: HeaderSettings) -> None:
    """Check what every live trace must satisfy.

    Raises
    ------
    SurveyError
        If an interval, sample count, delay, coordinate unit or weighting factor does not fit,
        or a value is not finite; the message names file, trace and header.
    """
    headers, words = traces.headers, description.places
    for name, allowed, unit in _of_file(traces):
        _refuse(
            traces, name, ~np.isin(headers[name], (0, *allowed)),
            f"{' or '.join(map(str, allowed))}{unit}, as the file has it "
            f"({bytes_of(words[name])}); set 'survey.headers: {{values: {{{name}: 0}}}}' to "
            "follow the file, or '{on_bad_trace: drop}' to leave out the traces that differ",
        )  # fmt: skip
    if description.length_unit is None:
        _refuse(
            traces, "CoordinateUnits", ~np.isin(headers["CoordinateUnits"], (0, 1)),
            f"0 or 1, lengths in metres ({bytes_of(words['CoordinateUnits'])}); set "
            "'survey.headers: {length_unit: m}' if the values are metres, or to what they are "
            "(2 is arcsec, 3 degrees, 4 dms), with 'projection'",
        )  # fmt: skip
    bad = ~np.isfinite(traces.data).all(axis=1)
    if bad.any():
        i = int(bad.argmax())
        raise SurveyError(
            f"'{traces.file}': trace {traces.number[i]} (FieldRecord "
            f"{headers['FieldRecord'][i]}, TraceNumber {headers['TraceNumber'][i]}) holds NaN "
            f"or infinite values, and {int(bad.sum())} traces do in all; mark them dead "
            "(TraceIdentificationCode, bytes 29-30, = 2), or set 'survey.headers: "
            "{on_bad_trace: drop}'."
            + "".join(f" But {r.text}." for r in traces.remarks if " look like " in r.text)
        )


def _of_file(traces: Traces) -> tuple[tuple[str, tuple[int, ...], str], ...]:
    """Return words that must be 0 or as the file has them, those values, and their unit."""
    return (
        ("TRACE_SAMPLE_INTERVAL", traces.intervals, " us"),
        ("TRACE_SAMPLE_COUNT", traces.counts, ""),
    )


def bad_traces(traces: Traces) -> NDArray[np.bool_]:
    """Tell which traces hold NaN or infinite samples, or headers unlike the file's."""
    bad = np.logical_not(np.isfinite(traces.data).all(axis=1))
    for name, allowed, _ in _of_file(traces):
        bad |= ~np.isin(traces.headers[name], (0, *allowed))
    return bad


def header_remarks(
    traces: Traces, component: Component, description: HeaderSettings
) -> list[Remark]:
    """Return remarks on what headers of live traces leave open, or is not applied."""
    headers = traces.headers
    found: list[tuple[Kind, str, NDArray[Any]]] = [
        (
            "assumed",
            "CoordinateUnits (bytes 89-90) is 0, unknown; lengths are taken as metres",
            (headers["CoordinateUnits"] == 0) & (description.length_unit is None),
        ),
        ("doubtful", "DataUse (bytes 35-36) is 2, test data", headers["DataUse"] == 2),
    ]
    found += [
        (
            "doubtful",
            f"{name} (bytes {FIELDS[name][0]}-{FIELDS[name][0] + 1}) is not 0; it is not "
            "applied: sample 0 is taken as the wavelet's t = 0",
            headers[name] != 0,
        )
        for name in ("TotalStaticApplied", "LagTimeA", "LagTimeB")
    ]
    gain = headers["InstrumentGainConstant"] + headers["InstrumentInitialGain"]
    found.append(
        (
            "doubtful",
            "the instrument's gain (bytes 121-124) differs between traces; it is not applied",
            gain != gain[:1],
        )
    )
    found += _of_component(traces, component)
    return [Remark(kind, text, int(of.sum())) for kind, text, of in found if of.any()]


def _of_component(traces: Traces, component: Component) -> list[tuple[Kind, str, NDArray[Any]]]:
    """Return doubts whether sign and unit of the samples are those of `component`."""
    found: list[tuple[Kind, str, NDArray[Any]]] = []
    everywhere = np.ones(len(traces.data), dtype=bool)
    if traces.polarity == OPPOSITE.get(component):
        text = (
            f"ImpulsePolarity (bytes 3257-3258) is {traces.polarity}: the samples of "
            f"'{component}' have the other sign than ours (a rise of pressure and motion "
            "downwards are positive) and keep it; check the sign of the wavelet"
        )
        found.append(("doubtful", text, everywhere))
    unit = traces.headers.get("TraceValueMeasurementUnit")
    if unit is not None:
        wrong = np.isin(unit, [u for u in UNITS if u not in UNITS_OF[component]])
        named = ", ".join(UNITS[int(u)] for u in np.unique(unit[wrong]))
        text = f"the samples are in {named} (bytes 203-204), which is not '{component}'"
        found.append(("doubtful", text, wrong))
    return found


def unsigned_interval(where: str, micro: float) -> Remark:
    """Return the remark on an interval [us] that uses the bit of the sign."""
    return Remark(
        "doubtful",
        f"the sampling interval (bytes {where}) is read without a sign as {micro:g} us, not as "
        f"{micro - 0x10000:g}",
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
            f"'{traces.file}': trace {traces.number[i]} has {header} = "
            f"{traces.headers[header][i]}, expected {expected}."
        )


def scale_factor(scalar: NDArray[Any]) -> NDArray[np.float64]:
    """Return what a scalar of a trace header multiplies by; a negative one divides, 0 is 1."""
    size = np.maximum(np.abs(scalar.astype(np.float64)), 1.0)
    return np.where(scalar < 0, 1.0 / size, size)
