r"""Correlation of the cells of a box that is a product of one correlation for each axis.

With :math:`C_a` the correlation matrix along axis :math:`a`, that of the box is the Kronecker
product :math:`C = C_z \otimes C_y \otimes C_x`, and with :math:`C_a = L_a L_a^T` its Cholesky
factor is :math:`L = L_z \otimes L_y \otimes L_x` [1]_. Products with :math:`L`, its transpose
and its inverse take :math:`O(n (n_z + n_y + n_x))` operations and no matrix of the box; the
diagonal of :math:`C` is one in every cell, also at the edges.

References
----------
.. [1] Saatci (2011), Scalable inference for structured Gaussian process models, PhD thesis,
   University of Cambridge, chapter 5.
"""

from collections.abc import Callable, Sequence
from functools import cached_property, reduce
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

#: Least variance of a cell given those before it on its axis that float64 resolves safely.
LEAST_VARIANCE: Final = 1e-12


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
        self._axes = tuple(axes)
        self._factors = [_cholesky(c, name) for c, name in zip(axes, "zyx", strict=True)]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Cells of the box `(nz, ny, nx)`."""
        nz, ny, nx = (len(c) for c in self._axes)
        return nz, ny, nx

    @property
    def log_det(self) -> float:
        """Natural logarithm of the determinant of `L`."""
        n = int(np.prod(self.shape))
        return sum(n / len(f) * float(f.diagonal().log().sum()) for f in self._factors)

    def correlate(self, xi: Tensor) -> Tensor:
        """Return `L xi`: of independent standard normals, a field of the correlation."""
        return self._map(xi, self._factors, torch.mm)

    def correlate_back(self, gradient: Tensor) -> Tensor:
        """Return `L^T gradient`: from derivatives by the field to derivatives by `xi`."""
        return self._map(gradient, [f.T for f in self._factors], torch.mm)

    def whiten(self, field: Tensor) -> Tensor:
        """Return `L^{-1} field`."""
        return self._map(field, self._factors, _solve)

    def plausible(self, field: Tensor, sd: float) -> Tensor:
        r"""Return the `xi` that minimises `|xi|^2 + |L xi - field|^2 / sd^2`.

        It is :math:`L^T (C + \sigma^2 I)^{-1}` times the field: `L xi` follows the field but
        for what the correlation makes improbable. Eigenvectors of each axis give the inverse.
        """
        values, vectors = self._eigen
        scale = reduce(torch.kron, values) + sd**2
        inside = self._map(field, [v.T for v in vectors], torch.mm) / scale
        return self.correlate_back(self._map(inside, vectors, torch.mm))

    @cached_property
    def _eigen(self) -> tuple[list[Tensor], list[Tensor]]:
        with one_thread():
            pairs = [torch.linalg.eigh(torch.from_numpy(c)) for c in self._axes]
        return [values for values, _ in pairs], [vectors for _, vectors in pairs]

    def _map(
        self,
        vectors: Tensor,
        matrices: Sequence[Tensor],
        apply: Callable[[Tensor, Tensor], Tensor],
    ) -> Tensor:
        """Apply one matrix along each axis to every vector."""
        out = torch.empty(vectors.shape, dtype=torch.float64)
        with one_thread(), torch.no_grad():
            for row, vector in zip(out, vectors, strict=True):
                field = vector.detach().double().reshape(self.shape)
                for axis, matrix in enumerate(matrices):
                    if len(matrix) > 1:  # one cell correlates with itself only
                        ahead = field.movedim(axis, 0)
                        flat = ahead.reshape(len(matrix), -1)
                        field = apply(matrix, flat).reshape(ahead.shape).movedim(0, axis)
                row.copy_(field.reshape(-1))
        return out


def _cholesky(correlation: Array, axis: str) -> Tensor:
    try:
        factor = np.linalg.cholesky(correlation)
        least = float(factor.diagonal().min()) ** 2
    except np.linalg.LinAlgError:
        least = 0.0
    if least < LEAST_VARIANCE:
        raise ConfigError(
            "'prior.length_m' must let neighbouring cells differ by more than a float64 "
            f"resolves, but along {axis} it does not; choose a shorter length or a smaller "
            "'prior.smoothness'."
        )
    return torch.from_numpy(factor)


def _solve(factor: Tensor, right: Tensor) -> Tensor:
    solved: Tensor = torch.linalg.solve_triangular(factor, right, upper=False)
    return solved
