r"""Correlations whose precision is diagonal in the cosine transform of a box of cells.

Second differences with mirrored edges (Neumann) along an axis of :math:`n` cells have the
eigenvectors :math:`\cos(\pi k (i + 1/2) / n)` and the eigenvalues
:math:`2 - 2\cos(\pi k / n)` [1]_: a precision that is a function of them,
:math:`P = F^T \hat P F` with the orthonormal transform :math:`F` (DCT-II), costs two fast
transforms a product. With :math:`D` the inverse sds of :math:`P^{-1}`, which the eigenvectors
give exactly, also at the edges, :math:`L = D P^{-1/2}` and :math:`C = L L^T` has ones on its
diagonal.

References
----------
.. [1] Strang (1999), The discrete cosine transform, SIAM Review 41, 135-147.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.fft import dctn, idctn
from torch import Tensor

from pvi_hpc.numerics.reproducible import one_thread
from pvi_hpc.priors.correlations.correlation import by_rows

__all__ = ["CosineCorrelation", "along_axes", "second_differences", "squared_vectors"]

Array = NDArray[np.float64]


def second_differences(n: int) -> Array:
    """Return the eigenvalues `(n,)` of second differences of `n` cells, edges mirrored."""
    return 2 - 2 * np.cos(np.pi * np.arange(n) / n)


def squared_vectors(n: int) -> Array:
    """Return the squares `(cell, vector)` of the orthonormal eigenvectors of `n` cells."""
    cells, k = np.arange(n)[:, None] + 0.5, np.arange(n)
    squares = (1 + np.cos(2 * np.pi * k * cells / n)) / n
    squares[:, 0] = 1 / n
    return squares


class CosineCorrelation:
    r"""The correlation of a box of cells of which `precision` is the spectrum.

    Parameters
    ----------
    precision
        Eigenvalues `(nz, ny, nx)` of the precision before it is scaled, all positive, in the
        order of the cosine transform.
    waves
        True: unknowns are amplitudes of waves, :math:`L = D F^T \hat P^{-1/2}`, not cells.
    """

    def __init__(self, precision: Array, waves: bool = False) -> None:
        self._waves = waves
        self.shape = precision.shape
        self._root: Array = np.sqrt(precision)
        squares = [squared_vectors(n) for n in self.shape]
        self.scale: Array = 1 / np.sqrt(along_axes(1 / precision, squares))

    @property
    def log_det(self) -> float:
        """Natural logarithm of the determinant of `L`."""
        return float(np.log(self.scale).sum() - np.log(self._root).sum())

    def correlate(self, xi: Tensor) -> Tensor:
        """Return `L xi`: of independent standard normals, a field of the correlation."""
        return by_rows(self._correlate, xi, self.shape)

    def correlate_back(self, gradient: Tensor) -> Tensor:
        """Return `L^T gradient`: from derivatives by the field to derivatives by `xi`."""
        return by_rows(
            lambda v: self._back(self.scale * v, 1 / self._root), gradient, self.shape
        )

    def whiten(self, field: Tensor) -> Tensor:
        """Return `L^{-1} field`."""
        return by_rows(lambda v: self._back(v / self.scale, self._root), field, self.shape)

    def precision(self, field: Tensor) -> Tensor:
        """Return `C^{-1} field`."""
        gain = self._root**2
        return by_rows(lambda v: _filter(v / self.scale, gain) / self.scale, field, self.shape)

    def _correlate(self, xi: Array) -> Array:
        waves = xi if self._waves else dctn(xi, norm="ortho")
        field: Array = idctn(waves / self._root, norm="ortho")
        return self.scale * field

    def _back(self, field: Array, gain: Array) -> Array:
        waves: Array = dctn(field, norm="ortho") * gain
        return waves if self._waves else np.asarray(idctn(waves, norm="ortho"))


def along_axes(field: Array, matrices: Sequence[Array]) -> Array:
    """Multiply a field by one matrix along each of its axes, in one thread."""
    with one_thread():
        found = torch.from_numpy(field)
        for axis, matrix in enumerate(matrices):
            ahead = found.movedim(axis, 0)
            flat = torch.from_numpy(matrix) @ ahead.reshape(len(ahead), -1)
            found = flat.reshape(len(matrix), *ahead.shape[1:]).movedim(0, axis)
        return found.contiguous().numpy()


def _filter(field: Array, gain: Array) -> Array:
    """Multiply the amplitudes of a field by `gain`."""
    filtered: Array = idctn(dctn(field, norm="ortho") * gain, norm="ortho")
    return filtered
