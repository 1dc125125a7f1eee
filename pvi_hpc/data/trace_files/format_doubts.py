"""Doubts about the sample format: bits of IBM, IEEE and integer words look different."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from pvi_hpc.data.remarks import Remark
from pvi_hpc.data.trace_files.sample_formats import FORMATS, IBM
from pvi_hpc.data.trace_files.trace_records import HEADER_BYTES, RecordFile

__all__ = ["format_doubts"]

INTEGER: Final = 2
IEEE: Final = 5
#: Traces that are looked at, and words other than 0 that are enough to tell.
LOOKED_AT: Final = 50
ENOUGH: Final = 500


def format_doubts(file: RecordFile) -> list[Remark]:
    """Return a remark if samples of 4 bytes look as if they were of another format.

    The first digit of an IBM fraction is not 0 but in words that a recorder did not
    normalise. In an IEEE word these four bits are the last of the exponent and the first
    three of the fraction, which are all 0 in about one word of twelve. Integers of 4 bytes
    nearly all above 2**24 in size are no integers.
    """
    if file.code not in (IBM, INTEGER, IEEE):
        return []
    words = _words(file)
    words = words[(words & 0x7FFFFFFF) != 0]
    if len(words) < ENOUGH:
        return []
    zero_digit = float(np.mean((words & 0x00F00000) == 0))
    normalised = zero_digit < 1e-3
    size = np.abs(words.astype(np.uint32).view(np.int32).astype(np.int64))
    integers = float(np.mean(size >= 2**24)) < 0.5
    exponent = (words >> 24) & 0x7F
    if file.code == IBM and not normalised and not integers:
        looks = IEEE if zero_digit > 0.03 and _octaves(words) else 0
    elif file.code == IEEE and integers:
        looks = INTEGER
    elif file.code == IEEE and normalised and _near_64(exponent):
        looks = IBM
    elif file.code == INTEGER and not integers:
        looks = IBM if normalised and _near_64(exponent) else IEEE
    elif file.code == IBM and integers:
        looks = INTEGER
    else:
        looks = 0
    if not looks:
        return []
    return [
        Remark(
            "doubtful",
            f"the samples look like {FORMATS[looks].name}, but the format code "
            f"(bytes 3225-3226) is {file.code}, {FORMATS[file.code].name}; if so, "
            f"set 'survey.headers: {{values: {{Format: {looks}}}}}'",
        )
    ]


def _octaves(words: NDArray[np.uint32]) -> bool:
    """Tell whether the first digits of fractions are the bits of IEEE words.

    Within an octave small fractions are the more frequent, so that digit 8, where the next
    octave begins, is more frequent than 7. Of words that are not normalised it is not.
    """
    digits = np.bincount((words >> 20) & 0xF, minlength=16)
    return bool(digits[8] + digits[9] > 1.15 * (digits[6] + digits[7]))


def _near_64(exponent: NDArray[np.uint32]) -> bool:
    """Tell whether exponents are those of IBM words of moderate size, 16**-16 to 16**16."""
    return bool(np.mean(np.abs(exponent.astype(np.int64) - 64) <= 16) > 0.99)


def _words(file: RecordFile) -> NDArray[np.uint32]:
    """Return the words of traces that are spread over the file, in this machine's order."""
    traces = np.unique(np.linspace(0, file.n_traces - 1, LOOKED_AT).round().astype(int))
    place = HEADER_BYTES * (1 + file.extensions)
    found = [
        np.fromfile(
            file.path,
            dtype=f"{file.order}u4",
            count=min(file.n_samples, 4096),
            offset=file.first + int(i) * file.size + place,
        )
        for i in traces
    ]
    return np.concatenate(found).astype(np.uint32)
