"""Headers and sample statistics of a SEG-Y or SU file, read in pieces."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from pvi_hpc.data.header_settings import HeaderSettings
from pvi_hpc.data.trace_files.segy import in_own_units, segy_traces, trace_words
from pvi_hpc.data.trace_files.segy_layout import SegyLayout, read_layout
from pvi_hpc.data.trace_files.su import su_reading, su_traces
from pvi_hpc.data.trace_files.trace_headers import Traces, override
from pvi_hpc.data.trace_files.trace_records import RecordFile, Records, record_blocks

__all__ = ["Content", "Kind", "SampleSummary"]

Kind = Literal["segy", "su"]
#: Traces of which spectra are taken.
SPECTRA: Final = 500


@dataclass(frozen=True)
class SampleSummary:
    """Samples of a file: largest finite size, rms, counts of traces, and the mean spectrum.

    `frequency` [Hz] and `power` are `(n,)`; power is the mean of up to 500 traces that are
    spread over the file, each divided by its own energy.
    """

    largest: float
    rms: float
    silent: int
    not_finite: int
    frequency: NDArray[np.float64]
    power: NDArray[np.float64]


@dataclass(frozen=True)
class Content:
    """All headers of a file, and one sample a trace in place of its samples.

    The sample is the rms of the trace: not finite if one of them is not, 0 if all are.
    """

    records: RecordFile
    layout: SegyLayout | None
    words: dict[str, tuple[int, str]]
    traces: Traces
    samples: SampleSummary

    @classmethod
    def read(cls, path: Path, kind: Kind, description: HeaderSettings) -> "Content":
        """Read a file; the memory that is needed is that of its headers.

        Raises
        ------
        SurveyError
            If its layout, weights or extensions are not read as the description has them.
        """
        if kind == "segy":
            layout = read_layout(path, description)
            file, words = layout.records, trace_words(layout, description)
            reading = None
        else:
            reading, layout = su_reading(path, description), None
            file, words = reading.file, description.places
        summary = _Summary(file)
        blocks = [summary.add(block) for block in _blocks(file, words, layout, description)]
        headers = {name: np.concatenate([b[name] for b in blocks]) for name in blocks[0]}
        records = Records(headers, np.empty((0, 0, 240), np.uint8), summary.stand_ins())
        if layout is not None:
            traces = segy_traces(layout, records)
        else:
            assert reading is not None
            traces = su_traces(reading, records, description)
        return cls(file, layout, words, traces, summary.result(traces.dt))


def _blocks(
    file: RecordFile,
    words: dict[str, tuple[int, str]],
    layout: SegyLayout | None,
    description: HeaderSettings,
) -> Iterator[Records]:
    first = 0
    for block in record_blocks(file, words):
        if layout is not None:
            in_own_units(block, layout, description, first)
        else:
            override(block.headers, description, len(block.data))
        first += len(block.data)
        yield block


class _Summary:
    """Statistics of samples, gathered from one piece of a file after the other."""

    def __init__(self, file: RecordFile) -> None:
        self._n = file.n_samples
        self._step = max(1, file.n_traces // SPECTRA)
        self._seen, self._energy, self._largest = 0, 0.0, 0.0
        self._power = np.zeros(self._n // 2 + 1)
        self._rms: list[NDArray[np.float32]] = []

    def add(self, block: Records) -> dict[str, NDArray[Any]]:
        """Take the samples of a piece in, and return its headers."""
        with np.errstate(invalid="ignore", over="ignore"):
            energy = np.square(block.data, dtype=np.float64).sum(axis=1)
            size = np.abs(block.data).max(axis=1)
        finite = np.isfinite(energy)
        self._energy += float(energy[finite].sum())
        self._largest = max(self._largest, float(size[finite].max(initial=0.0)))
        self._rms.append(np.sqrt(energy / self._n).astype(np.float32))
        for i in range(-self._seen % self._step, len(energy), self._step):
            if finite[i] and energy[i] > 0:
                spectrum = np.fft.rfft(block.data[i].astype(np.float64) / np.sqrt(energy[i]))
                self._power += np.abs(spectrum) ** 2
        self._seen += len(energy)
        return block.headers

    def stand_ins(self) -> NDArray[np.float32]:
        """Return one sample for each trace `(n, 1)`."""
        return np.concatenate(self._rms)[:, None]

    def result(self, dt: float) -> SampleSummary:
        rms = np.concatenate(self._rms)
        finite = np.isfinite(rms)
        return SampleSummary(
            largest=self._largest,
            rms=float(np.sqrt(self._energy / max(1, finite.sum() * self._n))),
            silent=int((rms == 0).sum()),
            not_finite=int((~finite).sum()),
            frequency=np.arange(self._n // 2 + 1) / (self._n * dt),
            power=self._power,
        )
