r"""The Whittle-Matern operator whose coefficients depend on depth only, solved directly.

Cosine transforms along y and x leave a tridiagonal matrix along z for each pair of
wavenumbers, :math:`T = \mathrm{diag}(1 + h_y \lambda_y + h_x \lambda_x) + G^T h_z G`. Its
factors are computed once; a product costs two transforms and two sweeps over the layers.

The diagonal of :math:`A^{-\alpha}` is exact: with
:math:`(T + \sigma)^{-1} = \sum_j (-\sigma)^j T^{-j-1}` it is a coefficient of the Taylor series
in :math:`\sigma` of the diagonal of the inverse, and that follows from the pivots of the
eliminations from the top and from the bottom, :math:`1 / (d^+_i + d^-_i - a_i)` [1]_, computed
with truncated series in the place of numbers.

References
----------
.. [1] Meurant (1992), A review on the inverse of symmetric tridiagonal and block tridiagonal
   matrices, SIAM Journal on Matrix Analysis and Applications 13, 707-728, theorem 2.4.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dctn, idctn
from torch import Tensor

from pvi_hpc.priors.correlations.correlation import by_rows
from pvi_hpc.priors.correlations.cosine import (
    along_axes,
    second_differences,
    squared_vectors,
)

__all__ = ["LayeredCorrelation"]

Array = NDArray[np.float64]


class LayeredCorrelation:
    r"""Correlation of :math:`A^{-\alpha}`, `A` of layers; `alpha` is 2 or 4.

    Parameters
    ----------
    shape
        Cells `(nz, ny, nx)`.
    diffusion
        Coefficients `(3, nz)` along z, y and x of each layer, over the square of the spacing:
        squared lengths in cells, but for a factor. A face between two layers has their mean.
    alpha
        Power of the operator.
    waves
        True: unknowns are amplitudes of waves along y and x in each layer; False: of cells.
    """

    def __init__(
        self, shape: tuple[int, int, int], diffusion: Array, alpha: int, waves: bool = False
    ) -> None:
        self.shape, self.alpha, self._waves = shape, alpha, waves
        hz, hy, hx = diffusion
        self._face: Array = 0.5 * (hz[1:] + hz[:-1])
        faces = np.concatenate([[0.0], self._face, [0.0]])
        waves = hy[:, None, None] * second_differences(shape[1])[:, None]
        waves = waves + hx[:, None, None] * second_differences(shape[2])
        self._diagonal: Array = 1 + waves + (faces[1:] + faces[:-1])[:, None, None]
        self._pivot = self._diagonal.copy()
        for i, g in enumerate(self._face):
            self._pivot[i + 1] -= g * g / self._pivot[i]
        self.scale: Array = 1 / np.sqrt(self._variances())

    @property
    def log_det(self) -> float:
        """Natural logarithm of the determinant of `L`."""
        whole = np.log(self._pivot).sum()
        return float(np.log(self.scale).sum() - 0.5 * self.alpha * whole)

    def correlate(self, xi: Tensor) -> Tensor:
        """Return `L xi`: of independent standard normals, a field of the correlation."""
        return by_rows(self._correlate, xi, self.shape)

    def correlate_back(self, gradient: Tensor) -> Tensor:
        """Return `L^T gradient`: from derivatives by the field to derivatives by `xi`."""
        return by_rows(lambda v: self._back(self.scale * v, self._solve), gradient, self.shape)

    def whiten(self, field: Tensor) -> Tensor:
        """Return `L^{-1} field`."""
        return by_rows(lambda v: self._back(v / self.scale, self._multiply), field, self.shape)

    def precision(self, field: Tensor) -> Tensor:
        """Return `C^{-1} field`."""
        return by_rows(self._precision, field, self.shape)

    def _correlate(self, xi: Array) -> Array:
        waves = self._powers(xi if self._waves else _transformed(xi), self._solve)
        return self.scale * _restored(waves)

    def _back(self, field: Array, product: Callable[[Array], Array]) -> Array:
        waves = self._powers(_transformed(field), product)
        return waves if self._waves else _restored(waves)

    def _precision(self, field: Array) -> Array:
        waves = self._powers(_transformed(field / self.scale), self._multiply)
        return _restored(self._powers(waves, self._multiply)) / self.scale

    def _powers(self, waves: Array, product: Callable[[Array], Array]) -> Array:
        """Apply a product `alpha / 2` times."""
        for _ in range(self.alpha // 2):
            waves = product(waves)
        return waves

    def _solve(self, right: Array) -> Array:
        x = right.copy()
        for i, g in enumerate(self._face):
            x[i + 1] += g / self._pivot[i] * x[i]
        x /= self._pivot
        for i in range(len(self._face) - 1, -1, -1):
            x[i] += self._face[i] / self._pivot[i] * x[i + 1]
        return x

    def _multiply(self, x: Array) -> Array:
        found: Array = self._diagonal * x
        g = self._face[:, None, None]
        found[:-1] -= g * x[1:]
        found[1:] -= g * x[:-1]
        return found

    def _variances(self) -> Array:
        """Return the diagonal of the inverse of the operator's power, in every cell."""
        down = self._pivots(range(len(self._diagonal)))
        up = self._pivots(range(len(self._diagonal) - 1, -1, -1))[::-1]
        squares = [np.eye(1), squared_vectors(self.shape[1]), squared_vectors(self.shape[2])]
        found = np.empty(self.shape)
        for i, (below, above) in enumerate(zip(down, up, strict=True)):
            series = below + above
            series[0] -= self._diagonal[i]
            series[1] -= 1
            coefficient = -_reciprocal(series)[self.alpha - 1]
            found[i] = along_axes(coefficient[None], squares)[0]
        return found

    def _pivots(self, order: range) -> list[Array]:
        """Return the pivots of an elimination as series `(alpha, ny, nx)` in a shift."""
        found: list[Array] = []
        for i in order:
            series = np.zeros((self.alpha, *self.shape[1:]))
            series[0], series[1] = self._diagonal[i], 1
            if found:
                g = self._face[min(i, i - order.step)]
                series -= g * g * _reciprocal(found[-1])
            found.append(series)
        return found


def _transformed(field: Array) -> Array:
    found: Array = dctn(field, axes=(1, 2), norm="ortho")
    return found


def _restored(waves: Array) -> Array:
    found: Array = idctn(waves, axes=(1, 2), norm="ortho")
    return found


def _reciprocal(series: Array) -> Array:
    """Return the series of one over a series, both truncated, `(order, ...)`."""
    found = np.empty_like(series)
    found[0] = 1 / series[0]
    for j in range(1, len(series)):
        found[j] = -found[0] * sum(series[k] * found[j - k] for k in range(1, j + 1))
    return found
