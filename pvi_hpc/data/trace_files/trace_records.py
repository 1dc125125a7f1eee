"""Records of SEG-Y and SU files: a header of 240 bytes, extensions of it, and the samples."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from pvi_hpc.data.trace_files.sample_formats import FORMATS, decode

__all__ = ["HEADER_BYTES", "RecordFile", "Records", "header_type", "read_records"]

Fields = Mapping[str, tuple[int, str]]
Order = Literal["<", ">"]

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
    """Read all records; `fields` gives first byte (from 1) and NumPy code of each header.

    The file is read in pieces: the memory that is needed is that of the result.
    """
    parts = np.dtype(
        [
            ("header", header_type(fields, file.order)),
            ("extension", "u1", (file.extensions, HEADER_BYTES)),
            ("samples", file.order + FORMATS[file.code].word, (file.n_samples,)),
        ]
    )
    n = file.n_traces
    headers = {name: np.empty(n, dtype=_wide(code)) for name, (_, code) in fields.items()}
    extensions = np.empty((n, file.extensions, HEADER_BYTES), dtype=np.uint8)
    data = np.empty((n, file.n_samples), dtype=np.float32)
    step = max(1, BLOCK // parts.itemsize)
    for start in range(0, n, step):
        part = slice(start, min(start + step, n))
        block = np.fromfile(
            file.path,
            dtype=parts,
            count=part.stop - start,
            offset=file.first + start * parts.itemsize,
        )
        if len(block) < part.stop - start:
            raise OSError("the file became shorter while it was read")
        for name, values in headers.items():
            values[part] = block["header"][name]
        extensions[part] = block["extension"]
        data[part] = decode(block["samples"], file.code)
    return Records(headers, extensions, data)


def header_type(fields: Fields, order: Order) -> np.dtype[Any]:
    """Return the structure of a trace header of 240 bytes."""
    return np.dtype(
        {
            "names": list(fields),
            "formats": [order + code for _, code in fields.values()],
            "offsets": [first - 1 for first, _ in fields.values()],
            "itemsize": HEADER_BYTES,
        }
    )


def _wide(code: str) -> type[Any]:
    return np.float64 if code.startswith("f") else np.int64
