"""Seismic Unix files: SEG-Y trace headers and IEEE samples, in either byte order."""

from pathlib import Path
from typing import Final

import numpy as np

from pvi_hpc.data.trace_headers import FIELDS, Traces
from pvi_hpc.errors import SurveyError

__all__ = ["read_su"]

HEADER: Final = 240
#: Two-byte fields that hold counts: SU files with more than 32767 samples use all bits.
UNSIGNED: Final = ("TRACE_SAMPLE_COUNT", "TRACE_SAMPLE_INTERVAL")


def read_su(path: str | Path) -> Traces:
    """Read all traces of an SU file; the byte order is found from the first header.

    Raises
    ------
    SurveyError
        If no byte order makes the file a whole number of traces.
    """
    file = Path(path)
    size = file.stat().st_size
    start = np.fromfile(file, dtype="u1", count=HEADER).tobytes()
    for order in ("<", ">"):
        if len(start) < HEADER:
            break
        n_samples, micro = np.frombuffer(start, dtype=f"{order}u2", count=2, offset=114)
        record = HEADER + 4 * int(n_samples)
        if n_samples and micro and size % record == 0:
            return _read(file, order, int(n_samples), int(micro))
    raise SurveyError(
        f"'{file}' is not a whole SU file: its {size} bytes are no multiple of the trace "
        "length in its first header (bytes 115-116) in either byte order; it is truncated, "
        "or another format (set 'survey.format: segy' for SEG-Y)."
    )


def _read(file: Path, order: str, n_samples: int, micro: int) -> Traces:
    kinds = [
        f"{order}{'u' if name in UNSIGNED else 'i'}{size}" for name, (_, size) in FIELDS.items()
    ]
    header = np.dtype(
        {
            "names": list(FIELDS),
            "formats": kinds,
            "offsets": [first - 1 for first, _ in FIELDS.values()],
            "itemsize": HEADER,
        }
    )
    record = np.dtype([("header", header), ("data", f"{order}f4", (n_samples,))])
    traces = np.fromfile(file, dtype=record)
    headers = {name: traces["header"][name].astype(np.int64) for name in FIELDS}
    return Traces(str(file), headers, traces["data"].astype(np.float32), micro / 1e6)
