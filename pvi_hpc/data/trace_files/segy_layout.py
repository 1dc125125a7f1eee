"""The layout of a SEG-Y file: byte order, revision, sample format and place of its traces."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NoReturn

import numpy as np

from pvi_hpc.data.header_settings import STANDARD, HeaderSettings
from pvi_hpc.data.remarks import Kind, Remark
from pvi_hpc.data.trace_files.header_words import BINARY_FIELDS, Order
from pvi_hpc.data.trace_files.sample_formats import FORMATS
from pvi_hpc.data.trace_files.trace_headers import unsigned_interval
from pvi_hpc.data.trace_files.trace_records import RecordFile
from pvi_hpc.errors import SurveyError

__all__ = ["SegyLayout", "read_layout"]

START: Final = 3600  # bytes of the textual and the binary header
BLOCK: Final = 3200  # bytes of an extended textual header, and of a trailer
IN_ORDER: Final = 0x01020304  # what bytes 3297-3300 are in the byte order of the file


@dataclass(frozen=True)
class SegyLayout:
    """Place and form of the traces of a SEG-Y file, and the fields of its binary header.

    `revision` is (major, minor); `micro` is the sampling interval [us] that the binary header
    gives, 0 if it has none.
    """

    records: RecordFile
    header: Mapping[str, Any]
    revision: tuple[int, int]
    micro: float
    remarks: tuple[Remark, ...]


def read_layout(path: str | Path, description: HeaderSettings = STANDARD) -> SegyLayout:
    """Read the binary header of a SEG-Y file, and compare it with the file's size.

    `description` says where it is to be read otherwise than the standard has it.

    Raises
    ------
    SurveyError
        If it is no SEG-Y file, is truncated, or has a layout that is not read.
    """
    path = Path(path)
    order, header = _binary_header(path, description)
    revision = _revision(header)
    modern = revision[0] >= 2
    if modern and header["ByteOrder"] not in (0, IN_ORDER):
        _not_read(path, "bytes 3297-3300", hex(header["ByteOrder"]),
                  "0 or 0x1020304 in the byte order of the rest of the header")  # fmt: skip
    if description.length_unit is None:
        _check_units(path, header)
    extensions = _trace_extensions(path, header, revision) if modern else 0
    first = START + BLOCK * _text_headers(
        path, int(header["TextHeaders"]), "layout_stanza" in description.ignore
    )
    if modern and header["FirstTrace"]:
        first = int(header["FirstTrace"])
    n_samples = int(header["ExtendedSamples"]) if modern else 0
    n_samples = n_samples if n_samples > 0 else int(header["Samples"])
    if n_samples < 1:
        _not_read(path, "Samples (bytes 3221-3222)", 0, "the number of samples of a trace")
    one = RecordFile(path, order, int(header["Format"]), n_samples, 1, first, extensions)
    records = _all_records(one, header, modern)
    micro = _interval(path, header, modern)
    remarks = _remarks(header, order, micro, description)
    return SegyLayout(records, header, revision, micro, remarks)


def _binary_header(path: Path, description: HeaderSettings) -> tuple[Order, dict[str, Any]]:
    with path.open("rb") as file:
        start = file.read(START)
    if len(start) < START:
        raise SurveyError(
            f"'{path}' is truncated: SEG-Y begins with {START} bytes of headers, it has "
            f"{len(start)}; copy it again."
        )
    values = {name: x for name, x in description.values.items() if name in BINARY_FIELDS}
    for order in description.orders(">", "<"):
        header = {
            name: np.frombuffer(start, dtype=order + code, count=1, offset=first - 1)[0].item()
            for name, (first, code) in BINARY_FIELDS.items()
        }
        header.update(values)
        if header["Format"] in FORMATS:
            return order, header
    code = int(
        np.frombuffer(start, dtype=">i2", count=1, offset=BINARY_FIELDS["Format"][0] - 1)[0]
    )
    raise SurveyError(
        f"'{path}' is not SEG-Y that we read: the binary header must hold a format code of "
        f"{sorted(FORMATS)} (bytes 3225-3226), got code {code}; convert it to IEEE float (5), "
        "set 'survey.format: su' for SU, or 'survey.headers: {values: {Format: 5}}' if "
        "only the code is wrong."
    )


def _revision(header: Mapping[str, Any]) -> tuple[int, int]:
    """Return (major, minor); writers also put the major number into the second byte."""
    major, minor = int(header["Major"]), int(header["Minor"])
    return (major, minor) if major else (minor, 0)


def _check_units(path: Path, header: Mapping[str, Any]) -> None:
    system = header["MeasurementSystem"]
    if system == 2:
        raise SurveyError(
            f"'{path}' has its coordinates in feet (binary header MeasurementSystem, bytes "
            "3255-3256, = 2); set 'survey.headers: {length_unit: ft}', or 'm' if that "
            "is what they are."
        )
    if system not in (0, 1):
        _not_read(path, "MeasurementSystem (bytes 3255-3256)", system, "1 (metres)",
                  "set 'survey.headers: {length_unit: m}', or 'ft'")  # fmt: skip


def _trace_extensions(path: Path, header: Mapping[str, Any], revision: tuple[int, int]) -> int:
    """Return the further headers of each trace: two bytes, or four in revision 2.0."""
    found = (int(header["TraceExtensions"]), int(header["TraceExtensionsOf20"]))
    number = found[0] if found[0] or revision >= (2, 1) else found[1]
    if number < 0 or (revision < (2, 1) and all(found)):
        _not_read(path, "the number of trace header extensions (bytes 3507-3510)", found,
                  "the same small number for every trace")  # fmt: skip
    return number


def _text_headers(path: Path, number: int, ignore_layout: bool) -> int:
    """Return the number of extended textual headers; -1 stands for "until the last one".

    Raises
    ------
    SurveyError
        If the last one is not found, or one of them moves the fields of the trace headers.
    """
    if number < -1:
        _not_read(path, "the number of extended textual headers (bytes 3505-3506)", number,
                  "-1 or more")  # fmt: skip
    found = 0
    with path.open("rb") as file:
        file.seek(START)
        while found != number:
            block = file.read(BLOCK)
            if len(block) < BLOCK:
                raise SurveyError(
                    f"'{path}' is truncated in its extended textual headers: "
                    + (
                        f"bytes 3505-3506 say {number}, there are {found}"
                        if number > 0
                        else "no '((SEG: EndText))' ends them (bytes 3505-3506 are -1)"
                    )
                    + "; copy it again, or remove them."
                )
            found += 1
            stanzas = {_plain(block.decode("ascii", "replace")), _plain(block.decode("cp037"))}
            if not ignore_layout and any("((seg:layout" in text for text in stanzas):
                raise SurveyError(
                    f"'{path}': its extended textual header {found} is a stanza "
                    "'((SEG: Layout', which moves the fields of the trace headers, and is not "
                    "read; name the bytes it gives in 'survey.headers.bytes' and set "
                    "'survey.headers: {ignore: [layout_stanza]}'."
                )
            if number == -1 and any("((seg:endtext))" in text for text in stanzas):
                break
    return found


def _plain(text: str) -> str:
    return "".join(text.split()).lower()


def _all_records(one: RecordFile, header: Mapping[str, Any], modern: bool) -> RecordFile:
    """Return the records, once the size of the file is a whole number of them."""
    size = one.path.stat().st_size
    trailers = int(header["Trailers"]) if modern else 0
    if trailers < 0:
        _not_read(one.path, "the number of trailers (bytes 3529-3532)", trailers, "0 or more")
    n_traces, rest = divmod(size - BLOCK * trailers - one.first, one.size)
    if rest or n_traces < 1:
        raise SurveyError(
            f"'{one.path}' is truncated, or its traces differ in length: after {n_traces} "
            f"whole traces of {one.n_samples} samples there are {rest} bytes left (file size "
            f"{size}, format code {one.code}, first trace after byte {one.first}); "
            "copy it again."
        )
    stated = int(header["Traces"]) if modern else 0
    if stated not in (0, n_traces):
        raise SurveyError(
            f"'{one.path}' holds {n_traces} traces, its binary header (bytes 3513-3520) says "
            f"{stated}; copy it again, or set these bytes to 0."
        )
    return RecordFile(
        one.path, one.order, one.code, one.n_samples, n_traces, one.first, one.extensions
    )


def _interval(path: Path, header: Mapping[str, Any], modern: bool) -> float:
    extended = float(header["ExtendedInterval"]) if modern else 0.0
    if not (np.isfinite(extended) and extended >= 0):
        _not_read(path, "the extended sampling interval (bytes 3273-3280)", extended,
                  "a positive number of microseconds, or 0")  # fmt: skip
    return extended or float(header["Interval"])


def _remarks(
    header: Mapping[str, Any], order: Order, micro: float, description: HeaderSettings
) -> tuple[Remark, ...]:
    old = header["Interval"]
    table: tuple[tuple[Kind, bool, str], ...] = (
        ("assumed", order == "<" and description.byte_order is None,
         "the format code tells that it is little-endian"),
        ("assumed", header["MeasurementSystem"] == 0 and description.length_unit is None,
         "MeasurementSystem (bytes 3255-3256) is 0, unknown; lengths are taken as metres"),
        ("assumed", old not in (0, micro),
         f"the sampling interval is {micro:g} us (bytes 3273-3280), not {old} us (3217-3218)"),
        ("doubtful", header["BinaryGainRecovered"] == 2,
         "BinaryGainRecovered (bytes 3251-3252) is 2: the gain of the recorder is still in the "
         "samples"),
        ("doubtful", header["TraceSorting"] in (2, 4),
         f"TraceSorting (bytes 3229-3230) is {header['TraceSorting']}: not records of shots"),
    )  # fmt: skip
    remarks = [Remark(kind, text) for kind, holds, text in table if holds]
    if micro == old and old > 0x7FFF:
        remarks.append(unsigned_interval("3217-3218", old))
    return tuple(remarks)


def _not_read(
    path: Path,
    where: str,
    got: object,
    expected: str,
    remedy: str = "correct the header, or give its value in 'survey.headers.values'",
) -> NoReturn:
    raise SurveyError(
        f"'{path}' is SEG-Y of a layout that is not read: {where} must be {expected}, got "
        f"{got}; {remedy}."
    )
