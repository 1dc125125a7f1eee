"""Along which vectors a curvature is probed, and what is made of the products.

`P` is the precision, the negative Hessian of a log density; a probe is the product `P z` with a
chosen `z`. Sums of many probes are tensors, so that they can wait in a checkpoint.
"""

from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pvi_hpc.families.family import Parameters
from pvi_hpc.families.gaussian.precision import DensePrecision, Precision, StencilPrecision
from pvi_hpc.families.gaussian.stencil import Stencil
from pvi_hpc.numerics.random import keyed_rng
from pvi_hpc.numerics.reproducible import one_thread, sqrt

__all__ = ["Columns", "Neighbours", "Probes", "Signs"]

#: Least diagonal relative to the norm of its row. Of 0 to 0.7 the best on three tomographies
#: with 2 to 16 probes: KL to the optimum 96 nats instead of 1158 where rays are few.
ROW_SHARE: Final = 0.25
#: Sums of every probe by signs.
ROWS: Final = ("diagonal", "squares")


class Probes(Protocol):
    """A choice of vectors; all float64."""

    def direction(self, probe: int) -> Tensor:
        """Return `z` `(n,)` of probe 0, 1, ..."""
        ...

    def fresh(self) -> Parameters:
        """Return the sums before the first probe."""
        ...

    def add(self, sums: Parameters, z: Tensor, product: Tensor) -> Parameters:
        """Return the sums with one more product `P z`; what is given stays as it was."""
        ...

    def precision(self, sums: Parameters, probes: int, least: float) -> Precision:
        """Return what `probes` products say of `P`; no diagonal entry is below `least`."""
        ...


@dataclass(frozen=True)
class Signs:
    """Random signs: the mean of `z * (P z)` is the diagonal (Bekas, Kokiopoulou & Saad 2007).

    A few give a noisy mean, below zero here and there, where an sd would be far too large; the
    mean of `(P z)^2`, the squared norm of a row, is all positive terms and known much better,
    so that a share of it is the least that is believed.
    """

    n: int
    seed: int

    def direction(self, probe: int) -> Tensor:
        """Return independent signs `(n,)`."""
        return _signs(self.seed, 1 + probe, self.n)

    def fresh(self) -> Parameters:
        """Return the sums before the first probe."""
        return {name: torch.zeros(self.n, dtype=torch.float64) for name in ROWS}

    def add(self, sums: Parameters, z: Tensor, product: Tensor) -> Parameters:
        """Return the sums of `z * (P z)` and `(P z)^2`."""
        return _add_rows(sums, z, product)

    def precision(self, sums: Parameters, probes: int, least: float) -> Precision:
        """Return the diagonal, as a precision without couplings."""
        alone = Stencil(np.ones((1, 1, self.n), bool), (1, 1, 1))
        couplings = torch.zeros(alone.shape, dtype=torch.float64)
        return StencilPrecision(alone, _diagonal(sums, probes, least), couplings)


@dataclass(frozen=True)
class Neighbours:
    """The diagonal and the couplings on a `stencil`, by colours (Curtis, Powell & Reid 1974).

    Cells of one colour are a stencil's size apart along each axis, so that `P z` with signs in
    them and zeros elsewhere holds the couplings of each without the others', exactly if `P`
    does not reach further; where it does, what is mixed in has random signs.
    """

    stencil: Stencil
    seed: int

    @property
    def colours(self) -> int:
        """Probes that show every coupling once."""
        kz, ky, kx = self.stencil.size
        return kz * ky * kx

    def direction(self, probe: int) -> Tensor:
        """Return signs in the cells of one colour."""
        colour = np.unravel_index(probe % self.colours, self.stencil.size)
        on_grid = torch.zeros(self.stencil.active.shape, dtype=torch.float64)
        z, y, x = (slice(c, None, k) for c, k in zip(colour, self.stencil.size, strict=True))
        on_grid[z, y, x] = 1
        cells = self.stencil.gather(on_grid[None])[0]
        return cells * _signs(self.seed, 1 + probe, len(cells))

    def fresh(self) -> Parameters:
        """Return the sums before the first probe."""
        n = int(self.stencil.active.sum())
        rows = {name: torch.zeros(n, dtype=torch.float64) for name in ROWS}
        return {**rows, "couplings": torch.zeros(self.stencil.shape, dtype=torch.float64)}

    def add(self, sums: Parameters, z: Tensor, product: Tensor) -> Parameters:
        """Return the sums; a coupling is seen from both of its cells."""
        seen = self.stencil.products(z[None], product[None])
        seen += self.stencil.products(product[None], z[None])
        return {**_add_rows(sums, z, product), "couplings": sums["couplings"] + 0.5 * seen}

    def precision(self, sums: Parameters, probes: int, least: float) -> Precision:
        """Return diagonal and couplings."""
        rounds = probes / self.colours
        couplings = sums["couplings"] * (1 / rounds)
        return StencilPrecision(self.stencil, _diagonal(sums, rounds, least), couplings)


@dataclass(frozen=True)
class Columns:
    """Every column of `P`: as many probes as unknowns, and the second time round backwards."""

    active: NDArray[np.bool_]

    @property
    def n(self) -> int:
        """Number of unknowns."""
        return int(self.active.sum())

    def direction(self, probe: int) -> Tensor:
        """Return a unit vector, its negative in every second round."""
        z = torch.zeros(self.n, dtype=torch.float64)
        z[probe % self.n] = -1.0 if probe // self.n % 2 else 1.0
        return z

    def fresh(self) -> Parameters:
        """Return the sums before the first probe."""
        zeros = torch.zeros(self.n, self.n, dtype=torch.float64)
        return {"matrix": zeros, "counts": zeros[0].clone()}

    def add(self, sums: Parameters, z: Tensor, product: Tensor) -> Parameters:
        """Return the sums with one more column, which is changed in place."""
        column = int(z.abs().argmax())
        sums["matrix"][column] += product * z[column]
        return {**sums, "counts": sums["counts"] + z.abs()}

    def precision(self, sums: Parameters, probes: int, least: float) -> Precision:
        """Return the matrix, symmetric, its eigenvalues raised to `least`."""
        matrix = sums["matrix"] / sums["counts"][:, None]
        return DensePrecision(_raised(matrix, least), self.active)


def _raised(matrix: Tensor, least: float) -> Tensor:
    """Return the symmetric part of `(n, n)` with no eigenvalue below `least`; `O(n^3)`."""
    symmetric = (matrix + matrix.T) / 2
    with one_thread():
        values, vectors = torch.linalg.eigh(symmetric)
        if float(values[0]) >= least:
            return symmetric
        raised: Tensor = (vectors * values.clamp(min=least)) @ vectors.T
    return raised


def _signs(seed: int, probe: int, n: int) -> Tensor:
    """Return independent signs `(n,)`."""
    return torch.from_numpy(keyed_rng(seed, "probe", probe).integers(0, 2, n) * 2.0 - 1.0)


def _add_rows(sums: Parameters, z: Tensor, product: Tensor) -> Parameters:
    diagonal, squares = sums["diagonal"] + z * product, sums["squares"] + product * product
    return {**sums, "diagonal": diagonal, "squares": squares}


def _diagonal(sums: Parameters, probes: float, least: float) -> Tensor:
    row = sqrt(sums["squares"] * (1 / probes))
    found = torch.maximum(sums["diagonal"] * (1 / probes), ROW_SHARE * row)
    return found.clamp(min=least)
