"""Weights of the samples of a shot in the misfit: the mute, with its tapers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pvi_hpc.data.survey import Shot
from pvi_hpc.forward.grouping import Groups, offsets
from pvi_hpc.forward.likelihood import LikelihoodSettings, MuteSettings, TimeLineSettings
from pvi_hpc.forward.whitening import Whitener, whitener_of

__all__ = ["ShotWeights", "Weighting", "counts"]

Array = NDArray[np.float64]

#: Digits of a weight: processors differ in the last bits of a cosine, gradients must not.
DIGITS: Final = 12


@dataclass(frozen=True)
class ShotWeights:
    """Weights `(n_rec, n_samples)` of squared residuals, broadcast where all are alike.

    0 leaves a sample out; a trace of infinite noise sd has weight 0.
    """

    values: Array
    n_samples: int

    @property
    def n_data(self) -> float:
        """Sum of the weights: the number of data that count."""
        return float(self.values.sum()) * self._repeats

    @property
    def n_squared(self) -> float:
        """Sum of the squared weights, which the spread of the misfit depends on."""
        return float((self.values**2).sum()) * self._repeats

    @property
    def muted(self) -> NDArray[np.bool_]:
        """Traces of which no sample counts `(n_rec,)`."""
        return np.asarray(~self.values.any(axis=1))

    @property
    def _repeats(self) -> int:
        return self.n_samples if self.values.shape[1] == 1 else 1


@dataclass(frozen=True)
class Weighting:
    """Weights of every shot of a survey.

    Parameters
    ----------
    settings
        Section `likelihood` of the configuration.
    dt, n_samples
        Sampling interval of the data [s], and samples of a trace.
    """

    settings: LikelihoodSettings = field(default_factory=LikelihoodSettings)
    dt: float = 1.0
    n_samples: int = 1

    @classmethod
    def of(cls, lasting: Mapping[str, Any], dt: float, n_samples: int) -> "Weighting | None":
        """Return the weighting of a `SimulationSetup.likelihood`; None: all samples alike."""
        if not lasting:
            return None
        return cls(LikelihoodSettings.model_validate(dict(lasting)), dt, n_samples)

    @property
    def noise_groups(self) -> Groups | None:
        """Groups of data whose noise has a factor of its own; None where it is as given."""
        noise = self.settings.noise
        if noise is None:
            return None
        return Groups(noise.offset_edges_m, noise.time_edges_s, self.dt, self.n_samples)

    @property
    def whitener(self) -> Whitener | None:
        """The filter along traces that makes the noise white; None: it is white."""
        return whitener_of(self.settings.spectrum, self.dt)

    def weights(self, shot: Shot) -> ShotWeights:
        """Return the weights of a shot's samples."""
        live = np.isfinite(shot.noise_sd).astype(np.float64)[:, None]
        mute = self.settings.mute
        values = live if mute is None else live * self._kept(mute, offsets(shot)) ** 2
        return ShotWeights(values, self.n_samples)

    def _kept(self, mute: MuteSettings, offset: Array) -> Array:
        """Return the factors of residuals `(n_rec, 1)` or `(n_rec, n_samples)`."""
        kept = _rise(offset - mute.min_offset_m, mute.taper_m)
        if mute.max_offset_m is not None:
            kept = kept * _rise(mute.max_offset_m - offset, mute.taper_m)
        factors = kept[:, None]
        time = self.dt * np.arange(self.n_samples)
        for line, sign in ((mute.before, 1), (mute.after, -1)):
            if line is not None:
                late = sign * (time - _arrival(line, offset)[:, None])
                factors = factors * _rise(late, line.taper_s)
        return np.round(factors, DIGITS)


def counts(shot: Shot, n_samples: int, weighting: Weighting | None) -> float:
    """Return the number of data of a shot that count: the sum of the weights of its samples."""
    if weighting is None:
        return int(np.isfinite(shot.noise_sd).sum()) * n_samples
    return weighting.weights(shot).n_data


def _arrival(line: TimeLineSettings, offset: Array) -> Array:
    slowness = 0.0 if line.velocity_m_s is None else 1 / line.velocity_m_s
    return line.time_s + slowness * offset


def _rise(beyond: Array, taper: float) -> Array:
    """Return 0 for `beyond` < 0, 1 from `taper` on, and half a cosine between them."""
    if taper == 0:
        return (beyond >= 0).astype(np.float64)
    return np.asarray(0.5 - 0.5 * np.cos(np.pi * np.clip(beyond / taper, 0, 1)))
