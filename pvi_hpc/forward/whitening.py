"""Filters along traces that make correlated noise white, and their transposes."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pvi_hpc.forward.likelihood import SpectrumSettings

__all__ = ["Autoregressive", "Band", "Whitener", "whitener_of"]

Array = NDArray[np.float64]


class Whitener(Protocol):
    """A linear filter `A` along traces with `A C A^T = I` for noise of covariance `C`."""

    def white(self, traces: Array) -> Array:
        """Return `A r` of traces `(n, n_samples)`."""
        ...

    def transpose(self, traces: Array) -> Array:
        """Return `A^T r` of traces `(n, n_samples)`."""
        ...


@dataclass(frozen=True)
class Autoregressive:
    """Noise of unit variance, each sample `correlation` times the one before plus white noise.

    `A r` at sample `k` is ``(r[k] - c r[k - 1]) / sqrt(1 - c**2)``, and `r[0]` at the first
    one, which whitens it exactly (Box & Jenkins 1976, Time Series Analysis, chapter 3).

    Examples
    --------
    >>> Autoregressive(0.6).white(np.array([[1.0, 1.0, 2.6]])).round(9).tolist()
    [[1.0, 0.5, 2.5]]
    """

    correlation: float

    def white(self, traces: Array) -> Array:
        """Return the innovations of traces `(n, n_samples)`, of unit variance."""
        out = traces.copy()
        out[:, 1:] = (traces[:, 1:] - self.correlation * traces[:, :-1]) / self._innovation
        return out

    def transpose(self, traces: Array) -> Array:
        """Apply the transpose of `white`."""
        out = traces / self._innovation
        out[:, 0] = traces[:, 0]
        out[:, :-1] -= self.correlation / self._innovation * traces[:, 1:]
        return out

    @property
    def _innovation(self) -> float:
        return float(np.sqrt(1 - self.correlation**2))


@dataclass(frozen=True)
class Band:
    """Noise of unit variance whose power is `floor` outside of a band, relative to inside.

    `A` divides the Fourier transform by the root of the power, a likelihood in the manner of
    Whittle (1953, Arkiv foer Matematik 2, 423-434): exact for noise that is periodic in the
    record. It is symmetric.

    Parameters
    ----------
    low, high
        Edges of the band [Hz].
    floor
        Power outside, relative to inside.
    dt
        Sampling interval [s].
    """

    low: float
    high: float
    floor: float
    dt: float

    def white(self, traces: Array) -> Array:
        """Return traces `(n, n_samples)` with their noise made white."""
        n = traces.shape[1]
        spectrum = np.fft.rfft(traces, axis=1) / np.sqrt(self.power(n))
        return np.asarray(np.fft.irfft(spectrum, n, axis=1))

    def transpose(self, traces: Array) -> Array:
        """Apply the transpose of `white`, which is symmetric."""
        return self.white(traces)

    def power(self, n: int) -> Array:
        """Return the power at the frequencies of `rfft` of `n` samples; its mean is 1."""
        both = self._shape(np.abs(np.fft.fftfreq(n, self.dt)))
        return np.asarray(self._shape(np.fft.rfftfreq(n, self.dt)) / both.mean())

    def _shape(self, frequency: NDArray[Any]) -> Array:
        # Frequencies of the transform are rounded.
        inside = (frequency >= self.low - 1e-9) & (frequency <= self.high + 1e-9)
        return np.where(inside, 1.0, self.floor)


def whitener_of(settings: SpectrumSettings | None, dt: float) -> Whitener | None:
    """Return the filter for noise of a spectrum, samples every `dt` [s]; None: it is white."""
    if settings is None:
        return None
    if settings.correlation_s is not None:
        return Autoregressive(float(np.exp(-dt / settings.correlation_s)))
    assert settings.band_hz is not None  # the settings ask for one of them
    return Band(*settings.band_hz, settings.floor, dt)
