"""The precision that gradients of noise tell: sums of their products, smoothed and shrunk.

Under the prior `N(0, I)` the precision is `P = I + sum_s E[g_s g_s^T]`, `g_s` a gradient of
noise in shot `s` (Tang 2009, Geophysics 74(6)). A few gradients estimate its diagonal and
couplings with the noise of few; averages over neighbours, of what is scaled to the same size
first, have much less of it, and stay positive semi-definite.
"""

from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from torch import Tensor

from pvi_hpc.families.capabilities import Coupled, InformedStart
from pvi_hpc.families.family import Family, Parameters
from pvi_hpc.families.gaussian.precision import (
    DensePrecision,
    OperatorPrecision,
    Precision,
    StencilPrecision,
)
from pvi_hpc.families.gaussian.stencil import Stencil
from pvi_hpc.numerics.reproducible import combine, sqrt, sum_samples

__all__ = ["Diagonal", "NoiseSums", "Rows", "StencilSums", "sums_of"]

Array = NDArray[np.float64]
Offset = tuple[int, ...]

#: Radius of an average over neighbours, in its standard deviations.
TRUNCATE: Final = 3.0


class NoiseSums(Protocol):
    """Sums over gradients of noise, and the precision that they estimate; all float64."""

    def fresh(self) -> Parameters:
        """Return the sums before the first gradient."""
        ...

    def add(self, sums: Parameters, rows: Tensor) -> Parameters:
        """Return the sums with the gradients `rows` `(m, n)` too."""
        ...

    def precision(self, sums: Parameters, weight: float, share: float) -> Precision:
        """Return `D + share (P - D)`, `D` the diagonal of `P = I + weight * sums`."""
        ...


@dataclass(frozen=True)
class Diagonal:
    """The diagonal alone, without a grid to smooth it on."""

    n: int

    def fresh(self) -> Parameters:
        """Return the sums before the first gradient."""
        return {"diagonal": torch.zeros(self.n, dtype=torch.float64)}

    def add(self, sums: Parameters, rows: Tensor) -> Parameters:
        """Return the sums of squares."""
        return {"diagonal": sums["diagonal"] + sum_samples(rows * rows)}

    def precision(self, sums: Parameters, weight: float, share: float) -> Precision:
        """Return the diagonal, as a precision without couplings; `share` changes nothing."""
        alone = Stencil(np.ones((1, 1, self.n), bool), (1, 1, 1))
        couplings = torch.zeros(alone.shape, dtype=torch.float64)
        return StencilPrecision(alone, 1 + weight * sums["diagonal"], couplings)


@dataclass(frozen=True)
class Rows:
    """The gradients themselves, for families that read products or every entry.

    `whole` asks for a matrix `(n, n)` in place of products.
    """

    n: int
    whole: bool

    def fresh(self) -> Parameters:
        """Return no gradient."""
        return {"rows": torch.zeros(0, self.n, dtype=torch.float64)}

    def add(self, sums: Parameters, rows: Tensor) -> Parameters:
        """Return all gradients so far."""
        return {"rows": torch.cat([sums["rows"], rows])}

    def precision(self, sums: Parameters, weight: float, share: float) -> Precision:
        """Return the matrix, or products with it."""
        rows = sums["rows"] * weight**0.5
        own = sum_samples(rows * rows)
        diagonal = 1 + own
        apart = 1 + (1 - share) * own
        if self.whole:
            matrix = share * combine(rows.T.contiguous(), rows) + torch.diag(apart)
            return DensePrecision(matrix, np.ones((1, 1, self.n), bool))
        columns = rows.T.contiguous()
        return OperatorPrecision(
            diagonal, lambda x: apart * x + share * combine(combine(x, columns), rows)
        )


