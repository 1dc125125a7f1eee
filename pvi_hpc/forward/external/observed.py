"""Observed data of forward problems that a user brings, as a survey without positions."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pvi_hpc.data.survey import Shot, Survey, Wavelet
from pvi_hpc.errors import SurveyError
from pvi_hpc.forward.external.settings import ExternalSettings

__all__ = ["observed_survey"]


def observed_survey(settings: ExternalSettings, attributes: dict[str, str]) -> Survey:
    """Return the data, one shot a part; without any where simulations give the misfit.

    A datum is a trace of one sample. `attributes` go into the survey's file, so that other
    attributes make another survey.

    Raises
    ------
    SurveyError
        If a file cannot be read, or its shape does not fit.
    """
    if settings.data is None:
        data = np.zeros((settings.shots, 0))
        noise = np.zeros((settings.shots, 0))
    else:
        data = _array(settings.data, "forward.data", settings.shots)
        noise = _noise(settings, data.shape)
    missing = np.isnan(data)
    _refuse(np.isinf(data), data, "forward.data", "finite, or NaN for a missing datum")
    _refuse(~(noise > 0) & ~missing, noise, "forward.noise_sd", "positive")
    data, noise = np.where(missing, 0.0, data), np.where(missing, np.inf, noise)
    shots = tuple(
        Shot(
            id=i + 1,
            source=np.zeros(3),
            receivers=np.zeros((data.shape[1], 3)),
            data=np.asarray(data[i, :, None], dtype=np.float32),
            noise_sd=noise[i],
        )
        for i in range(settings.shots)
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


def _noise(settings: ExternalSettings, shape: tuple[int, int]) -> NDArray[np.float64]:
    if not isinstance(settings.noise_sd, str):
        return np.full(shape, settings.noise_sd, dtype=np.float64)
    noise = _array(settings.noise_sd, "forward.noise_sd", settings.shots)
    if noise.shape != shape:
        raise SurveyError(
            f"'forward.noise_sd' must have the shape of 'forward.data', {shape}, got "
            f"{noise.shape} in '{settings.noise_sd}'."
        )
    return noise


def _array(path: str, setting: str, shots: int) -> NDArray[np.float64]:
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
