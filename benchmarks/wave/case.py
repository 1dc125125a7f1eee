"""The problem that every wave solver of the comparison is given; needs numpy only."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Case"]

Array = NDArray[Any]


@dataclass(frozen=True)
class Case:
    """A cube of `n` cells with a layer of `layer` cells around it, SI units.

    All points lie on cells, and the time step is below the limit (0.346 h / v) at which
    Deepwave would double its internal steps.
    """

    n: int
    nt: int
    layer: int = 20
    spacing: float = 20.0
    slowest: float = 2000.0
    fastest: float = 4000.0
    peak: float = 5.0
    delay: float = 0.24
    threads: int = 2

    @property
    def dt(self) -> float:
        """Time step [s]."""
        return 0.34 * self.spacing / self.fastest

    @property
    def updates(self) -> int:
        """Cell updates of one simulation, its layer included."""
        return (self.n + 2 * self.layer) ** 3 * self.nt

    def model(self, seed: int = 0) -> Array:
        """Return a smooth velocity model `(n, n, n)` [m/s]."""
        z, y, x = np.meshgrid(*3 * [np.linspace(0, 1, self.n)], indexing="ij")
        bump = np.exp(-((z - 0.5) ** 2 + (y - 0.45) ** 2 + (x - 0.55) ** 2) / 0.05)
        trend = 0.25 + 0.5 * z + 0.05 * np.sin(6 * y + seed) * np.cos(5 * x)
        share = np.clip(trend - (0.2 + 0.05 * seed) * bump, 0, 1)
        return self.slowest + (self.fastest - self.slowest) * share

    def source(self) -> Array:
        """Return the cell of the source `(3,)`."""
        return np.array([self.n // 6, self.n // 2, self.n // 2])

    def receivers(self) -> Array:
        """Return the cells of a plane of receivers `(n_rec, 3)`."""
        along = np.arange(self.n // 6, self.n - self.n // 8, max(1, self.n // 16))
        y, x = np.meshgrid(along, along, indexing="ij")
        return np.stack([np.full(y.size, self.n // 8), y.ravel(), x.ravel()], axis=1)

    def wavelet(self) -> Array:
        """Return a Ricker wavelet `(nt,)`."""
        arg = (np.pi * self.peak * (np.arange(self.nt) * self.dt - self.delay)) ** 2
        return (1 - 2 * arg) * np.exp(-arg)

    def residual(self) -> Array:
        """Return an adjoint source `(n_rec, nt)`: smooth, and zero at both ends."""
        t = np.arange(self.nt) * self.dt
        taper = np.sin(np.pi * np.arange(self.nt) / max(1, self.nt - 1)) ** 2
        phase = np.arange(len(self.receivers()))[:, None]
        return taper * np.cos(2 * np.pi * self.peak * t[None] + 0.3 * phase)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields, for JSON."""
        return asdict(self)
