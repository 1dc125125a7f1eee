r"""The Whittle-Matern operator :math:`A = 1 - \nabla \cdot H \nabla` on cells, as a matrix.

It is the second derivative of the energy

.. math:: \frac{1}{2} \sum_i \Big( u_i^2 + \frac{1}{8} \sum_s g_{i,s}^T H_i\, g_{i,s} \Big)

whose inner sum is over the eight gradients :math:`g_{i,s}` of cell :math:`i`, each of one-sided
differences to one neighbour along each axis, zero where there is none: no flux leaves the
unknown cells (Neumann). So `A` is symmetric and positive definite for any positive definite
:math:`H`, rows sum to one, and where `H` is diagonal and constant it is exactly the operator
that the cosine transform diagonalises.
"""

from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, diags_array, eye_array

__all__ = ["operator_matrix"]

Array = NDArray[np.float64]


def operator_matrix(tensor: Array, active: NDArray[np.bool_]) -> csr_array:
    """Return the operator on a box of cells; rows of cells that are not active are of `I`.

    Parameters
    ----------
    tensor
        Symmetric positive definite tensor of each cell `(3, 3, nz, ny, nx)`, each component
        over the product of the spacings of its axes.
    active
        Active cells `(nz, ny, nx)`.
    """
    n = active.size
    matrix = eye_array(n, format="csr")
    centred = []
    for axis in range(3):
        faces, low, high = _faces(active, axis)
        own = tensor[axis, axis].reshape(-1)
        weight = diags_array(0.5 * (own[low] + own[high]))
        matrix = matrix + faces.T @ weight @ faces
        share = csr_array(
            (np.full(2 * len(low), 0.5), (np.concatenate([low, high]), _twice(len(low)))),
            shape=(n, len(low)),
        )
        centred.append(share @ faces)  # half the sum of both one-sided differences
    for a, b in combinations(range(3), 2):
        mixed = tensor[a, b].reshape(-1)
        if mixed.any():
            cross = centred[a].T @ diags_array(mixed) @ centred[b]
            matrix = matrix + cross + cross.T
    found = csr_array(matrix)
    found.sum_duplicates()
    found.sort_indices()
    return found


def _faces(
    active: NDArray[np.bool_], axis: int
) -> tuple[csr_array, NDArray[np.int64], NDArray[np.int64]]:
    """Return differences across faces between active cells, and the cells on both sides."""
    cells = np.arange(active.size).reshape(active.shape)
    lower = np.moveaxis(cells, axis, 0)[:-1].reshape(-1)
    upper = np.moveaxis(cells, axis, 0)[1:].reshape(-1)
    both = active.reshape(-1)[lower] & active.reshape(-1)[upper]
    low, high = lower[both], upper[both]
    values = np.concatenate([np.full(len(low), -1.0), np.full(len(low), 1.0)])
    columns = np.concatenate([low, high])
    faces = csr_array((values, (_twice(len(low)), columns)), shape=(len(low), active.size))
    return faces, low, high


def _twice(n: int) -> NDArray[np.int64]:
    return np.tile(np.arange(n), 2)
