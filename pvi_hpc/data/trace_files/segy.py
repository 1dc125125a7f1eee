"""SEG-Y files: reading all traces of one, and writing a survey through segyio."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import segyio
from numpy.typing import NDArray

from pvi_hpc.data.header_settings import STANDARD, HeaderSettings
from pvi_hpc.data.remarks import Remark
from pvi_hpc.data.survey import Survey
from pvi_hpc.data.trace_files.format_doubts import format_doubts
from pvi_hpc.data.trace_files.header_words import FIELDS, TIME_SCALAR
from pvi_hpc.data.trace_files.sample_formats import FORMATS
from pvi_hpc.data.trace_files.segy_layout import SegyLayout, read_layout
from pvi_hpc.data.trace_files.trace_codes import DEAD
from pvi_hpc.data.trace_files.trace_headers import Traces, override, unsigned_interval
from pvi_hpc.data.trace_files.trace_records import Records, read_records
from pvi_hpc.errors import SurveyError
from pvi_hpc.store.atomic import atomic_path

__all__ = [
    "in_own_units",
    "read_segy",
    "read_segy_records",
    "segy_traces",
    "trace_words",
    "write_segy",
]

WEIGHT: Final = FIELDS["TraceWeightingFactor"]
#: A factor beyond this is no scale of samples but a header that holds something else.
LARGEST_WEIGHT: Final = 64
#: The unit of the samples has a place since revision 1.
UNIT_FIELD: Final = {"TraceValueMeasurementUnit": (203, "i2")}
LARGEST: Final = {2: 2**15 - 1, 4: 2**31 - 1}  # by bytes of the header field


def read_segy(path: str | Path, description: HeaderSettings = STANDARD) -> Traces:
    """Read all traces of a SEG-Y file, of either byte order, as a description says.

    Samples of fixed-point formats are multiplied by 2**-TraceWeightingFactor.

    Raises
    ------
    SurveyError
        If the file is truncated, in feet, or of a format or layout that we do not read.
    """
    layout = read_layout(path, description)
    records = read_segy_records(layout, trace_words(layout, description), description)
    return segy_traces(layout, records)


def segy_traces(layout: SegyLayout, records: Records) -> Traces:
    """Return the traces of all records of a file, once there is a sampling interval."""
    path, headers = layout.records.path, records.headers
    micro, remarks = layout.micro, list(layout.remarks)
    if not micro:
        found = headers["TRACE_SAMPLE_INTERVAL"]
        micro = float(found[found != 0][0]) if found.any() else 0.0
        if micro > LARGEST[2]:
            remarks.append(unsigned_interval("117-118", micro))
    if not micro:
        raise SurveyError(
            f"'{path}' has no sampling interval (binary header Interval = 0 and "
            "TRACE_SAMPLE_INTERVAL = 0); set one of them, in microseconds, as "
            "'survey.headers: {values: {Interval: 4000}}' does."
        )
    stated, n_samples = layout.header, layout.records.n_samples
    return Traces(
        file=str(path),
        headers=headers,
        data=records.data,
        dt=micro / 1e6,
        number=np.arange(1, len(records.data) + 1),
        intervals=_with(round(micro), stated["Interval"]),
        counts=_with(n_samples, stated["Samples"]),
        remarks=(*remarks, *_weights(records, layout), *format_doubts(layout.records)),
        polarity=stated["ImpulsePolarity"],
    )


def trace_words(layout: SegyLayout, description: HeaderSettings) -> dict[str, tuple[int, str]]:
    """Return first byte and code of the words of a trace header that a file has."""
    modern = {**UNIT_FIELD, **TIME_SCALAR} if layout.revision[0] >= 1 else {}
    return {**FIELDS, **modern, **description.words}


def read_segy_records(
    layout: SegyLayout,
    fields: Mapping[str, tuple[int, str]],
    description: HeaderSettings = STANDARD,
) -> Records:
    """Read all records of a SEG-Y file, the samples in their own units.

    Raises
    ------
    SurveyError
        If an extension of a trace header or a weighting factor says what is not read.
    """
    records = read_records(layout.records, {"TraceWeightingFactor": WEIGHT, **fields})
    return in_own_units(records, layout, description)


def in_own_units(
    records: Records, layout: SegyLayout, description: HeaderSettings, first: int = 0
) -> Records:
    """Apply the values of a description and the weights of fixed-point formats to records.

    `first` is the number of traces before these. Errors as `read_segy_records`.
    """
    path = layout.records.path
    override(records.headers, description, len(records.data))
    if "trace_extension" not in description.ignore:
        _check_extensions(records.extensions, path, first)
    if FORMATS[layout.records.code].fixed_point:
        weight = records.headers["TraceWeightingFactor"]
        bad = np.abs(weight) > LARGEST_WEIGHT
        if bad.any():
            i = int(bad.argmax())
            raise SurveyError(
                f"'{path}': trace {first + i + 1} has TraceWeightingFactor (bytes 169-170) = "
                f"{weight[i]}, expected -{LARGEST_WEIGHT} to {LARGEST_WEIGHT}: samples are "
                "multiplied by 2 to the power of its negative; set 'survey.headers: {values: "
                "{TraceWeightingFactor: 0}}' if it holds something else."
            )
        for trace in np.flatnonzero(weight):
            records.data[trace] = np.ldexp(records.data[trace], -int(weight[trace]))
    return records


def write_segy(survey: Survey, path: str | Path, title: str = "pvi_hpc survey") -> None:
    """Write a survey as big-endian IEEE SEG-Y, ordered by shot and receiver.

    Coordinates are rounded to mm, or to what the 4-byte headers can hold.

    Raises
    ------
    SurveyError
        If a shot has no data, or SEG-Y cannot hold the interval or the sample count.
    """
    micro = round(survey.dt * 1e6)
    if abs(micro - survey.dt * 1e6) > 1e-3 or not 0 < micro <= LARGEST[2]:
        raise SurveyError(
            f"SEG-Y needs an interval of 1 to {LARGEST[2]} whole microseconds, got "
            f"{survey.dt * 1e6:g}; keep this survey in HDF5."
        )
    if not 0 < survey.n_samples <= LARGEST[2] or any(not s.data.size for s in survey.shots):
        raise SurveyError(
            f"SEG-Y needs data of 1 to {LARGEST[2]} samples for every shot, got "
            f"{survey.n_samples} samples and "
            f"{sum(not s.data.size for s in survey.shots)} shots without data."
        )
    spec = segyio.spec()
    spec.format, spec.endian = 5, "big"
    spec.samples = np.arange(survey.n_samples) * survey.dt * 1e3
    spec.tracecount = survey.n_traces
    with atomic_path(path) as temporary, segyio.create(str(temporary), spec) as file:
        file.text[0] = segyio.create_text_header({1: title, 2: "COORDINATES IN METRES"})
        file.bin.update({segyio.BinField.Interval: micro, segyio.BinField.MeasurementSystem: 1})
        for i, (header, trace) in enumerate(_traces(survey, micro)):
            file.header[i] = {FIELDS[name][0]: value for name, value in header.items()}
            file.trace[i] = trace


def _check_extensions(extensions: NDArray[np.uint8], path: Path, first: int) -> None:
    """Refuse standard extensions whose values replace those of the trace header."""
    if not extensions.size:
        return
    names = extensions[:, :, -8:]
    standard = np.zeros(extensions.shape[:2], dtype=bool)
    for encoding in ("ascii", "cp037"):
        name = np.frombuffer("SEG00001".encode(encoding), dtype=np.uint8)
        standard |= (names == name).all(axis=2)
    # Bytes 1-16 count the trace, and bytes 233-240 are the name.
    used = extensions[:, :, 16:-8].any(axis=2) & standard
    if used.any():
        trace, which = (int(i) for i in np.argwhere(used)[0])
        byte = 17 + int(extensions[trace, which, 16:].astype(bool).argmax())
        raise SurveyError(
            f"'{path}': trace {first + trace + 1} has a trace header extension (SEG00001) "
            f"whose byte {byte} is not 0: its values replace those of the trace header, and "
            "are not read; name the bytes of those that matter in 'survey.headers.bytes' (byte "
            f"{byte} of this extension is byte {240 * (1 + which) + byte}) and set "
            "'survey.headers: {ignore: [trace_extension]}'."
        )


def _weights(records: Records, layout: SegyLayout) -> list[Remark]:
    weight, fixed = records.headers["TraceWeightingFactor"], FORMATS[layout.records.code]
    number = int((weight != 0).sum())
    if not number:
        return []
    name = "TraceWeightingFactor (bytes 169-170) is not 0"
    if fixed.fixed_point:
        text = f"{name}: samples are multiplied by 2 to the power of its negative"
        return [Remark("assumed", text, number)]
    return [Remark("doubtful", f"{name}; it is not applied to samples of {fixed.name}", number)]


def _with(value: int, other: int) -> tuple[int, ...]:
    return (value, other) if other not in (0, value) else (value,)


def _traces(survey: Survey, micro: int) -> Any:
    """Yield header `{field: value}` and samples of each trace."""
    horizontal = _scalar(survey, axes=[1, 2])
    vertical = _scalar(survey, axes=[0])
    for shot in survey.shots:
        for i, (receiver, trace) in enumerate(zip(shot.receivers, shot.data, strict=True)):
            yield (
                {
                    "FieldRecord": shot.id,
                    "TraceNumber": i + 1,
                    "TraceIdentificationCode": 1 if np.isfinite(shot.noise_sd[i]) else DEAD,
                    "ReceiverGroupElevation": round(-receiver[0] * vertical),
                    "SourceDepth": round(shot.source[0] * vertical),
                    "ElevationScalar": -vertical,
                    "SourceGroupScalar": -horizontal,
                    "SourceX": round(shot.source[2] * horizontal),
                    "SourceY": round(shot.source[1] * horizontal),
                    "GroupX": round(receiver[2] * horizontal),
                    "GroupY": round(receiver[1] * horizontal),
                    "CoordinateUnits": 1,
                    "TRACE_SAMPLE_COUNT": survey.n_samples,
                    "TRACE_SAMPLE_INTERVAL": micro,
                },
                np.ascontiguousarray(trace, dtype=np.float32),
            )


def _scalar(survey: Survey, axes: list[int]) -> int:
    """Return parts per metre: the finest power of ten whose headers do not overflow."""
    every: list[NDArray[np.float64]] = [s.receivers[:, axes] for s in survey.shots]
    largest = max(
        max(float(np.abs(x).max()) for x in every),
        max(float(np.abs(s.source[axes]).max()) for s in survey.shots),
    )
    return next((f for f in (1000, 100, 10) if largest * f < LARGEST[4]), 1)
