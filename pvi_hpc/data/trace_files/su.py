"""Seismic Unix files: SEG-Y trace headers and IEEE samples, in either byte order."""

from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pvi_hpc.data.header_settings import STANDARD, HeaderSettings
from pvi_hpc.data.remarks import Remark
from pvi_hpc.data.trace_files.header_words import FIELDS, LIKELY_SCALARS, Order
from pvi_hpc.data.trace_files.trace_headers import Traces, override, unsigned_interval
from pvi_hpc.data.trace_files.trace_records import (
    HEADER_BYTES,
    RecordFile,
    Records,
    header_type,
    read_records,
)
from pvi_hpc.errors import SurveyError

__all__ = ["read_su", "su_reading", "su_traces"]

IEEE: Final = 5
NAMES: Final[dict[Order, str]] = {"<": "little-endian", ">": "big-endian"}
#: Traces, evenly spread, that the byte order is decided by.
LOOKED_AT: Final = 2000
#: In the wrong byte order nearly every header holds something else.
LIKELY_CODES: Final = 256


class Reading(NamedTuple):
    """A byte order, the share of odd headers and samples in it, and if another is as good."""

    odd: float
    file: RecordFile
    headers: NDArray[Any]
    unsure: bool = False


def read_su(path: str | Path, description: HeaderSettings = STANDARD) -> Traces:
    """Read all traces of an SU file as a description says.

    Unless that names it, the byte order is the one in which the headers agree.

    Raises
    ------
    SurveyError
        If no byte order makes the file a whole number of traces, or it has no interval.
    """
    reading = su_reading(path, description)
    records = read_records(reading.file, description.places)
    override(records.headers, description, len(records.data))
    return su_traces(reading, records, description)


def su_reading(path: str | Path, description: HeaderSettings = STANDARD) -> Reading:
    """Return the byte order in which the headers of an SU file agree, and its records.

    Raises
    ------
    SurveyError
        If no byte order makes the file a whole number of traces.
    """
    file = Path(path)
    readings = sorted(_readings(file, description), key=lambda reading: reading.odd)
    if not readings:
        raise SurveyError(
            f"'{file}' is not a whole SU file: its {file.stat().st_size} bytes are no multiple "
            "of the trace length in its first header (bytes 115-116) in either byte order; it "
            "is truncated, or another format (set 'survey.format: segy' for SEG-Y)."
        )
    unsure = len(readings) > 1 and readings[1].odd == readings[0].odd
    return readings[0]._replace(unsure=unsure)


def su_traces(reading: Reading, records: Records, description: HeaderSettings) -> Traces:
    """Return the traces of all records of a file, once there is a sampling interval."""
    file, unsure = reading.file.path, reading.unsure
    intervals = records.headers["TRACE_SAMPLE_INTERVAL"]
    if not intervals.any():
        raise SurveyError(
            f"'{file}' has no sampling interval: bytes 117-118 (TRACE_SAMPLE_INTERVAL) of its "
            "traces are 0; set 'survey.headers: {values: {TRACE_SAMPLE_INTERVAL: 4000}}', in "
            "microseconds."
        )
    micro = int(intervals[intervals != 0][0])
    remarks = []
    order = Remark(
        "doubtful" if unsure else "assumed",
        f"the byte order is taken as {NAMES[reading.file.order]}"
        + (
            ", which its headers do not tell; set 'survey.headers.byte_order'"
            if unsure
            else ", in which its headers agree"
        ),
    )
    if description.byte_order is None:
        remarks.append(order)
    if micro > 0x7FFF:
        remarks.append(unsigned_interval("117-118", micro))
    return Traces(
        file=str(file),
        headers=records.headers,
        data=records.data,
        dt=micro / 1e6,
        number=np.arange(1, len(records.data) + 1),
        intervals=(micro,),
        counts=(reading.file.n_samples,),
        remarks=tuple(remarks),
    )


def _readings(path: Path, description: HeaderSettings) -> list[Reading]:
    """Return the byte orders in which most traces have the sample count of the first one."""
    size = path.stat().st_size
    first = np.fromfile(path, dtype=np.uint8, count=HEADER_BYTES).tobytes()
    readings: list[Reading] = []
    if len(first) < HEADER_BYTES:
        return readings
    for order in description.orders("<", ">"):
        place = FIELDS["TRACE_SAMPLE_COUNT"][0] - 1
        n_samples = int(np.frombuffer(first, dtype=f"{order}u2", count=1, offset=place)[0])
        n_traces, rest = divmod(size, HEADER_BYTES + 4 * n_samples)
        if not n_samples or rest:
            continue
        file = RecordFile(path, order, IEEE, n_samples, n_traces)
        headers, samples = _looked_at(file)
        if np.mean(headers["TRACE_SAMPLE_COUNT"] != n_samples) <= 0.5:
            readings.append(Reading(_odd(headers, samples), file, headers))
    return readings


def _looked_at(file: RecordFile) -> tuple[NDArray[Any], NDArray[np.float32]]:
    """Return headers and samples of traces that are spread over the file."""
    traces = np.unique(np.linspace(0, file.n_traces - 1, LOOKED_AT).round().astype(int))
    headers, samples = bytearray(), bytearray()
    with file.path.open("rb") as opened:
        for i in traces:
            opened.seek(file.first + int(i) * file.size)
            record = opened.read(file.size)
            headers += record[:HEADER_BYTES]
            samples += record[HEADER_BYTES : HEADER_BYTES + 64]
    return (
        np.frombuffer(bytes(headers), dtype=header_type(FIELDS, file.order)),
        np.frombuffer(bytes(samples), dtype=f"{file.order}f4"),
    )


def _odd(headers: NDArray[Any], samples: NDArray[np.float32]) -> float:
    """Return how odd headers and samples are: the sum of five shares of odd values."""
    interval, code = headers["TRACE_SAMPLE_INTERVAL"], headers["TraceIdentificationCode"]
    with np.errstate(invalid="ignore"):
        size = np.abs(samples)
        odd_samples = (size != 0) & ~((size > 1e-25) & (size < 1e25))
    odd = (
        headers["TRACE_SAMPLE_COUNT"] != headers["TRACE_SAMPLE_COUNT"][0],
        interval != interval[0],
        (code < -1) | (code >= LIKELY_CODES),
        ~np.isin(headers["CoordinateUnits"], range(5)),
        ~np.isin(headers["SourceGroupScalar"], LIKELY_SCALARS),
        odd_samples,
    )
    return float(sum(np.mean(of) for of in odd))
