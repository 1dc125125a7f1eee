"""Couplings between a cell and its neighbours on a 3D grid.

Cell `j` couples to `j + offset` for each offset of the lexicographically positive half of a
`kz x ky x kx` box, so that the matrix of couplings is strictly lower triangular in the order
of the flattened grid. Shifts are slices of the 3D array, so nothing wraps around an edge;
cells that are not active are zero on the way in and dropped on the way out.
"""

from collections.abc import Iterator
from itertools import product
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["Mask", "Stencil"]

Mask = Literal["box", "ellipsoid"]
Slices = tuple[slice, slice, slice]


class Stencil:
    """The offsets of a `size` `(kz, ky, kx)` box, all odd, among the `active` cells.

    With `mask` "ellipsoid" only those within the ellipsoid that the box encloses.
    Coefficients are `(K, nz, ny, nx)`, one array an offset, at the cell that is coupled from;
    values are `(S, n)` of the active cells.
    """

    def __init__(
        self, active: NDArray[np.bool_], size: tuple[int, int, int], mask: Mask = "box"
    ) -> None:
        self.active = active
        self.size = size
        reach = [range(-(k // 2), k // 2 + 1) for k in size]
        half = [offset for offset in product(*reach) if offset > (0, 0, 0)]
        self.offsets = half if mask == "box" else [o for o in half if _enclosed(o, size)]
        self._cells = torch.from_numpy(np.flatnonzero(active))

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Shape of the coefficients."""
        nz, ny, nx = self.active.shape
        return len(self.offsets), nz, ny, nx

    def views(self) -> Iterator[tuple[Slices, Slices]]:
        """Yield, for each offset, the cells coupled from and those coupled to."""
        for offset in self.offsets:
            yield self._inside(offset, 1), self._inside(offset, -1)

    def scatter(self, values: Tensor) -> Tensor:
        """Put `values` `(S, n)` on the grid `(S, nz, ny, nx)`, zero elsewhere."""
        full = values.new_zeros(len(values), self.active.size)
        full[:, self._cells] = values
        return full.view(len(values), *self.active.shape)

    def gather(self, full: Tensor) -> Tensor:
        """Return the active cells `(S, n)` of `full` `(S, nz, ny, nx)`."""
        return full.reshape(len(full), -1)[:, self._cells]

    def couple(self, coefficients: Tensor, values: Tensor) -> Tensor:
        """Return `sum_k shift_k(c_k * values)` `(S, n)`: to each cell from the others."""
        full = self.scatter(values)
        out = torch.zeros_like(full)
        for c, (origin, target) in zip(coefficients, self.views(), strict=True):
            out[:, *target] += c[origin] * full[:, *origin]
        return self.gather(out)

    def couple_back(self, coefficients: Tensor, values: Tensor) -> Tensor:
        """Return the transpose of `couple` applied to `values` `(S, n)`."""
        full = self.scatter(values)
        out = torch.zeros_like(full)
        for c, (origin, target) in zip(coefficients, self.views(), strict=True):
            out[:, *origin] += c[origin] * full[:, *target]
        return self.gather(out)

    def products(self, eps: Tensor, gradient: Tensor) -> Tensor:
        """Return `(K, nz, ny, nx)`, the derivative of `gradient . couple(c, eps)` by `c`.

        Samples are added in their order, whatever the number of threads.
        """
        out = eps.new_zeros(self.shape)
        samples = list(zip(self.scatter(eps), self.scatter(gradient), strict=True))
        for c, (origin, target) in zip(out, self.views(), strict=True):
            for a, b in samples:
                c[origin] += a[origin] * b[target]
        return out

    def _inside(self, offset: tuple[int, ...], sign: int) -> Slices:
        """Return the cells whose neighbour at `sign * offset` is on the grid."""
        z, y, x = (
            slice(max(0, -sign * o), n - max(0, sign * o))
            for o, n in zip(offset, self.active.shape, strict=True)
        )
        return z, y, x


def _enclosed(offset: tuple[int, ...], size: tuple[int, ...]) -> bool:
    """Return whether a cell's centre is within the ellipsoid of semi-axes `size / 2`."""
    return sum((2 * o / k) ** 2 for o, k in zip(offset, size, strict=True)) <= 1
