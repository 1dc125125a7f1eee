"""The precision that gradients of noise tell: sums of their products, smoothed and shrunk.

With `Q` the prior's precision, `I` in whitened coordinates, that of the posterior is `P = Q +
sum_s E[g_s g_s^T]`, `g_s` a gradient of noise in shot `s` (Tang 2009, Geophysics 74(6)). A few
gradients estimate its diagonal and couplings with the noise of few; averages over neighbours,
of what is scaled to the same size first, have much less of it, and stay positive semi-definite.
"""

from dataclasses import dataclass
from functools import cached_property
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
    Precision,
    Product,
    RowsPrecision,
    StencilPrecision,
    identity,
)
from pvi_hpc.families.gaussian.stencil import Stencil
from pvi_hpc.inference.starts.prior_entries import at_offset, prior_entries
from pvi_hpc.numerics.reproducible import combine, sqrt, sum_samples

__all__ = ["NoiseSums", "Rows", "StencilSums", "sums_of"]

Array = NDArray[np.float64]

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
        """Return `P = Q + D + share (H - D)`, `D` the diagonal of `H = weight * sums`."""
        ...


@dataclass(frozen=True)
class Rows:
    """The gradients themselves, for families that read them, products or every entry.

    `whole` asks for a matrix `(n, n)` in place of products; `prior` gives products with `Q`,
    whose diagonal is sought on the grid of `active` cells, where given, and else taken as 1.
    """

    n: int
    whole: bool
    prior: Product = identity
    active: NDArray[np.bool_] | None = None

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
        columns, rest = rows.T.contiguous(), (1 - share) * own
        if self.whole:
            matrix = share * combine(columns, rows) + torch.diag(rest)
            prior = self.prior(torch.eye(self.n, dtype=torch.float64))
            return DensePrecision(matrix + prior, np.ones((1, 1, self.n), bool))

        def product(x: Tensor) -> Tensor:
            return self.prior(x) + rest * x + share * combine(combine(x, columns), rows)

        return RowsPrecision(self._prior_diagonal + own, product, rows)

    @cached_property
    def _prior_diagonal(self) -> Tensor:
        if self.active is None or self.prior is identity:
            return torch.ones(self.n, dtype=torch.float64)
        return prior_entries(Stencil(self.active, (1, 1, 1)), self.prior)[0]


@dataclass(frozen=True)
class StencilSums:
    """Diagonal and couplings on a `stencil`, averaged over neighbours.

    `smooth` is the standard deviation of the Gaussian average, in cells; `prior` gives products
    with `Q`.
    """

    stencil: Stencil
    smooth: float
    prior: Product = identity

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
        on_diagonal, beside = self._prior_entries
        return StencilPrecision(
            self.stencil, on_diagonal + weight * diagonal, beside + (weight * share) * couplings
        )

    @cached_property
    def _prior_entries(self) -> tuple[Tensor, Tensor]:
        if self.prior is identity:
            n = int(self.stencil.active.sum())
            beside = torch.zeros(self.stencil.shape, dtype=torch.float64)
            return torch.ones(n, dtype=torch.float64), beside
        return prior_entries(self.stencil, self.prior)

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
            scaled = couplings[k].numpy() * scale * at_offset(scale, offset)
            smooth[k] = self._average(scaled) * back * at_offset(back, offset)
        found = torch.from_numpy(np.ascontiguousarray(on_diagonal))
        return self.stencil.gather(found[None])[0], torch.from_numpy(smooth)

    def _average(self, values: Array) -> Array:
        """Return a Gaussian average of values that are zero outside the grid."""
        found: Array = gaussian_filter(values, self.smooth, mode="constant", truncate=TRUNCATE)
        return found


def sums_of(
    family: Family, active: NDArray[np.bool_], smooth: float, prior: Product = identity
) -> NoiseSums:
    """Return the sums that a family reads when it starts, on the grid of `active` cells."""
    if isinstance(family, Coupled):
        return StencilSums(Stencil(family.couplings.active, family.reach), smooth, prior)
    reads = family.reads if isinstance(family, InformedStart) else "diagonal"
    if reads in ("matrix", "products", "rows"):
        # A field has no diagonal at hand; families that read products alone need none.
        on_grid = active if reads == "rows" else None
        return Rows(family.n, reads == "matrix", prior, on_grid)
    return StencilSums(Stencil(active, (1, 1, 1)), smooth, prior)


def root_of_diagonal(precision: Precision) -> Tensor:
    """Return `P_jj^{-1/2}` `(n,)`: the sds of the mean field that is nearest to `P`."""
    return 1 / sqrt(precision.diagonal())
