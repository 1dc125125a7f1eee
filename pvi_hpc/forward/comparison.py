"""Simulated data against observed ones: the Gaussian misfit and its derivative."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pvi_hpc.data.survey import Shot
from pvi_hpc.errors import NonFiniteError, SurveyError
from pvi_hpc.forward.weighting import ShotWeights, Weighting
from pvi_hpc.forward.whitening import Whitener
from pvi_hpc.numerics.random import keyed_rng

__all__ = ["NOTHING", "Comparison", "DataMisfit", "compare", "noise_of"]

Array = NDArray[Any]

#: Sums over no group.
NOTHING: Final = np.empty(0)


class Comparison(NamedTuple):
    """A misfit, its derivative by the data, and the squares that it comes from.

    `derivative` and `squares` are `(n_receivers, n_samples)`. Squares are by the noise sd that
    is given, and so are `sums`, their sums over the groups of data `(G,)`.
    """

    misfit: float
    derivative: NDArray[np.float64]
    squares: NDArray[np.float64]
    sums: NDArray[np.float64] = NOTHING


class DataMisfit:
    """The misfit of simulated data as the likelihood of a run says.

    Parameters
    ----------
    weighting
        Weights and groups of the data; None: all samples of live traces are alike.
    precisions
        Expected inverse of the squared factor on the noise sd of each group, `(G,)`; empty: 1.
    """

    def __init__(self, weighting: Weighting | None = None, precisions: Sequence[float] = ()):
        self.weighting = weighting
        self.precisions: tuple[float, ...] = tuple(precisions)

    def compare(self, simulated: Array, shot: Shot) -> Comparison:
        """Compare `simulated` `(n_receivers, n_samples)` with a shot; errors as `compare`."""
        if self.weighting is None:
            return compare(simulated, shot)
        weights, groups = self.weighting.weights(shot), self.weighting.noise_groups
        found = compare(simulated, shot, weights, self.factors(shot), self.weighting.whitener)
        if groups is None:
            return found
        return found._replace(sums=groups.sums(shot, found.squares))

    def weigh(self, change: Array, shot: Shot) -> NDArray[np.float64]:
        """Return the change of the misfit's derivative by a `change` of the data.

        Both are `(n_receivers, n_samples)`. The derivative is linear in the data, so that this
        is the product with the matrix that `compare` weighs residuals with.
        """
        silent = replace(shot, data=np.zeros(change.shape, dtype=np.float32))
        return self.compare(change, silent).derivative

    def factors(self, shot: Shot) -> NDArray[np.float64] | None:
        """Return the precision of each sample `(n_receivers, n_samples)`; None: all are 1."""
        groups = None if self.weighting is None else self.weighting.noise_groups
        if groups is None or not self.precisions:
            return None
        return groups.spread(shot, np.asarray(self.precisions))

    def noise(self, shot: Shot, n_samples: int, key: int, index: int) -> NDArray[np.float64]:
        """Return random numbers `(n_receivers, n_samples)` whose covariance weighs residuals.

        It is the matrix that the misfit is half the product of residuals with; without weights
        and precisions they are those of `noise_of`.
        """
        if self.weighting is None:
            return noise_of(shot, n_samples, key, index)
        factors, signs = self.factors(shot), _signs(shot, n_samples, key, index)
        white = signs if factors is None else np.sqrt(factors) * signs
        whitener = self.weighting.whitener
        correlated = white if whitener is None else whitener.transpose(white)
        kept = np.sqrt(self.weighting.weights(shot).values)
        return np.asarray(kept * correlated * _inverse_sd(shot), dtype=np.float64)


def compare(
    simulated: Array,
    shot: Shot,
    weights: ShotWeights | None = None,
    precisions: NDArray[np.float64] | None = None,
    whitener: Whitener | None = None,
) -> Comparison:
    """Return ``0.5 * sum(p w ((simulated - data) / noise_sd)**2)`` and its derivative.

    A trace whose `noise_sd` is infinite is left out. The weights `w` and the `precisions` `p`
    `(n_receivers, n_samples)` are 1 where they are None. Correlated noise has a `whitener`,
    whose filter is applied to what is left of the residuals, ``sqrt(w) * (...)``.

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
    if whitener is not None:
        squares, weighted = _whitened(scaled, weights, precisions, whitener)
    else:
        weighted = scaled if weights is None else weights.values * scaled
        squares = scaled**2 if weights is None else weighted * scaled
        weighted = weighted if precisions is None else precisions * weighted
    misfit = 0.5 * float(np.sum(squares if precisions is None else precisions * squares))
    if not np.isfinite(misfit):
        raise NonFiniteError(f"The misfit of shot {shot.id} is not finite.")
    return Comparison(misfit, weighted * inv_sd, squares)


def _whitened(
    scaled: NDArray[np.float64],
    weights: ShotWeights | None,
    precisions: NDArray[np.float64] | None,
    whitener: Whitener,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the squares of white residuals, and half their sum's derivative by `scaled`."""
    kept = 1.0 if weights is None else np.sqrt(weights.values)
    white = whitener.white(kept * scaled)
    slope = white if precisions is None else precisions * white
    return white**2, kept * whitener.transpose(slope)


def noise_of(shot: Shot, n_samples: int, key: int, index: int) -> NDArray[np.float64]:
    """Return random signs divided by the noise sd, `(n_receivers, n_samples)`.

    They are those of `(key, index)`, `index` the place of the shot in its survey, whatever the
    order of the shots. Their covariance is the inverse of that of the noise in the data; it is
    zero where a trace is left out.
    """
    signs = _signs(shot, n_samples, key, index)
    return signs * _inverse_sd(shot)


def _signs(shot: Shot, n_samples: int, key: int, index: int) -> NDArray[np.float64]:
    shape = len(shot.noise_sd), n_samples
    zeros_and_ones = keyed_rng(key, "noise gradient", index).integers(0, 2, shape)
    return 2.0 * zeros_and_ones.astype(np.float64) - 1.0


def _inverse_sd(shot: Shot) -> NDArray[np.float64]:
    """Return `1 / noise_sd`, 0 where a trace is left out, `(n_receivers, 1)`."""
    inverse: NDArray[np.float64] = np.where(np.isfinite(shot.noise_sd), 1 / shot.noise_sd, 0.0)
    return inverse[:, None]
