"""From trace files to a survey: shots grouped by field record, noise levels, faults named."""

import glob
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pvi_hpc.data.header_settings import STANDARD, HeaderSettings
from pvi_hpc.data.remarks import Remark, as_attributes
from pvi_hpc.data.survey import Component, Shot, Survey, Wavelet
from pvi_hpc.data.trace_files.delays import apply_delays
from pvi_hpc.data.trace_files.geometry_doubts import geometry_doubts
from pvi_hpc.data.trace_files.segy import read_segy
from pvi_hpc.data.trace_files.shots import Numbering, shots_of
from pvi_hpc.data.trace_files.su import read_su
from pvi_hpc.data.trace_files.trace_codes import receiver_traces
from pvi_hpc.data.trace_files.trace_headers import (
    Traces,
    bad_traces,
    check_headers,
    header_remarks,
    unreadable,
)
from pvi_hpc.data.trace_files.trace_positions import positions
from pvi_hpc.errors import SurveyError

__all__ = ["expand_files", "import_traces", "receivers_of", "with_noise_window"]


class Sampling(NamedTuple):
    """The sampling of a file: interval [s] and number of samples."""

    file: str
    dt: float
    n_samples: int


Reader = Callable[[str | Path, HeaderSettings], Traces]
READERS: Final[dict[str, Reader]] = {"segy": read_segy, "su": read_su}


def import_traces(
    files: Sequence[str],
    *,
    kind: Literal["segy", "su"],
    wavelet: Wavelet,
    noise_sd: float,
    component: Component = "pressure",
    description: HeaderSettings = STANDARD,
) -> Survey:
    """Read SEG-Y or SU files, one a survey or one a shot.

    Shots are ordered by FieldRecord, receivers by TraceNumber, unless `description` says
    otherwise. Only live traces that record `component` become receivers; what was left out or
    assumed is told in the attributes (`pvi_hpc.data.remarks`).

    Parameters
    ----------
    files
        Paths or glob patterns.
    kind
        Format of all of them.
    noise_sd
        Standard deviation of the noise of every trace, in units of the data.
    description
        What the headers mean, where they do not follow the standard.

    Raises
    ------
    SurveyError
        If a file is missing or damaged, files differ in sampling, a shot is found twice or
        has two sources, or no trace is left.
    """
    paths = expand_files(files)
    shots: dict[int, tuple[Shot, str]] = {}
    remarks: list[tuple[str, Remark]] = []
    sampling: Sampling | None = None
    numbering = Numbering(description)
    for path in paths:
        try:
            traces = READERS[kind](path, description)
        except OSError as error:
            raise unreadable(path, error) from error
        traces = receivers_of(traces, component, description)
        traces = apply_delays(traces, description)
        sources, receivers = positions(traces, description)
        remarks += [(path, remark) for remark in traces.remarks]
        doubts = geometry_doubts(traces, sources, receivers, description)
        remarks += [(path, remark) for remark in doubts]
        found = Sampling(traces.file, traces.dt, traces.data.shape[1])
        sampling = sampling or found
        _check_sampling(found, sampling, description)
        sampling = min(sampling, found, key=lambda of: of.n_samples)
        for shot in shots_of(traces, (sources, receivers), noise_sd, numbering):
            if shot.id in shots:
                raise SurveyError(
                    f"FieldRecord {shot.id} is in '{shots[shot.id][1]}' and again in "
                    f"'{path}'; every shot must be in one file only: correct 'survey.files', "
                    "or, if these are two shots, renumber FieldRecord (bytes 9-12) or set "
                    "'survey.headers: {shot_number: source}' (or 'file')."
                )
            shots[shot.id] = (shot, path)
    assert sampling is not None  # expand_files gives at least one
    more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
    # Names only: the same data in another folder must give the same survey file.
    attributes = {"source": Path(paths[0]).name + more, "format": kind}
    attributes |= as_attributes(remarks)
    if not shots:
        raise SurveyError(
            f"'survey.files' hold no live trace of 'survey.component: {component}':\n"
            f"{attributes.get('doubtful', '')}"
        )
    n = sampling.n_samples  # files whose traces begin at different times differ in length
    ordered = tuple(
        replace(s, data=np.ascontiguousarray(s.data[:, :n]))
        for s, _ in (shots[i] for i in sorted(shots))
    )
    return Survey(ordered, wavelet, sampling.dt, n, attributes, component)


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


def receivers_of(traces: Traces, component: Component, description: HeaderSettings) -> Traces:
    """Return the live traces that record `component`, with remarks on all of the file.

    Raises
    ------
    SurveyError
        If headers of these traces do not fit, or samples are not finite.
    """
    kept, remarks = receiver_traces(traces, component, description)
    lost = np.setdiff1d(traces.headers["FieldRecord"], traces.headers["FieldRecord"][kept])
    if len(lost) and kept.any():
        text = f"{len(lost)} FieldRecords have no trace left, the first is {lost[0]}"
        remarks.append(Remark("doubtful", text))
    traces = traces.take(kept)
    if description.on_bad_trace == "drop":
        bad = bad_traces(traces)
        if bad.any():
            text = "bad traces ('survey.headers.on_bad_trace: drop') are left out"
            remarks.append(Remark("doubtful", text, int(bad.sum())))
        traces = traces.take(~bad)
    check_headers(traces, description)
    remarks += header_remarks(traces, component, description)
    if changed := description.changed():
        text = f"headers are read with 'survey.headers: {{{', '.join(changed)}}}'"
        remarks.append(Remark("assumed", text))
    return replace(traces, remarks=(*traces.remarks, *remarks))


def _check_sampling(found: Sampling, first: Sampling, description: HeaderSettings) -> None:
    longer = found.n_samples != first.n_samples and description.recording_delay == "refuse"
    if longer or abs(found.dt - first.dt) > 1e-9:
        raise SurveyError(
            f"'{found.file}' has {found.n_samples} samples of {found.dt:g} s, '{first.file}' "
            f"has {first.n_samples} samples of {first.dt:g} s; all files of 'survey.files' "
            "must be sampled alike."
        )


def _rms(x: NDArray[np.float32], axis: int) -> NDArray[np.float64]:
    power: NDArray[np.float64] = np.mean(np.square(x, dtype=np.float64), axis=axis)
    return np.sqrt(power)
