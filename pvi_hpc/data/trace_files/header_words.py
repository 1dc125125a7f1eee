"""Words of trace headers and of the binary header: their standard bytes, and other ones."""

import re
from collections.abc import Mapping
from typing import Final, Literal

__all__ = [
    "BINARY_FIELDS",
    "FIELDS",
    "IBM_WORD",
    "LENGTHS",
    "LIKELY_SCALARS",
    "TIME_SCALAR",
    "Order",
    "bytes_of",
    "parse_word",
]

#: Byte order of a file, as NumPy writes it: little- and big-endian.
Order = Literal["<", ">"]

#: First byte (counted from 1, as in the standard) and NumPy code of each field we read.
#: SEG Technical Standards Committee (2017), SEG-Y revision 2.0, table 3. Counts have no sign:
#: files with more than 32767 samples or microseconds use all bits.
FIELDS: Final[Mapping[str, tuple[int, str]]] = {
    "FieldRecord": (9, "i4"),
    "TraceNumber": (13, "i4"),
    "TraceIdentificationCode": (29, "i2"),
    "DataUse": (35, "i2"),
    "offset": (37, "i4"),
    "ReceiverGroupElevation": (41, "i4"),
    "SourceSurfaceElevation": (45, "i4"),
    "SourceDepth": (49, "i4"),
    "ElevationScalar": (69, "i2"),
    "SourceGroupScalar": (71, "i2"),
    "SourceX": (73, "i4"),
    "SourceY": (77, "i4"),
    "GroupX": (81, "i4"),
    "GroupY": (85, "i4"),
    "CoordinateUnits": (89, "i2"),
    "TotalStaticApplied": (103, "i2"),
    "LagTimeA": (105, "i2"),
    "LagTimeB": (107, "i2"),
    "DelayRecordingTime": (109, "i2"),
    "TRACE_SAMPLE_COUNT": (115, "u2"),
    "TRACE_SAMPLE_INTERVAL": (117, "u2"),
    "InstrumentGainConstant": (121, "i2"),
    "InstrumentInitialGain": (123, "i2"),
    "TraceWeightingFactor": (169, "i2"),
}
#: The scalar of times has a place since revision 1; SU has other words there.
TIME_SCALAR: Final = {"ScalarTraceHeader": (215, "i2")}
#: Fields that may be numbers with a fraction: lengths, angles and times.
LENGTHS: Final = frozenset(
    {"offset", "ReceiverGroupElevation", "SourceSurfaceElevation", "SourceDepth", "SourceX",
     "SourceY", "GroupX", "GroupY", "DelayRecordingTime"}
)  # fmt: skip
#: Scalars of lengths that the standard allows.
LIKELY_SCALARS: Final = (0, *(sign * 10**i for i in range(5) for sign in (1, -1)))
#: First byte (from 1) and NumPy code of the fields of the binary header that we read.
#: SEG Technical Standards Committee (2017), SEG-Y revision 2.0, table 2.
BINARY_FIELDS: Final[Mapping[str, tuple[int, str]]] = {
    "Interval": (3217, "u2"),
    "Samples": (3221, "u2"),
    "Format": (3225, "i2"),
    "TraceSorting": (3229, "i2"),
    "BinaryGainRecovered": (3251, "i2"),
    "MeasurementSystem": (3255, "i2"),
    "ImpulsePolarity": (3257, "i2"),
    "ExtendedSamples": (3269, "i4"),
    "ExtendedInterval": (3273, "f8"),
    "ByteOrder": (3297, "u4"),
    "Major": (3501, "u1"),
    "Minor": (3502, "u1"),
    "TextHeaders": (3505, "i2"),
    "TraceExtensions": (3507, "i2"),
    "TraceExtensionsOf20": (3509, "i2"),
    "Traces": (3513, "u8"),
    "FirstTrace": (3521, "u8"),
    "Trailers": (3529, "i4"),
}
#: The code of an IBM float of 4 bytes, which NumPy has not.
IBM_WORD: Final = "ibm4"
#: Bytes that a word of each kind may have.
SIZES: Final = {"integer": (1, 2, 4, 8), "unsigned": (1, 2, 4), "float": (4, 8), "ibm": (4,)}
CODES: Final = {"integer": "i", "unsigned": "u", "float": "f", "ibm": "ibm"}


def parse_word(name: str, text: str) -> tuple[int, str]:
    """Return first byte and code of a word that is given as ``9-12`` or ``9-12 float``.

    Bytes are counted from 1, and those beyond 240 are in the extensions of a trace header.

    Raises
    ------
    ValueError
        If the text is none, the word of a kind or length that we do not read, or one with a
        fraction where the field is a whole number.

    Examples
    --------
    >>> parse_word("SourceX", "193-196")
    (193, 'i4')
    >>> parse_word("SourceX", "201-208 float")
    (201, 'f8')
    """
    expected = (
        "its first and last byte, counted from 1, and its kind unless it is a signed integer: "
        "'9-12', '9-12 unsigned', '9-12 float' or '9-12 ibm'"
    )
    match = re.fullmatch(r"\s*(\d{1,6})\s*-\s*(\d{1,6})(?:\s+(\w+))?\s*", str(text))
    kind = (match[3] or "integer") if match else ""
    if match is None or kind not in CODES or int(match[1]) < 1:
        raise ValueError(f"{name} must be {expected}, got '{text}'")
    size = int(match[2]) - int(match[1]) + 1
    if size not in SIZES[kind]:
        raise ValueError(
            f"{name} must have {' or '.join(map(str, SIZES[kind]))} bytes as {kind}, got "
            f"'{text}', which has {size}"
        )
    if (int(match[1]) - 1) // 240 != (int(match[2]) - 1) // 240:
        raise ValueError(f"{name} must lie in one header of 240 bytes, got '{text}'")
    if kind in ("float", "ibm") and name not in LENGTHS:
        raise ValueError(f"{name} must be a whole number, got '{text}'")
    return int(match[1]), f"{CODES[kind]}{size}"


def bytes_of(word: tuple[int, str]) -> str:
    """Return the place of a word as text: ``bytes 9-12``."""
    first, code = word
    size = int(code[-1])
    return f"bytes {first}-{first + size - 1}" if size > 1 else f"byte {first}"
