r"""Correlation of the cells of a box that is a product of one correlation for each axis.

With :math:`C_a` the correlation matrix along axis :math:`a`, that of the box is the Kronecker
product :math:`C = C_z \otimes C_y \otimes C_x` [1]_. With the eigenvectors
:math:`C_a = U_a \Lambda_a U_a^T`, the factor :math:`L = L_z \otimes L_y \otimes L_x` of
:math:`L_a = U_a \Lambda_a^{1/2}` has :math:`L L^T = C` (the Karhunen-Loeve expansion): unknown
number :math:`(k_z, k_y, k_x)` is the amplitude of a wave that oscillates the faster the larger
they are. Products with :math:`L`, its transpose and its inverse take
:math:`O(n (n_z + n_y + n_x))` operations and no matrix of the box; the diagonal of :math:`C` is
one in every cell, also at the edges.

A Cholesky factor would do as well, but data then tie far more unknowns to each other; see
docs/theory/matern.md for figures.

References
----------
.. [1] Saatci (2011), Scalable inference for structured Gaussian process models, PhD thesis,
   University of Cambridge, chapter 5.
"""

from collections.abc import Sequence
from functools import reduce
from typing import Final

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.special import gamma, kv
from torch import Tensor

from pvi_hpc.errors import ConfigError
from pvi_hpc.numerics.reproducible import one_thread

__all__ = ["SeparableCorrelation", "matern_correlation"]

Array = NDArray[np.float64]

#: Least eigenvalue of a correlation, of the largest, that float64 resolves safely.
LEAST_EIGENVALUE: Final = 1e-12


def matern_correlation(distance: ArrayLike, length: float, smoothness: float) -> Array:
    r"""Return the Matern correlation at `distance` [m], of any shape.

    :math:`\rho(r) = 2^{1-\nu} \Gamma(\nu)^{-1} s^\nu K_\nu(s)`, :math:`s = \sqrt{2\nu}\,r/\ell`
    [1]_: :math:`e^{-r/\ell}` for :math:`\nu = 1/2`, :math:`(1 + s)\,e^{-s}` for 3/2.

    Parameters
    ----------
    distance
        Distance :math:`r`, not negative [m].
    length
        Correlation length :math:`\ell` [m].
    smoothness
        The index :math:`\nu`; a field has :math:`\lceil\nu\rceil - 1` derivatives.

    References
    ----------
    .. [1] Rasmussen & Williams (2006), Gaussian Processes for Machine Learning, eq. 4.14.

    Examples
    --------
    >>> matern_correlation([0.0, 100.0], length=100.0, smoothness=0.5).round(4).tolist()
    [1.0, 0.3679]
    """
    s = np.sqrt(2 * smoothness) * np.asarray(distance, dtype=np.float64) / length
    apart = np.where(s > 0, s, 1.0)
    scale = 2 ** (1 - smoothness) / gamma(smoothness)
    return np.where(s > 0, scale * apart**smoothness * kv(smoothness, apart), 1.0)


class SeparableCorrelation:
    """The factor `L` of the correlation of a box of cells `(nz, ny, nx)`, flattened to `n`.

    Vectors are `(S, n)`. Their products are computed sample by sample in one thread, so that
    bits depend neither on the number of threads nor on that of samples.

    Parameters
    ----------
    axes
        Correlation matrices along z, y and x, `(n_a, n_a)` with ones on the diagonal.

    Raises
    ------
    ConfigError
        If neighbours along an axis are so alike that float64 cannot tell them apart.
    """

    def __init__(self, axes: Sequence[Array]) -> None:
        pairs = [_eigen(c, name) for c, name in zip(axes, "zyx", strict=True)]
        self._vectors = [vectors for _, vectors in pairs]
        values = [values for values, _ in pairs]
        self.shape = len(values[0]), len(values[1]), len(values[2])
        self._variances = reduce(torch.kron, values)
        self._sds = torch.from_numpy(np.sqrt(self._variances.numpy()))

    @property
    def log_det(self) -> float:
        """Natural logarithm of the determinant of `L`."""
        return 0.5 * float(np.log(self._variances.numpy()).sum())

    def correlate(self, xi: Tensor) -> Tensor:
        """Return `L xi`: of independent standard normals, a field of the correlation."""
        return self._map(xi.detach() * self._sds, self._vectors)

    def correlate_back(self, gradient: Tensor) -> Tensor:
        """Return `L^T gradient`: from derivatives by the field to derivatives by `xi`."""
        return self._amplitudes(gradient) * self._sds

    def whiten(self, field: Tensor) -> Tensor:
        """Return `L^{-1} field`."""
        return self._amplitudes(field) / self._sds

    def precision(self, field: Tensor) -> Tensor:
        """Return `C^{-1} field`."""
        return self._map(self._amplitudes(field) / self._variances, self._vectors)

    def plausible(self, field: Tensor, sd: float) -> Tensor:
        """Return the `xi` that minimises `|xi|^2 + |L xi - field|^2 / sd^2`.

        `L xi` follows the field but for what the correlation makes improbable.
        """
        return self._amplitudes(field) * self._sds / (self._variances + sd**2)

    def _amplitudes(self, field: Tensor) -> Tensor:
        """Return the products of the field with every eigenvector."""
        return self._map(field.detach(), [v.T for v in self._vectors])

    def _map(self, vectors: Tensor, matrices: Sequence[Tensor]) -> Tensor:
        """Multiply every vector by one matrix along each axis."""
        out = torch.empty(vectors.shape, dtype=torch.float64)
        with one_thread():
            for row, vector in zip(out, vectors, strict=True):
                field = vector.double().reshape(self.shape)
                for axis, matrix in enumerate(matrices):
                    if len(matrix) > 1:  # one cell correlates with itself only
                        ahead = field.movedim(axis, 0)
                        flat = matrix @ ahead.reshape(len(matrix), -1)
                        field = flat.reshape(ahead.shape).movedim(0, axis)
                row.copy_(field.reshape(-1))
        return out


def _eigen(correlation: Array, axis: str) -> tuple[Tensor, Tensor]:
    """Return eigenvalues, largest first, and eigenvectors whose first elements are positive."""
    with one_thread():
        values, vectors = torch.linalg.eigh(torch.from_numpy(correlation))
    if float(values[0]) < LEAST_EIGENVALUE * float(values[-1]):
        raise ConfigError(
            "'prior.length_m' must let neighbouring cells differ by more than a float64 "
            f"resolves, but along {axis} it does not; choose a shorter length or a smaller "
            "'prior.smoothness'."
        )
    signs = torch.where(vectors[:1] < 0, -1.0, 1.0)
    return values.flip(0), (vectors * signs).flip(1).contiguous()
