"""Sample formats of SEG-Y: the bytes of a sample, and their value."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["FORMATS", "SampleFormat", "decode"]


class SampleFormat(NamedTuple):
    """A sample format: the NumPy code of its words without byte order, and its name."""

    word: str
    name: str
    fixed_point: bool = False


IBM: Final = 1
#: By format code (binary header 3225-3226). SEG Technical Standards Committee (2017),
#: SEG-Y revision 2.0, table 2. Codes 4 (obsolete), 7 and 15 (words of 24 bits) are not read.
FORMATS: Final[Mapping[int, SampleFormat]] = {
    IBM: SampleFormat("u4", "IBM float"),
    2: SampleFormat("i4", "integer of 4 bytes", fixed_point=True),
    3: SampleFormat("i2", "integer of 2 bytes", fixed_point=True),
    5: SampleFormat("f4", "IEEE float"),
    6: SampleFormat("f8", "IEEE double"),
    8: SampleFormat("i1", "integer of 1 byte", fixed_point=True),
    9: SampleFormat("i8", "integer of 8 bytes", fixed_point=True),
    10: SampleFormat("u4", "unsigned integer of 4 bytes", fixed_point=True),
    11: SampleFormat("u2", "unsigned integer of 2 bytes", fixed_point=True),
    12: SampleFormat("u8", "unsigned integer of 8 bytes", fixed_point=True),
    16: SampleFormat("u1", "unsigned integer of 1 byte", fixed_point=True),
}

#: Value of the last bit of the fraction of an IBM word, by its first byte: sign and exponent.
SCALE: Final = np.where(np.arange(256) < 128, 1.0, -1.0) * 2.0 ** (
    4.0 * (np.arange(256) % 128 - 64) - 24
)


def decode(words: NDArray[Any], code: int) -> NDArray[np.float32]:
    """Return the values of samples that are stored as `words` in the format `code`.

    Values beyond the range of float32 become infinite.

    Examples
    --------
    >>> decode(np.array([0x42640000, 0x43001000], dtype=">u4"), 1).tolist()
    [100.0, 1.0]
    """
    values = _ibm(words) if code == IBM else words
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        return np.asarray(values, dtype=np.float32)


def _ibm(words: NDArray[Any]) -> NDArray[np.float64]:
    """Return ``(-1)**s 16**(e - 64) f / 2**24`` of each word.

    The first hexadecimal digit of the fraction `f` may be zero: recorders write such words.
    """
    native = words.astype(np.uint32)
    values: NDArray[np.float64] = (native & 0x00FFFFFF) * SCALE[native >> 24]
    return values
