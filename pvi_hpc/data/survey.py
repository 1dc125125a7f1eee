"""A survey in memory: shots, receivers, traces and the source wavelet."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pvi_hpc.errors import SurveyError

__all__ = ["Component", "Shot", "Survey", "Wavelet"]

Array = NDArray[np.float64]
#: Components that receivers record: pressure, or particle velocity along an axis (z down).
Component = Literal["pressure", "vz", "vy", "vx"]


@dataclass(frozen=True)
class Wavelet:
    """Source term `s(t)` of the wave equation, sample 0 at t = 0.

    `samples` has shape `(n,)`; `dt` is its sampling interval [s].
    """

    samples: Array
    dt: float

    @property
    def duration(self) -> float:
        """Time of the last sample [s]."""
        return (len(self.samples) - 1) * self.dt


@dataclass(frozen=True)
class Shot:
    """One source, its receivers and what they recorded.

    Parameters
    ----------
    id
        Field record number: what the user calls this shot.
    source
        Coordinates `(z, y, x)` [m].
    receivers
        Coordinates `(n, 3)`, each `(z, y, x)` [m].
    data
        Traces `(n, n_samples)`, float32; empty `(n, 0)` for a geometry without data.
    noise_sd
        Standard deviation of the noise of each trace `(n,)`, in units of the data;
        `inf` leaves a trace out of the misfit.
    """

    id: int
    source: Array
    receivers: Array
    data: NDArray[np.float32]
    noise_sd: Array


@dataclass(frozen=True)
class Survey:
    """All shots of a run, in the order of their ids.

    `dt` is the sampling interval of the data [s]; sample 0 is at t = 0, when the
    wavelet starts. `component` is what all receivers record; `attributes` says where the data
    came from.
    """

    shots: tuple[Shot, ...]
    wavelet: Wavelet
    dt: float
    n_samples: int
    attributes: dict[str, str] = field(default_factory=dict)
    component: Component = "pressure"

    def __post_init__(self) -> None:
        """Check that every shot fits the survey."""
        for shot in self.shots:
            n = len(shot.receivers)
            expected = {(n, self.n_samples), (n, 0)}
            if shot.data.shape not in expected or shot.noise_sd.shape != (n,):
                raise SurveyError(
                    f"Shot {shot.id}: {n} receivers and {self.n_samples} samples need data "
                    f"of shape {(n, self.n_samples)} and noise_sd of shape {(n,)}, got "
                    f"{shot.data.shape} and {shot.noise_sd.shape}."
                )

    @property
    def n_traces(self) -> int:
        """Number of traces of all shots."""
        return sum(len(shot.receivers) for shot in self.shots)

    def with_data(self, data: Sequence[NDArray[np.float32]]) -> "Survey":
        """Return the same geometry with other traces, one array `(n, n_samples)` a shot."""
        shots = tuple(
            replace(s, data=np.asarray(d, dtype=np.float32))
            for s, d in zip(self.shots, data, strict=True)
        )
        return replace(self, shots=shots)
