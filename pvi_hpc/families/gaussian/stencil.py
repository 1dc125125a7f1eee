"""Couplings between a cell and its neighbours on a 3D grid.

Cell `j` couples to `j + offset` for each offset of the lexicographically positive half of a
`kz x ky x kx` box, so that the matrix of couplings is strictly lower triangular in the order
of the flattened grid. Offsets are those of the 3D grid, so nothing wraps around an edge; cells
that are not active are zero on the way in and dropped on the way out. The work is done by
compiled kernels (`solvers/variational`), whose bits do not depend on the number of threads.
"""

from functools import cached_property, reduce
from itertools import product
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pvi_hpc.numerics.update_kernels import AdamStep, Moments, NativeStencil

__all__ = ["Mask", "Stencil"]

Mask = Literal["box", "ellipsoid"]


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
        cells = np.flatnonzero(active)
        self._cells, self._span = torch.from_numpy(cells), _span(cells)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Shape of the coefficients."""
        nz, ny, nx = self.active.shape
        return len(self.offsets), nz, ny, nx

    def scatter(self, values: Tensor) -> Tensor:
        """Put `values` `(S, n)` on the grid `(S, nz, ny, nx)`, zero elsewhere.

        The same memory where every cell is active.
        """
        shape = len(values), *self.active.shape
        if self._span == slice(0, self.active.size):
            return values.contiguous().view(shape)
        full = values.new_zeros(len(values), self.active.size)
        full[:, self._cells if self._span is None else self._span] = values
        return full.view(shape)

    def gather(self, full: Tensor) -> Tensor:
        """Return the active cells `(S, n)` of `full` `(S, nz, ny, nx)`, as `scatter`."""
        rows = full.reshape(len(full), -1)
        return rows[:, self._cells if self._span is None else self._span].contiguous()

    def couple(self, coefficients: Tensor, values: Tensor) -> Tensor:
        """Return `sum_k shift_k(c_k * values)` `(S, n)`: to each cell from the others."""
        c, full = _of_one_precision(coefficients, self.scatter(values))
        return self.gather(self._kernels.couple(c, full, transposed=False))

    def couple_back(self, coefficients: Tensor, values: Tensor) -> Tensor:
        """Return the transpose of `couple` applied to `values` `(S, n)`."""
        c, full = _of_one_precision(coefficients, self.scatter(values))
        return self.gather(self._kernels.couple(c, full, transposed=True))

    def solve(self, diagonal: Tensor, coefficients: Tensor, values: Tensor) -> Tensor:
        """Return `(D + C)^{-1} values` `(S, n)`, `C` that of `couple`, `diagonal` `(n,)`."""
        return self._solve(diagonal, coefficients, values, transposed=False)

    def solve_back(self, diagonal: Tensor, coefficients: Tensor, values: Tensor) -> Tensor:
        """Return the transpose of `solve` applied to `values` `(S, n)`."""
        return self._solve(diagonal, coefficients, values, transposed=True)

    def products(self, eps: Tensor, gradient: Tensor) -> Tensor:
        """Return `(K, nz, ny, nx)`, the derivative of `gradient . couple(c, eps)` by `c`.

        Samples are added in their order, whatever the number of threads.
        """
        a, b = _of_one_precision(self.scatter(eps), self.scatter(gradient))
        return self._kernels.products(a, b)

    def descend(self, eps: Tensor, gradient: Tensor, c: Moments, step: AdamStep) -> float:
        """Update coefficients by `products(eps, gradient)`; return its sum of squares."""
        return self._kernels.descend(self.scatter(eps), self.scatter(gradient), c, step)

    def _solve(
        self, diagonal: Tensor, coefficients: Tensor, values: Tensor, *, transposed: bool
    ) -> Tensor:
        inverse = self.scatter((1 / diagonal)[None])[0]
        c, inverse, full = _of_one_precision(coefficients, inverse, self.scatter(values))
        return self.gather(self._kernels.solve(c, inverse, full, transposed=transposed))

    @cached_property
    def _kernels(self) -> NativeStencil:
        nz, ny, nx = self.active.shape
        return NativeStencil((nz, ny, nx), self.offsets)


def _of_one_precision(*tensors: Tensor) -> tuple[Tensor, ...]:
    """Return the tensors contiguous, and in the widest precision among them."""
    dtype = reduce(torch.promote_types, (t.dtype for t in tensors))
    return tuple(t.to(dtype).contiguous() for t in tensors)


def _span(cells: NDArray[np.intp]) -> slice | None:
    """Return the cells as a slice if they follow one another, as below a fixed layer."""
    if len(cells) and cells[-1] - cells[0] + 1 == len(cells):
        return slice(int(cells[0]), int(cells[-1]) + 1)
    return None


def _enclosed(offset: tuple[int, ...], size: tuple[int, ...]) -> bool:
    """Return whether a cell's centre is within the ellipsoid of semi-axes `size / 2`."""
    return sum((2 * o / k) ** 2 for o, k in zip(offset, size, strict=True)) <= 1
