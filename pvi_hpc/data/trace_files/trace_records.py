"""Records of SEG-Y and SU files: a header of 240 bytes, extensions of it, and the samples."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pvi_hpc.data.trace_files.header_words import IBM_WORD, Order, bytes_of
from pvi_hpc.data.trace_files.sample_formats import FORMATS, IBM, decode
from pvi_hpc.errors import SurveyError

__all__ = [
    "HEADER_BYTES",
    "RecordFile",
    "Records",
    "header_type",
    "read_records",
    "record_blocks",
]

Fields = Mapping[str, tuple[int, str]]

HEADER_BYTES: Final = 240
#: Bytes that are read at a time.
BLOCK: Final = 2**26


@dataclass(frozen=True)
class RecordFile:
    """A file of equally long records.

    `order` is the byte order, `code` the sample format; the records begin at byte `first`
    (from 0), and each has `extensions` further headers of 240 bytes after the first one.
    """

    path: Path
    order: Order
    code: int
    n_samples: int
    n_traces: int
    first: int = 0
    extensions: int = 0

    @property
    def size(self) -> int:
        """Bytes of a record."""
        samples = np.dtype(FORMATS[self.code].word).itemsize * self.n_samples
        return HEADER_BYTES * (1 + self.extensions) + samples


@dataclass(frozen=True)
class Records:
    """Content of a file of records.

    `headers` has one array `(n,)` a field, `extensions` is `(n, extensions, 240)` and `data`
    `(n, n_samples)`.
    """

    headers: dict[str, NDArray[Any]]
    extensions: NDArray[np.uint8]
    data: NDArray[np.float32]


def read_records(file: RecordFile, fields: Fields) -> Records:
    """Read all records; `fields` gives first byte (from 1) and code of each header.

    The file is read in pieces: the memory that is needed is that of the result. Bytes beyond
    240 are those of extensions.

    Raises
    ------
    SurveyError
        If a field lies beyond the extensions.
    """
    n = file.n_traces
    headers = {name: np.empty(n, dtype=_wide(code)) for name, (_, code) in fields.items()}
    extensions = np.empty((n, file.extensions, HEADER_BYTES), dtype=np.uint8)
    data = np.empty((n, file.n_samples), dtype=np.float32)
    start = 0
    for block in record_blocks(file, fields):
        part = slice(start, start + len(block.data))
        for name, values in headers.items():
            values[part] = block.headers[name]
        extensions[part] = block.extensions
        data[part] = block.data
        start = part.stop
    return Records(headers, extensions, data)


def record_blocks(file: RecordFile, fields: Fields) -> Iterator[Records]:
    """Yield all records in pieces of at most about `BLOCK` bytes, or of one record.

    Errors as `read_records`.
    """
    header_bytes = HEADER_BYTES * (1 + file.extensions)
    for name, word in fields.items():
        if word[0] + int(word[1][-1]) - 1 > header_bytes:
            raise SurveyError(
                f"'{file.path}': {name} is to be read at {bytes_of(word)} "
                f"('survey.headers.bytes'), but a trace has {header_bytes} bytes of headers; "
                "correct the bytes."
            )
    parts = np.dtype(
        {
            "names": ["header", "extension", "samples"],
            "formats": [
                header_type(fields, file.order, file.extensions),
                ("u1", (file.extensions, HEADER_BYTES)),
                (file.order + FORMATS[file.code].word, (file.n_samples,)),
            ],
            "offsets": [0, HEADER_BYTES, header_bytes],
            "itemsize": file.size,
        }
    )
    step = max(1, BLOCK // parts.itemsize)
    for start in range(0, file.n_traces, step):
        count = min(step, file.n_traces - start)
        block = np.fromfile(
            file.path, dtype=parts, count=count, offset=file.first + start * parts.itemsize
        )
        if len(block) < count:
            raise OSError("the file became shorter while it was read")
        headers = {
            name: _values(block["header"][name], word[1]) for name, word in fields.items()
        }
        yield Records(headers, block["extension"], decode(block["samples"], file.code))


def header_type(fields: Fields, order: Order, extensions: int = 0) -> np.dtype[Any]:
    """Return the structure of a trace header of 240 bytes and of its extensions."""
    return np.dtype(
        {
            "names": list(fields),
            "formats": [
                order + ("u4" if code == IBM_WORD else code) for _, code in fields.values()
            ],
            "offsets": [first - 1 for first, _ in fields.values()],
            "itemsize": HEADER_BYTES * (1 + extensions),
        }
    )


def _values(words: NDArray[Any], code: str) -> NDArray[Any]:
    values = decode(words, IBM) if code == IBM_WORD else words
    return values.astype(_wide(code))


def _wide(code: str) -> type[Any]:
    return np.int64 if code[0] in "iu" and code != IBM_WORD else np.float64
