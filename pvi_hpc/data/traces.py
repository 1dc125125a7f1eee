"""From trace files to a survey: shots grouped by field record, noise levels, faults named."""

import glob
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from pvi_hpc.data.segy import read_segy
from pvi_hpc.data.su import read_su
from pvi_hpc.data.survey import Shot, Survey, Wavelet
from pvi_hpc.data.trace_headers import DEAD, Traces, check_headers, positions, unreadable
from pvi_hpc.errors import SurveyError

__all__ = ["expand_files", "import_traces", "with_noise_window"]

READERS: Final[dict[str, Callable[[str | Path], Traces]]] = {"segy": read_segy, "su": read_su}


def import_traces(
    files: Sequence[str], *, kind: Literal["segy", "su"], wavelet: Wavelet, noise_sd: float
) -> Survey:
    """Read SEG-Y or SU files, one a survey or one a shot.

    Shots are ordered by FieldRecord, receivers by TraceNumber. Dead traces (all zero, or
    so marked) get `noise_sd = inf`, which leaves them out of the misfit; their number is
    in `attributes["dead_traces"]`. One marked dead may hold NaN, and is then read as zero.

    Parameters
    ----------
    files
        Paths or glob patterns.
    kind
        Format of all of them.
    noise_sd
        Standard deviation of the noise of every trace, in units of the data.

    Raises
    ------
    SurveyError
        If a file is missing or damaged, files differ in sampling, or a shot is found
        twice or has two sources.
    """
    paths = expand_files(files)
    shots: dict[int, tuple[Shot, str]] = {}
    first: Traces | None = None
    for path in paths:
        try:
            traces = READERS[kind](path)
        except OSError as error:
            raise unreadable(path, error) from error
        check_headers(traces)
        first = first or traces
        _check_sampling(traces, first)
        for shot in _shots(traces, noise_sd):
            if shot.id in shots:
                raise SurveyError(
                    f"FieldRecord {shot.id} is in '{shots[shot.id][1]}' and again in "
                    f"'{path}'; every shot must be in one file only: correct 'survey.files', "
                    "or, if these are two shots, renumber FieldRecord (bytes 9-12)."
                )
            shots[shot.id] = (shot, path)
    assert first is not None  # expand_files gives at least one
    ordered = tuple(shots[i][0] for i in sorted(shots))
    dead = sum(int(np.isinf(shot.noise_sd).sum()) for shot in ordered)
    more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
    # Names only: the same data in another folder must give the same survey file.
    attributes = {
        "source": Path(paths[0]).name + more,
        "format": kind,
        "dead_traces": str(dead),
    }
    return Survey(ordered, wavelet, first.dt, first.data.shape[1], attributes)


def with_noise_window(survey: Survey, window_s: float) -> Survey:
    """Return the survey with noise levels measured before `window_s` [s], ahead of arrivals.

    Each trace's is its rms there, but at least the median of all live traces: a level
    from a few samples must not give a trace a huge weight.

    Raises
    ------
    SurveyError
        If the window is shorter than 8 samples or outside the record, or holds no noise.
    """
    n = round(window_s / survey.dt)
    if not 8 <= n <= survey.n_samples:
        raise SurveyError(
            f"'survey.noise_window_s' must be {8 * survey.dt:g} to "
            f"{survey.n_samples * survey.dt:g} s (8 samples to the whole record), "
            f"got {window_s:g} s."
        )
    rms = [
        np.where(np.isinf(s.noise_sd), np.nan, _rms(s.data[:, :n], axis=1))
        for s in survey.shots
    ]
    live = np.concatenate(rms)
    floor = float(np.median(live[~np.isnan(live)])) if not np.isnan(live).all() else 0.0
    if floor <= 0:
        raise SurveyError(
            f"'survey.noise_window_s' = {window_s:g} s holds no noise in at least half of the "
            "traces; give 'survey.noise_sd' instead."
        )
    shots = tuple(
        replace(s, noise_sd=np.where(np.isnan(r), np.inf, np.maximum(r, floor)))
        for s, r in zip(survey.shots, rms, strict=True)
    )
    return replace(survey, shots=shots)


