"""The precision of a Gaussian that a family is to start from: dense, or on a stencil."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pvi_hpc.errors import ConfigError
from pvi_hpc.families.gaussian.stencil import Stencil
from pvi_hpc.numerics.reproducible import combine

__all__ = [
    "DensePrecision",
    "OperatorPrecision",
    "Precision",
    "Product",
    "RowsPrecision",
    "StencilPrecision",
    "identity",
    "neighbours",
]

Index = NDArray[np.intp]
#: Takes rows `(S, n)` and returns a matrix times each.
Product: TypeAlias = Callable[[Tensor], Tensor]


def identity(x: Tensor) -> Tensor:
    """Return `x`: the precision of `N(0, I)` times it."""
    return x


class Precision(Protocol):
    """A symmetric positive definite matrix `P` `(n, n)` between active cells; float64."""

    def diagonal(self) -> Tensor:
        """Return `P_ii` `(n,)`."""
        ...

    def apply(self, x: Tensor) -> Tensor:
        """Return `P x` of the rows of `x` `(S, n)`."""
        ...

    def dense(self) -> Tensor:
        """Return `P` itself."""
        ...

    def blocks(self, cells: Index, offsets: Index) -> Tensor:
        """Return `P` between the neighbours of each cell, `(B, m, m)`.

        `cells` `(B,)` are places in the flattened grid, `offsets` `(m, 3)` steps from each. A
        neighbour that is off the grid or not active has the row and column of the identity.
        """
        ...


@dataclass(frozen=True)
class DensePrecision:
    """Every entry, `matrix` `(n, n)`, of the `active` cells of a grid `(nz, ny, nx)`."""

    matrix: Tensor
    active: NDArray[np.bool_]

    def __post_init__(self) -> None:
        """Raise ConfigError unless of the active cells, with a positive diagonal."""
        n = int(self.active.sum())
        if self.matrix.shape != (n, n):
            raise ConfigError(
                f"'precision' must be a matrix of the {n} unknown cells, got "
                f"{tuple(self.matrix.shape)}."
            )
        _check_diagonal(self.diagonal())

    def diagonal(self) -> Tensor:
        """Return `P_ii` `(n,)`."""
        return self.matrix.diagonal()

    def apply(self, x: Tensor) -> Tensor:
        """Return `P x` of the rows of `x` `(S, n)`."""
        return combine(x.to(torch.float64), self.matrix)

    def dense(self) -> Tensor:
        """Return `P` itself."""
        return self.matrix

    def blocks(self, cells: Index, offsets: Index) -> Tensor:
        """Return `P` between the neighbours of each cell, `(B, m, m)`."""
        places, present = neighbours(self.active, cells, offsets)
        number = np.where(present, (np.cumsum(self.active) - 1)[places], 0)
        found = self.matrix.numpy()[number[:, :, None], number[:, None, :]]
        return _with_identity(found, present)


@dataclass(frozen=True)
class StencilPrecision:
    """Entries between cells within a `stencil`, zero elsewhere.

    `on_diagonal` `(n,)` is `P_jj`; `coefficients` `(K, nz, ny, nx)` hold `P[j + o, j]` at cell
    `j` for each of the stencil's offsets `o`, the positive half.
    """

    stencil: Stencil
    on_diagonal: Tensor
    coefficients: Tensor

    def __post_init__(self) -> None:
        """Raise ConfigError unless shapes fit the stencil and the diagonal is positive."""
        wanted = (int(self.stencil.active.sum()),), self.stencil.shape
        got = tuple(self.on_diagonal.shape), tuple(self.coefficients.shape)
        if got != wanted:
            raise ConfigError(f"'precision' must have arrays of shapes {wanted}, got {got}.")
        _check_diagonal(self.on_diagonal)

    def diagonal(self) -> Tensor:
        """Return `P_ii` `(n,)`."""
        return self.on_diagonal

    def apply(self, x: Tensor) -> Tensor:
        """Return `P x` of the rows of `x` `(S, n)`."""
        x = x.to(torch.float64)
        out = self.on_diagonal * x
        out += self.stencil.couple(self.coefficients, x)
        return out + self.stencil.couple_back(self.coefficients, x)

    def dense(self) -> Tensor:
        """Return `P` itself."""
        return self.apply(torch.eye(len(self.on_diagonal), dtype=torch.float64))

    def blocks(self, cells: Index, offsets: Index) -> Tensor:
        """Return `P` between the neighbours of each cell, `(B, m, m)`."""
        _, ny, nx = self.stencil.active.shape
        _, present = neighbours(self.stencil.active, cells, offsets)
        kinds = self._kinds(offsets[:, None] - offsets)
        column = offsets @ (ny * nx, nx, 1)
        start = np.maximum(kinds, 0) * self.stencil.active.size + column
        places = np.clip(cells[:, None, None] + start, 0, len(self._flat) - 1)
        found = np.where(kinds >= 0, self._flat[places], 0)
        found += np.where(kinds > 0, found, 0).transpose(0, 2, 1)
        return _with_identity(found, present)

    def _kinds(self, differences: Index) -> Index:
        """Return which array of `_flat` holds the coupling of a difference; -1 for none."""
        table = {(0, 0, 0): 0} | {o: k + 1 for k, o in enumerate(self.stencil.offsets)}
        flat = [table.get((z, y, x), -1) for z, y, x in differences.reshape(-1, 3).tolist()]
        return np.array(flat, np.intp).reshape(differences.shape[:-1])

    @cached_property
    def _flat(self) -> NDArray[np.float64]:
        diagonal = self.stencil.scatter(self.on_diagonal[None])
        return torch.cat([diagonal, self.coefficients]).to(torch.float64).numpy().ravel()


@dataclass(frozen=True)
class OperatorPrecision:
    """A precision that is known by its products with rows `(S, n)`, and its diagonal `(n,)`.

    For families without couplings.
    """

    on_diagonal: Tensor
    product: Product

    def __post_init__(self) -> None:
        """Raise ConfigError unless the diagonal is positive."""
        _check_diagonal(self.on_diagonal)

    def diagonal(self) -> Tensor:
        """Return `P_ii` `(n,)`."""
        return self.on_diagonal

    def apply(self, x: Tensor) -> Tensor:
        """Return `P x` of the rows of `x` `(S, n)`."""
        return self.product(x.to(torch.float64))

    def dense(self) -> Tensor:
        """Return `P` itself."""
        return self.apply(torch.eye(len(self.on_diagonal), dtype=torch.float64))

    def blocks(self, cells: Index, offsets: Index) -> Tensor:
        """Refuse: products tell no blocks."""
        raise ConfigError("'precision' of a family with couplings must have its couplings.")


@dataclass(frozen=True)
class RowsPrecision(OperatorPrecision):
    """The prior's precision plus `rows^T rows`, with the gradients `rows` `(m, n)`."""

    rows: Tensor


