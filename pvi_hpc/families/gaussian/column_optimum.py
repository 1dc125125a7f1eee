"""The sparse factors nearest to a Gaussian of given precision, cell by cell.

Both are a Cholesky factor of a small block of the precision around each cell, in batches. Where
a block is not positive definite, as an estimated precision can be, the cell stays uncoupled.
"""

from collections.abc import Iterator
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pvi_hpc.families.gaussian.precision import Precision
from pvi_hpc.families.gaussian.stencil import Stencil

__all__ = ["column_optimum", "conditional_optimum"]

Index = NDArray[np.intp]
#: Number of entries of the blocks of a batch.
BATCH: Final = 2**20


def column_optimum(stencil: Stencil, precision: Precision) -> tuple[Tensor, Tensor]:
    """Return diagonal `(n,)` and coefficients `(K, nz, ny, nx)` of the `L` of least KL.

    `KL(N(., L L^T) || N(., P^{-1}))` decouples by column: with `S` the cells that cell `j`
    couples to, itself first, `x = P[S, S]^{-1} e_1` and `L[S, j] = x / sqrt(x_1)`. With `j`
    last and `P[S, S] = R R^T` that is `R^{-T} e_last`. `O(K^3)` a cell.
    """
    offsets = np.array([*stencil.offsets[::-1], (0, 0, 0)], np.intp)
    last = torch.zeros(len(offsets), 1, dtype=torch.float64)
    last[-1] = 1
    columns = torch.empty(int(stencil.active.sum()), len(offsets), dtype=torch.float64)
    for rows, root in _roots(stencil, precision, offsets):
        solved = torch.linalg.solve_triangular(
            root.mT, last.expand(len(root), -1, 1), upper=True
        )
        columns[rows] = solved[..., 0].flip(1)
    return _on_grid(stencil, columns)


def conditional_optimum(stencil: Stencil, precision: Precision) -> tuple[Tensor, Tensor]:
    """Return the diagonal of `T` and the coefficients `C` of a sparse `T T^T` near `P`.

    `T = (I + C) diag(T)`. Column `j` of the Cholesky factor of `P` is a Schur complement, in
    which all earlier cells are eliminated; here only those within one stencil of cell `j` are,
    and the others held fixed. The error falls with the stencil's reach; optimise from here.
    """
    earlier = [(-z, -y, -x) for z, y, x in stencil.offsets[::-1]]
    offsets = np.array([*earlier, (0, 0, 0), *stencil.offsets], np.intp)
    k = len(earlier)
    columns = torch.empty(int(stencil.active.sum()), k + 1, dtype=torch.float64)
    for rows, root in _roots(stencil, precision, offsets):
        columns[rows] = root[:, k:, k]
    columns[:, 1:] /= columns[:, :1]
    return _on_grid(stencil, columns)


def _roots(
    stencil: Stencil, precision: Precision, offsets: Index
) -> Iterator[tuple[slice, Tensor]]:
    """Yield batches of active cells and the Cholesky factors of their blocks `(B, m, m)`."""
    cells = np.flatnonzero(stencil.active)
    size = max(1, BATCH // len(offsets) ** 2)
    for first in range(0, len(cells), size):
        rows = slice(first, min(first + size, len(cells)))
        blocks = precision.blocks(cells[rows], offsets)
        roots, failed = torch.linalg.cholesky_ex(blocks)
        alone = failed != 0
        diagonals = blocks[alone].diagonal(dim1=1, dim2=2)
        roots[alone] = torch.diag_embed(diagonals.clamp_min(0).sqrt())
        yield rows, roots


def _on_grid(stencil: Stencil, columns: Tensor) -> tuple[Tensor, Tensor]:
    """Split `(n, 1 + K)` into the first column and the others on the grid."""
    return columns[:, 0].clone(), stencil.scatter(columns[:, 1:].T.contiguous())