@dataclass(frozen=True)
class StencilSums:
    """Diagonal and couplings on a `stencil`, averaged over neighbours.

    `smooth` is the standard deviation of the Gaussian average, in cells.
    """

    stencil: Stencil
    smooth: float

    def fresh(self) -> Parameters:
        """Return the sums before the first gradient."""
        n = int(self.stencil.active.sum())
        couplings = torch.zeros(self.stencil.shape, dtype=torch.float64)
        return {"diagonal": torch.zeros(n, dtype=torch.float64), "couplings": couplings}

    def add(self, sums: Parameters, rows: Tensor) -> Parameters:
        """Return the sums of products of each cell with itself and with its neighbours."""
        return {
            "diagonal": sums["diagonal"] + sum_samples(rows * rows),
            "couplings": sums["couplings"] + self.stencil.products(rows, rows),
        }

    def precision(self, sums: Parameters, weight: float, share: float) -> Precision:
        """Return diagonal and couplings."""
        diagonal, couplings = sums["diagonal"], sums["couplings"]
        if self.smooth > 0:
            diagonal, couplings = self._smoothed(diagonal, couplings)
        return StencilPrecision(
            self.stencil, 1 + weight * diagonal, (weight * share) * couplings
        )

    def _smoothed(self, diagonal: Tensor, couplings: Tensor) -> tuple[Tensor, Tensor]:
        """Average over neighbours what is divided by its size, and multiply by that again.

        An average of shifted copies of a positive semi-definite matrix is one too, also where
        copies that leave the grid are zero, and after rows and columns are divided by the root
        of what is left of the weights.
        """
        active = self.stencil.active.astype(np.float64)
        weights = self._average(active)
        inverse = np.where(self.stencil.active, 1 / np.sqrt(np.maximum(weights, 1e-300)), 0)
        raw = self.stencil.scatter(diagonal[None])[0].numpy()
        size = np.sqrt(self._average(raw)) * inverse
        least = np.finfo(np.float64).tiny ** 0.5
        scale = np.where(size > least, 1 / np.maximum(size, least), 0.0)
        back = size * inverse
        on_diagonal = self._average(raw * scale * scale) * back * back
        smooth = np.empty(couplings.shape)
        for k, offset in enumerate(self.stencil.offsets):
            scaled = couplings[k].numpy() * scale * later(scale, offset)
            smooth[k] = self._average(scaled) * back * later(back, offset)
        found = torch.from_numpy(np.ascontiguousarray(on_diagonal))
        return self.stencil.gather(found[None])[0], torch.from_numpy(smooth)

    def _average(self, values: Array) -> Array:
        """Return a Gaussian average of values that are zero outside the grid."""
        found: Array = gaussian_filter(values, self.smooth, mode="constant", truncate=TRUNCATE)
        return found


def later(values: Array, offset: Offset) -> Array:
    """Return at each cell the value at `offset` from it, zero where that leaves the grid."""
    out = np.zeros_like(values)
    here = tuple(slice(max(0, -o), max(0, n - max(0, o))) for o, n in _axes(offset, values))
    there = tuple(slice(max(0, o), max(0, n + min(0, o))) for o, n in _axes(offset, values))
    out[here] = values[there]
    return out


def _axes(offset: Offset, values: Array) -> list[tuple[int, int]]:
    return list(zip(offset, values.shape, strict=True))


def sums_of(family: Family, active: NDArray[np.bool_] | None, smooth: float) -> NoiseSums:
    """Return the sums that a family reads when it starts.

    `active` is the grid of its cells, if the family does not know it; None: cells in a line.
    """
    if isinstance(family, Coupled):
        return StencilSums(Stencil(family.couplings.active, family.reach), smooth)
    reads = family.reads if isinstance(family, InformedStart) else "diagonal"
    if reads in ("matrix", "products"):
        return Rows(family.n, whole=reads == "matrix")
    if active is None:
        return Diagonal(family.n)
    return StencilSums(Stencil(active, (1, 1, 1)), smooth)


def root_of_diagonal(precision: Precision) -> Tensor:
    """Return `P_jj^{-1/2}` `(n,)`: the sds of the mean field that is nearest to `P`."""
    return 1 / sqrt(precision.diagonal())
