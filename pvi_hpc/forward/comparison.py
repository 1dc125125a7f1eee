"""Simulated data against observed ones: the Gaussian misfit and its derivative."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pvi_hpc.data.survey import Shot
from pvi_hpc.errors import NonFiniteError, SurveyError
from pvi_hpc.numerics.random import keyed_rng

__all__ = ["Comparison", "compare", "noise_of"]

Array = NDArray[Any]


class Comparison(NamedTuple):
    """A misfit and its derivative by the data, `(n_receivers, n_samples)`."""

    misfit: float
    derivative: NDArray[np.float64]


def compare(simulated: Array, shot: Shot) -> Comparison:
    """Return ``0.5 * sum(((simulated - data) / noise_sd)**2)`` and its derivative.

    A trace whose `noise_sd` is infinite is left out.

    Raises
    ------
    SurveyError
        If the shot has no data to compare with.
    NonFiniteError
        If the misfit is not finite.
    """
    if shot.data.shape != simulated.shape:
        raise SurveyError(
            f"Shot {shot.id} has data of shape {shot.data.shape}, the simulation gives "
            f"{simulated.shape}: the survey file does not belong to this setup."
        )
    used = np.isfinite(shot.noise_sd)
    inv_sd = np.where(used, 1 / shot.noise_sd, 0.0)[:, None]
    data = np.where(used[:, None], shot.data, 0.0)
    residual = np.where(used[:, None], simulated, 0.0).astype(np.float64) - data
    scaled = residual * inv_sd
    misfit = 0.5 * float(np.sum(scaled**2))
    if not np.isfinite(misfit):
        raise NonFiniteError(f"The misfit of shot {shot.id} is not finite.")
    return Comparison(misfit, scaled * inv_sd)


def noise_of(shot: Shot, n_samples: int, key: int, index: int) -> NDArray[np.float64]:
    """Return random signs divided by the noise sd, `(n_receivers, n_samples)`.

    They are those of `(key, index)`, `index` the place of the shot in its survey, whatever the
    order of the shots. Their covariance is the inverse of that of the noise in the data; it is
    zero where a trace is left out.
    """
    used = np.isfinite(shot.noise_sd)
    inv_sd = np.where(used, 1 / shot.noise_sd, 0.0)[:, None]
    signs = keyed_rng(key, "noise gradient", index).integers(0, 2, (len(used), n_samples))
    return np.asarray((2.0 * signs - 1.0) * inv_sd, dtype=np.float64)
