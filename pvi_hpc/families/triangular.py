"""Exact solves with the triangular matrix of a stencil."""

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csc_array
from scipy.sparse.linalg import spsolve_triangular
from torch import Tensor

from pvi_hpc.families.stencil import Stencil

__all__ = ["TriangularPattern"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class TriangularPattern:
    """Where the entries of `L` are; column `j` holds what cell `j` couples to.

    Parameters
    ----------
    entries
        Index of each entry in the diagonal and coefficients stacked `(1 + K, cells)`.
    rows, starts
        Row of each entry and first entry of each column, as in SciPy's CSC.
    cells
        Active cells in the flattened grid `(n,)`.
    """

    entries: NDArray[np.intp]
    rows: NDArray[np.int32]
    starts: NDArray[np.int32]
    cells: NDArray[np.intp]

    @classmethod
    def of(cls, stencil: Stencil) -> "TriangularPattern":
        """Return the pattern of a stencil."""
        active = stencil.active
        present = np.zeros((1 + len(stencil.offsets), *active.shape), bool)
        present[0] = active
        for allowed, (origin, target) in zip(present[1:], stencil.views(), strict=True):
            allowed[origin] = active[origin] & active[target]
        cell, k = np.nonzero(present.reshape(len(present), -1).T)
        strides = active.shape[1] * active.shape[2], active.shape[2], 1
        steps = np.array([(0, 0, 0), *stencil.offsets]) @ strides
        number = np.cumsum(active.ravel()) - 1
        starts = np.concatenate([[0], np.cumsum(np.bincount(cell, minlength=active.size))])
        cells = np.flatnonzero(active)
        starts = np.append(starts[cells], starts[-1]).astype(np.int32)
        rows = number[cell + steps[k]].astype(np.int32)
        return cls(k * active.size + cell, rows, starts, cells)

    def matrix(self, diagonal: NDArray[Any], coefficients: NDArray[Any]) -> csc_array:
        """Return `L` `(n, n)` of its diagonal `(n,)` and coefficients `(K, nz, ny, nx)`."""
        stacked = np.zeros((1 + len(coefficients), prod(coefficients.shape[1:])))
        stacked[0, self.cells] = diagonal
        stacked[1:] = coefficients.reshape(len(coefficients), stacked.shape[1])
        values = stacked.ravel()[self.entries]
        n = len(self.cells)
        return csc_array((values, self.rows, self.starts), shape=(n, n))

    def solve(self, diagonal: Tensor, coefficients: Tensor, b: Tensor) -> Tensor:
        """Return `L^{-1} b` of the rows of `b` `(S, n)`, in float64 inside."""
        matrix = self.matrix(diagonal.numpy(), coefficients.numpy())
        return _solve(matrix, b, lower=True)

    def solve_transposed(self, diagonal: Tensor, coefficients: Tensor, b: Tensor) -> Tensor:
        """Return `L^{-T} b` of the rows of `b` `(S, n)`, in float64 inside."""
        matrix = self.matrix(diagonal.numpy(), coefficients.numpy())
        return _solve(matrix.T, b, lower=False)


def _solve(matrix: Any, b: Tensor, *, lower: bool) -> Tensor:
    right = b.numpy().T.astype(np.float64)
    x: Array = spsolve_triangular(matrix, right, lower=lower, overwrite_A=True)
    return torch.from_numpy(np.ascontiguousarray(x.T)).to(b.dtype)
