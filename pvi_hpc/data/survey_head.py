"""The head of a survey file: everything but positions and traces, checked at opening."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NoReturn, cast, get_args

import numpy as np
from numpy.typing import NDArray

from pvi_hpc.data.hdf5_input import find_dataset, find_member, text_of
from pvi_hpc.data.survey import Component, Wavelet
from pvi_hpc.errors import SurveyError

__all__ = ["FORMAT", "VERSION", "SurveyHead", "read_head"]

FORMAT: Final = "pvi_hpc survey"
VERSION: Final = 1


@dataclass(frozen=True)
class SurveyHead:
    """Description of a survey file.

    `dt` is in s; `ids` are those of the shots; `offset` `(n_shots + 1,)` is the first trace of
    each shot and the number of traces; `attributes` say where the data came from.
    """

    dt: float
    n_samples: int
    component: Component
    wavelet: Wavelet
    ids: tuple[int, ...]
    offset: NDArray[np.int64]
    has_data: bool
    attributes: dict[str, str]


def read_head(file: Any, path: Path) -> SurveyHead:
    """Read the head of an open survey file, once all of the file fits together.

    The positions and the noise levels of the traces are not read: `pvi check` looks at their
    values.

    Raises
    ------
    SurveyError
        If the file is not ours, of another version, or contradicts itself; the message names
        the dataset.
    """
    _check_version(file, path)
    n_samples = _number(file.attrs, "n_samples", path)
    if not n_samples >= 1 or n_samples % 1:
        _refuse(path, "the attribute 'n_samples'", "a whole number, at least 1", n_samples)
    wavelet = _read(file, "wavelet", (None,), path)
    samples = np.asarray(wavelet[()], dtype=np.float64)
    if not len(samples):
        _refuse(path, "'wavelet'", "at least one sample", "none")
    _check_finite(samples, "wavelet", path)
    ids = np.asarray(_read(file, "shots/id", (None,), path)[()])
    if len(ids) < 1 or ids.dtype.kind not in "iu" or (ids[1:] <= ids[:-1]).any():
        _refuse(path, "'shots/id'", "whole numbers that increase, each once", _few(ids))
    source = _read(file, "shots/source", (len(ids), 3), path)
    _check_finite(np.asarray(source[()], dtype=np.float64), "shots/source", path)
    traces = _read(file, "traces/receiver", (None, 3), path).shape[0]
    _read(file, "traces/noise_sd", (traces,), path)
    has_data = find_dataset(file, "traces/data") is not None
    if has_data:
        _read(file, "traces/data", (traces, int(n_samples)), path)
    return SurveyHead(
        dt=_interval(file.attrs, "the file", path),
        n_samples=int(n_samples),
        component=_component(file, path),
        wavelet=Wavelet(samples, _interval(wavelet.attrs, "'wavelet'", path)),
        ids=tuple(int(i) for i in ids),
        offset=_offset(file, len(ids), traces, path),
        has_data=has_data,
        attributes={k: text_of(v) or str(v) for k, v in _attributes(file).items()},
    )


def _offset(file: Any, shots: int, traces: int, path: Path) -> NDArray[np.int64]:
    offset = np.asarray(_read(file, "shots/offset", (shots + 1,), path)[()])
    whole = offset.dtype.kind in "iu" and offset[0] == 0 and offset[-1] == traces
    if not whole or (offset[1:] < offset[:-1]).any():
        expected = f"whole numbers that go up from 0 to the number of traces, {traces}"
        _refuse(path, "'shots/offset'", expected, _few(offset))
    return offset.astype(np.int64)


def _read(file: Any, name: str, shape: tuple[int | None, ...], path: Path) -> Any:
    """Return a dataset of numbers of this shape; None stands for any length."""
    found = find_dataset(file, name)
    if found is None:
        raise KeyError(f"no dataset '{name}'")
    wrong = found.shape is None or len(found.shape) != len(shape)
    if wrong or any(b not in (None, a) for a, b in zip(found.shape, shape, strict=True)):
        wanted = ", ".join("n" if n is None else str(n) for n in shape)
        _refuse(path, f"'{name}'", f"an array of shape ({wanted})", f"shape {found.shape}")
    if found.dtype.kind not in "fiu":
        _refuse(path, f"'{name}'", "numbers", found.dtype)
    return found


def _check_finite(values: NDArray[np.float64], name: str, path: Path) -> None:
    bad = ~np.isfinite(values)
    if bad.any():
        i = tuple(int(k) for k in np.unravel_index(int(bad.argmax()), values.shape))
        _refuse(path, f"'{name}'", "finite", f"{values[i]} at index {list(i)}")


def _interval(attributes: Any, of: str, path: Path) -> float:
    dt = _number(attributes, "dt_s", path)
    if not (np.isfinite(dt) and dt > 0):
        _refuse(path, f"the attribute 'dt_s' of {of}", "a positive number of seconds", dt)
    return dt


def _number(attributes: Any, name: str, path: Path) -> float:
    """Return an attribute that is one number; programs also write an array of one."""
    value = np.asarray(attributes[name])
    if value.size != 1 or value.dtype.kind not in "fiu":
        _refuse(path, f"the attribute '{name}'", "one number", _few(value))
    return float(value.reshape(-1)[0])


def _component(file: Any, path: Path) -> Component:
    known = get_args(Component)
    component = text_of(file.attrs.get("component", "pressure"))
    if component not in known:
        _refuse(
            path, "the attribute 'component'", f"one of {', '.join(known)}", repr(component)
        )
    return cast(Component, component)


def _attributes(file: Any) -> Any:
    group = find_member(file, "attributes")
    if group is None:
        raise KeyError("no group 'attributes'")
    return group.attrs


def _check_version(file: Any, path: Path) -> None:
    form = text_of(file.attrs.get("format", ""))
    if form != FORMAT:
        raise SurveyError(
            f"'{path}' is HDF5 but not a survey file: its attribute 'format' must be "
            f"'{FORMAT}', got {form or None!r}; see docs/reference/survey-format.md."
        )
    version = np.ravel(file.attrs.get("version", 0))
    if version.tolist() != [VERSION]:
        raise SurveyError(
            f"'{path}' is a survey file of version {_few(version)}, this program reads version "
            f"{VERSION}; import the data again with 'pvi run'."
        )


def _few(values: NDArray[Any]) -> str:
    """Return the first values of an array, for a message."""
    flat = np.ravel(values)
    return ", ".join(str(v) for v in flat[:8]) + (", ..." if flat.size > 8 else "")


def _refuse(path: Path, name: str, expected: str, got: object) -> NoReturn:
    raise SurveyError(
        f"Survey file '{path}': {name} must be {expected}, got {got}; correct the file "
        "(docs/reference/survey-format.md describes it)."
    )