def neighbours(
    active: NDArray[np.bool_], cells: Index, offsets: Index
) -> tuple[Index, NDArray[np.bool_]]:
    """Return the places of the neighbours in the flattened grid, and which are active ones.

    `cells` `(B,)`, `offsets` `(m, 3)`, both results `(B, m)`; an absent one has place 0.
    """
    position = np.stack(np.unravel_index(cells, active.shape), axis=1)[:, None] + offsets
    inside = ((position >= 0) & (position < active.shape)).all(axis=2)
    places = np.ravel_multi_index(np.moveaxis(position, 2, 0), active.shape, mode="clip")
    present = inside & active.ravel()[places]
    return np.where(present, places, 0), present


def _with_identity(blocks: NDArray[np.float64], present: NDArray[np.bool_]) -> Tensor:
    blocks *= present[:, :, None] & present[:, None, :]
    m = np.arange(blocks.shape[1])
    blocks[:, m, m] += ~present
    return torch.from_numpy(blocks)


def _check_diagonal(diagonal: Tensor) -> None:
    if not (diagonal > 0).all():  # also where it is NaN
        j = int((~(diagonal > 0)).int().argmax())
        raise ConfigError(
            f"'precision' must have a positive diagonal, got {float(diagonal[j])} at unknown "
            f"cell {j}; add the prior's precision, or more probes of the data's."
        )
