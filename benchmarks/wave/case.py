"""The problem that every wave solver of the comparison is given; needs numpy only."""

from dataclasses import asdict, dataclass
from math import prod
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

__all__ = ["Case"]

Array = NDArray[Any]


@dataclass(frozen=True)
class Case:
    """A cube of `n` cells with a layer of `layer` cells around it, SI units.

    With `depth` it has so many cells along z, and `n` along y and x.

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
    depth: int | None = None

    @classmethod
    def read(cls, text: str, threads: int) -> Self:
        """Return the case of `CELLS:LAYER:STEPS` or `CELLS:LAYER:STEPS:THREADS`.

        `CELLS` are those of an axis, or as `101x101x63` of x, y and z.
        """
        cells, layer, steps, *more = text.split(":")
        n, *others = map(int, cells.split("x"))
        depth = others[1] if others else None
        count = int(more[0]) if more else threads
        return cls(n, int(steps), layer=int(layer), threads=count, depth=depth)

    @property
    def name(self) -> str:
        """Cells and layer, for the names of figures."""
        cells = str(self.n) if self.depth is None else f"{self.n}x{self.n}x{self.depth}"
        return f"{cells}_layer_{self.layer}"

    @property
    def shape(self) -> tuple[int, int, int]:
        """Cells along z, y and x."""
        return self.depth or self.n, self.n, self.n

    @property
    def padded(self) -> tuple[int, int, int]:
        """Cells along z, y and x, the layer included."""
        z, y, x = (n + 2 * self.layer for n in self.shape)
        return z, y, x

    @property
    def dt(self) -> float:
        """Time step [s]."""
        return 0.34 * self.spacing / self.fastest

    @property
    def updates(self) -> int:
        """Cell updates of one simulation, its layer included."""
        return prod(self.padded) * self.nt

    def model(self, seed: int = 0) -> Array:
        """Return a smooth velocity model `(nz, ny, nx)` [m/s]."""
        z, y, x = np.meshgrid(*(np.linspace(0, 1, n) for n in self.shape), indexing="ij")
        bump = np.exp(-((z - 0.5) ** 2 + (y - 0.45) ** 2 + (x - 0.55) ** 2) / 0.05)
        trend = 0.25 + 0.5 * z + 0.05 * np.sin(6 * y + seed) * np.cos(5 * x)
        share = np.clip(trend - (0.2 + 0.05 * seed) * bump, 0, 1)
        return self.slowest + (self.fastest - self.slowest) * share

    def source(self) -> Array:
        """Return the cell of the source `(3,)`."""
        return np.array([self.shape[0] // 6, self.n // 2, self.n // 2])

    def receivers(self) -> Array:
        """Return the cells of a plane of receivers `(n_rec, 3)`."""
        along = np.arange(self.n // 6, self.n - self.n // 8, max(1, self.n // 16))
        y, x = np.meshgrid(along, along, indexing="ij")
        return np.stack([np.full(y.size, self.shape[0] // 8), y.ravel(), x.ravel()], axis=1)

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
