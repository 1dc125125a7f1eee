"""Simulated data against observed ones: the Gaussian misfit and its derivative."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pvi_hpc.data.survey import Shot
from pvi_hpc.errors import NonFiniteError, SurveyError
from pvi_hpc.forward.weighting import ShotWeights
from pvi_hpc.numerics.random import keyed_rng

__all__ = ["Comparison", "compare", "noise_of"]

Array = NDArray[Any]


class Comparison(NamedTuple):
    """A misfit, its derivative by the data, and the squares that it is the half sum of.

    Both arrays are `(n_receivers, n_samples)`.
    """

    misfit: float
    derivative: NDArray[np.float64]
    squares: NDArray[np.float64]


def compare(simulated: Array, shot: Shot, weights: ShotWeights | None = None) -> Comparison:
    """Return ``0.5 * sum(w * ((simulated - data) / noise_sd)**2)`` and its derivative.

    A trace whose `noise_sd` is infinite is left out. `weights` are those of the shot; None: all
    are 1.

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
    weighted = scaled if weights is None else weights.values * scaled
    squares = scaled**2 if weights is None else weighted * scaled
    misfit = 0.5 * float(np.sum(squares))
    if not np.isfinite(misfit):
        raise NonFiniteError(f"The misfit of shot {shot.id} is not finite.")
    return Comparison(misfit, weighted * inv_sd, squares)


def noise_of(
    shot: Shot, n_samples: int, key: int, index: int, weights: ShotWeights | None = None
) -> NDArray[np.float64]:
    """Return random signs divided by the noise sd, `(n_receivers, n_samples)`.

    They are those of `(key, index)`, `index` the place of the shot in its survey, whatever the
    order of the shots. Their covariance is the inverse of that of the noise in the data; it is
    zero where a trace is left out.
    """
    used = np.isfinite(shot.noise_sd)
    inv_sd = np.where(used, 1 / shot.noise_sd, 0.0)[:, None]
    signs = keyed_rng(key, "noise gradient", index).integers(0, 2, (len(used), n_samples))
    kept = inv_sd if weights is None else np.sqrt(weights.values) * inv_sd
    return np.asarray((2.0 * signs - 1.0) * kept, dtype=np.float64)
