"""A solver grid that is finer than the models': linear interpolation, and its transpose."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pvi_hpc.grid import Grid

__all__ = ["Refinement"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Refinement:
    """Cells of the solver between those of a model, `factors` along z, y, x times as dense.

    Every cell of a model is one of the solver's, the others lie between them: positions stay
    what they are. Of block-wise constant, linear and linear in slowness, linear velocity came
    nearest to waves in the finely sampled true model.

    Examples
    --------
    >>> thin = Refinement((2, 1, 1))
    >>> thin.refine(np.array([[[1.0]], [[3.0]]])).ravel().tolist()
    [1.0, 2.0, 3.0]
    """

    factors: tuple[int, int, int] = (1, 1, 1)

    @property
    def is_none(self) -> bool:
        """True where the solver's cells are those of the models."""
        return self.factors == (1, 1, 1)

    def fine(self, grid: Grid) -> Grid:
        """Return the grid of the solver for models on `grid`; one cell stays one cell."""
        z, y, x = ((n - 1) * r + 1 for n, r in zip(grid.shape, self.factors, strict=True))
        dz, dy, dx = (
            h if n == 1 else h / r
            for n, h, r in zip(grid.shape, grid.spacing, self.factors, strict=True)
        )
        return Grid((z, y, x), (dz, dy, dx), grid.origin)

    def refine(self, model: NDArray[Any]) -> Array:
        """Return a model `(nz, ny, nx)` on the solver's grid, float64."""
        values = np.asarray(model, dtype=np.float64)
        for axis, factor in enumerate(self.factors):
            if factor > 1:
                values = np.moveaxis(_between(np.moveaxis(values, axis, 0), factor), 0, axis)
        return np.ascontiguousarray(values)

    def transpose(self, gradient: Array) -> Array:
        """Return the derivative by a model `(nz, ny, nx)` of one by the solver's cells."""
        values = gradient
        for axis, factor in enumerate(self.factors):
            if factor > 1:
                values = np.moveaxis(_gathered(np.moveaxis(values, axis, 0), factor), 0, axis)
        return np.ascontiguousarray(values)


def _between(values: Array, factor: int) -> Array:
    """Return values with `factor - 1` more between neighbours of the first axis."""
    n = len(values)
    fine = np.empty(((n - 1) * factor + 1, *values.shape[1:]))
    fine[::factor] = values
    for j in range(1, factor):
        part = j / factor
        fine[j::factor] = (1 - part) * values[:-1] + part * values[1:]
    return fine


def _gathered(fine: Array, factor: int) -> Array:
    """Apply the transpose of `_between`."""
    values = fine[::factor].copy()
    for j in range(1, factor):
        part = j / factor
        values[:-1] += (1 - part) * fine[j::factor]
        values[1:] += part * fine[j::factor]
    return values
