r"""Protocol of correlations, and what a prior needs of each of them beside its products.

A correlation :math:`C = L L^T` of `n` cells, with ones on its diagonal, is known by products
with a square factor :math:`L`: of unknowns :math:`\xi \sim N(0, I)` it makes a field
:math:`z = L \xi` of standard normal cells that are alike.
"""

from collections.abc import Callable
from typing import Final, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pvi_hpc.numerics.reproducible import dot

__all__ = ["Correlation", "by_rows", "near_field"]

Array = NDArray[np.float64]

#: Steps of the search for a start; each takes one product with `L` and one with its transpose.
START_STEPS: Final = 60
#: A start follows a model to this many sds of a cell, root mean square, where it can.
START_ERROR: Final = 0.05


class Correlation(Protocol):
    """Products with a factor `L` of a correlation of `n` cells; vectors are `(S, n)`."""

    @property
    def log_det(self) -> float:
        """Natural logarithm of the determinant of `L`."""
        ...

    def correlate(self, xi: Tensor) -> Tensor:
        """Return `L xi`: of independent standard normals, a field of the correlation."""
        ...

    def correlate_back(self, gradient: Tensor) -> Tensor:
        """Return `L^T gradient`: from derivatives by the field to derivatives by `xi`."""
        ...

    def whiten(self, field: Tensor) -> Tensor:
        """Return `L^{-1} field`."""
        ...

    def precision(self, field: Tensor) -> Tensor:
        """Return `C^{-1} field`."""
        ...


def by_rows(
    product: Callable[[Array], Array], vectors: Tensor, shape: tuple[int, ...] = (-1,)
) -> Tensor:
    """Return the products of every vector `(S, n)`, one by one, without gradient.

    `product` is given each vector as an array of `shape`.
    """
    rows = vectors.detach().double().numpy()
    out = np.empty(rows.shape)
    for done, row in zip(out, rows, strict=True):
        done[:] = product(row.reshape(shape)).reshape(-1)
    return torch.from_numpy(out)


def near_field(correlation: Correlation, field: Tensor, largest: float) -> Tensor:
    r"""Return `xi` `(n,)`, at most `largest` in size, whose field is near `field` `(n,)`.

    Conjugate gradients for :math:`\min |L \xi - z|` from zero [1]_: early steps follow what the
    correlation makes probable, and the size of :math:`\xi` grows with every step. The search
    ends at `START_ERROR`, or where `xi` would become too large.

    References
    ----------
    .. [1] Hanke (1995), Conjugate Gradient Type Methods for Ill-Posed Problems, chapter 3.
    """
    z = field.detach().double().numpy()
    xi = np.zeros_like(z)
    residual = z.copy()
    gradient = _one(correlation.correlate_back, residual)
    direction, size = gradient.copy(), dot(gradient, gradient)
    for _ in range(START_STEPS):
        if size == 0 or np.sqrt(dot(residual, residual) / len(z)) <= START_ERROR:
            break
        moved = _one(correlation.correlate, direction)
        step = size / dot(moved, moved)
        room = _room(xi, direction, largest)
        if step >= room:
            xi = xi + room * direction
            break
        xi, residual = xi + step * direction, residual - step * moved
        gradient = _one(correlation.correlate_back, residual)
        before, size = size, dot(gradient, gradient)
        direction = gradient + size / before * direction
    return torch.from_numpy(xi)


def _one(product: Callable[[Tensor], Tensor], vector: Array) -> Array:
    found: Array = product(torch.from_numpy(vector)[None])[0].numpy()
    return found


def _room(xi: Array, direction: Array, largest: float) -> float:
    """Return the longest step that leaves every element within `largest`."""
    moving = direction != 0
    ahead = np.where(direction > 0, largest - xi, largest + xi)[moving]
    return float((ahead / np.abs(direction[moving])).min(initial=np.inf))