def expand_files(files: Sequence[str]) -> list[str]:
    """Return the files that paths and glob patterns name, each once, patterns sorted.

    Raises
    ------
    SurveyError
        If one of them names no file, or may not be looked at.
    """
    paths: list[str] = []
    for pattern in files:
        try:
            found = [pattern] if Path(pattern).is_file() else sorted(glob.glob(pattern))  # noqa: PTH207
            found = [path for path in found if Path(path).is_file()]
        except OSError as error:  # a folder that may not be entered
            raise unreadable(pattern, error) from error
        if not found:
            raise SurveyError(
                f"'survey.files' names '{pattern}', which is no file and matches none; paths "
                f"are relative to the directory of the run, here '{Path.cwd()}'."
            )
        paths += found
    return list(dict.fromkeys(paths))


def _shots(traces: Traces, noise_sd: float) -> Iterator[Shot]:
    """Yield the shots of one file; neither they nor their traces need be together."""
    records, numbers = traces.headers["FieldRecord"], traces.headers["TraceNumber"]
    sources, receivers = positions(traces.headers)
    dead = ~traces.data.any(axis=1) | (traces.headers["TraceIdentificationCode"] == DEAD)
    # `check_headers` let NaN pass in traces marked dead: zero times a weight of 0 stays 0.
    finite = np.isfinite(traces.data).all(axis=1, keepdims=True)
    data = traces.data if finite.all() else np.where(finite, traces.data, np.float32(0))
    order = np.lexsort((numbers, records))
    for i in np.split(order, np.flatnonzero(np.diff(records[order])) + 1):
        _check_shot(traces, i, sources)
        yield Shot(
            id=int(records[i[0]]),
            source=sources[i[0]],
            receivers=receivers[i],
            data=data[i],
            noise_sd=np.where(dead[i], np.inf, noise_sd),
        )


def _check_shot(traces: Traces, i: NDArray[np.intp], sources: NDArray[np.float64]) -> None:
    """Check the traces `i`, sorted by TraceNumber, of one field record."""
    record, numbers = traces.headers["FieldRecord"][i[0]], traces.headers["TraceNumber"][i]
    moved = np.abs(sources[i] - sources[i[0]]).max(axis=1) > 1e-3
    if moved.any():
        k = i[int(moved.argmax())]
        raise SurveyError(
            f"'{traces.file}': FieldRecord {record} has two sources, (z, y, x) = "
            f"{sources[i[0]].tolist()} m at trace {i[0] + 1} and {sources[k].tolist()} m at "
            f"trace {k + 1}; give every shot its own FieldRecord (bytes 9-12)."
        )
    twice = np.flatnonzero(np.diff(numbers) == 0)
    if len(twice):
        a, b = sorted(int(k) + 1 for k in i[twice[0] : twice[0] + 2])
        raise SurveyError(
            f"'{traces.file}': traces {a} and {b} are both FieldRecord {record}, TraceNumber "
            f"{numbers[twice[0]]}; a shot is in the file twice, or TraceNumber (bytes 13-16) "
            "must be renumbered."
        )


def _check_sampling(traces: Traces, first: Traces) -> None:
    a, b = (traces.dt, traces.data.shape[1]), (first.dt, first.data.shape[1])
    if a[1] != b[1] or abs(a[0] - b[0]) > 1e-9:
        raise SurveyError(
            f"'{traces.file}' has {a[1]} samples of {a[0]:g} s, '{first.file}' has {b[1]} "
            f"samples of {b[0]:g} s; all files of 'survey.files' must be sampled alike."
        )


def _rms(x: NDArray[np.float32], axis: int) -> NDArray[np.float64]:
    power: NDArray[np.float64] = np.mean(np.square(x, dtype=np.float64), axis=axis)
    return np.sqrt(power)
