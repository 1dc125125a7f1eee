"""SEG-Y files, through segyio: reading all traces of one, and writing a survey."""

from pathlib import Path
from typing import Any, Final

import numpy as np
import segyio
from numpy.typing import NDArray

from pvi_hpc.data.survey import Survey
from pvi_hpc.data.trace_headers import DEAD, FIELDS, Traces
from pvi_hpc.errors import SurveyError
from pvi_hpc.store.atomic import atomic_path

__all__ = ["open_segy", "read_segy", "write_segy"]

#: Bytes of a sample by format code (binary header 3225-3226) that segyio reads.
SAMPLE_BYTES: Final = {1: 4, 2: 4, 3: 2, 5: 4, 8: 1}
LARGEST: Final = {2: 2**15 - 1, 4: 2**31 - 1}  # by bytes of the header field


def read_segy(path: str | Path) -> Traces:
    """Read all traces of a SEG-Y file, of either byte order.

    Raises
    ------
    SurveyError
        If the file is truncated, in feet, or of a format that we do not read.
    """
    with open_segy(path) as file:
        if file.bin[segyio.BinField.MeasurementSystem] == 2:
            raise SurveyError(
                f"'{path}' has its coordinates in feet (binary header MeasurementSystem = 2);"
                " convert them to metres and set it to 1."
            )
        headers = {
            name: np.asarray(file.attributes(first)[:], dtype=np.int64)
            for name, (first, _) in FIELDS.items()
        }
        micro = int(file.bin[segyio.BinField.Interval]) & 0xFFFF
        micro = micro or int(headers["TRACE_SAMPLE_INTERVAL"][0])
        data = np.asarray(file.trace.raw[:], dtype=np.float32)
    if micro <= 0:
        raise SurveyError(
            f"'{path}' has no sampling interval (binary header Interval = 0 and "
            "TRACE_SAMPLE_INTERVAL = 0); set one of them, in microseconds."
        )
    return Traces(str(path), headers, data, micro / 1e6)


def open_segy(path: str | Path) -> Any:
    """Open a SEG-Y file with segyio, once its size agrees with its headers.

    Raises
    ------
    SurveyError
        If it does not, or the sample format is not one of `SAMPLE_BYTES`.
    """
    order, code, n_samples, first = _binary_header(Path(path))
    record = 240 + SAMPLE_BYTES[code] * n_samples
    size = Path(path).stat().st_size
    n_traces, rest = divmod(size - first, record)
    if rest or n_traces < 1:
        raise SurveyError(
            f"'{path}' is truncated, or its traces differ in length: after {n_traces} whole "
            f"traces of {n_samples} samples there are {rest} bytes left (file size {size}); "
            "copy it again."
        )
    return segyio.open(str(path), ignore_geometry=True, endian=order)


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


def _binary_header(path: Path) -> tuple[str, int, int, int]:
    """Return byte order, format code, samples per trace and offset of the first trace."""
    with path.open("rb") as file:
        start = file.read(3600)
    if len(start) < 3600:
        raise SurveyError(
            f"'{path}' is truncated: SEG-Y begins with 3600 bytes of headers, it has "
            f"{len(start)}; copy it again."
        )
    for order, mark in (("big", ">"), ("little", "<")):
        values = np.frombuffer(start, dtype=f"{mark}i2", count=200, offset=3200)
        code, n_samples, extended = int(values[12]), int(values[10]) & 0xFFFF, int(values[152])
        if code in SAMPLE_BYTES and n_samples:
            return order, code, n_samples, 3600 + 3200 * max(extended, 0)
    code = int(np.frombuffer(start, dtype=">i2", count=1, offset=3224)[0])
    raise SurveyError(
        f"'{path}' is not SEG-Y that we read: the binary header must hold a sample count "
        f"(bytes 3221-3222) and a format code of {sorted(SAMPLE_BYTES)} (bytes 3225-3226), "
        f"got code {code}; convert it to IEEE float (5), or set 'survey.format: su' for SU."
    )


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
