"""Observed data of forward problems that a user brings, as a survey without positions."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pvi_hpc.data.survey import Shot, Survey, Wavelet
from pvi_hpc.errors import SurveyError

__all__ = ["Observations", "observed_data", "observed_survey", "survey_of"]

Array = NDArray[np.float64]


class Observations(Protocol):
    """Settings that say where data and noise are."""

    @property
    def data(self) -> str | None:
        """The file of the data; None: there are none."""
        ...

    @property
    def noise_sd(self) -> float | str | None:
        """Standard deviation of the noise, or its file."""
        ...

    @property
    def shots(self) -> int:
        """Number of parts."""
        ...


def observed_survey(settings: Observations, attributes: dict[str, str]) -> Survey:
    """Return the data, one shot a part; without any where simulations give the misfit.

    A datum is a trace of one sample. `attributes` go into the survey's file, so that other
    attributes make another survey.

    Raises
    ------
    SurveyError
        If a file cannot be read, or its shape does not fit.
    """
    if settings.data is None:
        nothing = np.zeros((settings.shots, 0))
        return survey_of(nothing, nothing, attributes)
    return survey_of(*observed_data(settings, settings.shots), attributes)


def observed_data(settings: Observations, rows: int) -> tuple[Array, Array]:
    """Return the data and the sd of their noise, `(rows, n)` each.

    A missing datum is 0, with infinite noise. Errors as `observed_survey`.
    """
    assert settings.data is not None
    data = _array(settings.data, "forward.data", rows)
    noise = _noise(settings, data.shape)
    missing = np.isnan(data)
    _refuse(np.isinf(data), data, "forward.data", "finite, or NaN for a missing datum")
    _refuse(~(noise > 0) & ~missing, noise, "forward.noise_sd", "positive")
    return np.where(missing, 0.0, data), np.where(missing, np.inf, noise)


def survey_of(
    data: Sequence[Array] | Array, noise: Sequence[Array] | Array, attributes: dict[str, str]
) -> Survey:
    """Return a survey of one shot for each of the `data` `(n,)`, without positions."""
    shots = tuple(
        Shot(
            id=i + 1,
            source=np.zeros(3),
            receivers=np.zeros((len(its_data), 3)),
            data=np.asarray(its_data[:, None], dtype=np.float32),
            noise_sd=its_noise,
        )
        for i, (its_data, its_noise) in enumerate(zip(data, noise, strict=True))
    )
    return Survey(shots, Wavelet(np.zeros(1), 1.0), 1.0, 1, attributes)


def _refuse(wrong: NDArray[np.bool_], values: Any, setting: str, must: str) -> None:
    """Raise SurveyError for the first wrong value."""
    if wrong.any():
        shot, i = (int(k) for k in np.argwhere(wrong)[0])
        raise SurveyError(
            f"'{setting}' must be {must}, got {values[shot, i]} for datum {i + 1} of shot "
            f"{shot + 1}; correct the file."
        )


def _noise(settings: Observations, shape: tuple[int, ...]) -> Array:
    if not isinstance(settings.noise_sd, str):
        return np.full(shape, settings.noise_sd, dtype=np.float64)
    noise = _array(settings.noise_sd, "forward.noise_sd", shape[0])
    if noise.shape != shape:
        raise SurveyError(
            f"'forward.noise_sd' must have the shape of 'forward.data', {shape}, got "
            f"{noise.shape} in '{settings.noise_sd}'."
        )
    return noise


def _array(path: str, setting: str, shots: int) -> Array:
    """Return the numbers of a `.npy` file as `(shots, n)`."""
    try:
        array: NDArray[Any] = np.load(Path(path), allow_pickle=False)
        array = np.asarray(array, dtype=np.float64)
    except (OSError, ValueError, TypeError) as error:
        raise SurveyError(
            f"'{setting}' must be a '.npy' file of numbers, got '{path}': {error}. Write it "
            "with numpy.save."
        ) from error
    array = array[None] if array.ndim == 1 and shots == 1 else array
    if array.ndim != 2 or array.shape[0] != shots or not array.shape[1]:
        raise SurveyError(
            f"'{setting}' must have shape ({shots}, n), as 'forward.shots: {shots}' says, got "
            f"{array.shape} in '{path}'."
        )
    return array
