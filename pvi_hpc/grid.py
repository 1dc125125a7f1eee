"""The regular grid that models, gradients and results live on, and its unknown cells."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Cells", "Grid", "apart_from_middle"]


@dataclass(frozen=True)
class Grid:
    """Cells `(nz, ny, nx)`, z downwards, x fastest; a cell is its centre point.

    Parameters
    ----------
    shape
        Number of cells `(nz, ny, nx)`.
    spacing
        Distance between cells `(dz, dy, dx)` [m].
    origin
        Coordinates `(z, y, x)` of cell `(0, 0, 0)` [m].
    """

    shape: tuple[int, int, int]
    spacing: tuple[float, float, float]
    origin: tuple[float, float, float] = (0.0, 0.0, 0.0)

    @property
    def size(self) -> int:
        """Number of cells."""
        return int(np.prod(self.shape))

    @property
    def axes(self) -> tuple[int, ...]:
        """Axes of more than one cell, those along which anything can change."""
        return tuple(i for i, n in enumerate(self.shape) if n > 1)

    @property
    def upper(self) -> tuple[float, float, float]:
        """Coordinates `(z, y, x)` of the last cell [m]."""
        z, y, x = (
            o + (n - 1) * h
            for o, n, h in zip(self.origin, self.shape, self.spacing, strict=True)
        )
        return z, y, x

    def axis(self, i: int) -> NDArray[np.float64]:
        """Return the coordinates of the cells along axis `i` (0: z, 1: y, 2: x) [m]."""
        return self.origin[i] + self.spacing[i] * np.arange(self.shape[i], dtype=np.float64)

    def relative(self, positions: NDArray[Any]) -> NDArray[np.float64]:
        """Return positions `(n, 3)` [m] relative to cell `(0, 0, 0)` [m]."""
        relative: NDArray[np.float64] = np.subtract(positions, self.origin, dtype=np.float64)
        return relative

    def contains(self, positions: NDArray[Any]) -> NDArray[np.bool_]:
        """Tell which positions `(n, 3)` [m] lie between the first and the last cell.

        Along an axis of one cell they may lie anywhere in that cell, half a spacing off.
        """
        x = np.atleast_2d(np.asarray(positions, dtype=np.float64))
        slack = np.where(np.equal(self.shape, 1), 0.5, 1e-6) * self.spacing
        inside = (x >= np.asarray(self.origin) - slack) & (x <= np.asarray(self.upper) + slack)
        return np.asarray(inside.all(axis=1))

    def boxes(
        self, parts: tuple[int, int, int]
    ) -> Iterator[tuple[str, tuple[slice, slice, slice]]]:
        """Yield place [m] and cells of each of the boxes that `parts` along z, y, x cut.

        In the order of z, y, x; along an axis shorter than its parts every cell is a part.
        """
        cuts = [self._parts(axis, n) for axis, n in enumerate(parts)]
        for (z, in_z), (y, in_y), (x, in_x) in product(*cuts):
            yield f"{z}, {y}, {x}", (in_z, in_y, in_x)

    def _parts(self, axis: int, n: int) -> list[tuple[str, slice]]:
        cells, places = self.shape[axis], self.axis(axis)
        ends = np.linspace(0, cells, min(n, cells) + 1).astype(int)
        return [
            (f"{'zyx'[axis]} {places[a]:g} to {places[b - 1]:g} m", slice(int(a), int(b)))
            for a, b in pairwise(ends)
        ]


@dataclass(frozen=True, eq=False)
class Cells:
    """The grid of a run and its active cells, those whose value is unknown.

    Parameters
    ----------
    grid
        The grid.
    active
        Active cells `(nz, ny, nx)`; the others keep the starting model. Vectors `(n,)` of
        unknowns are in the order of the flattened grid.
    """

    grid: Grid
    active: NDArray[np.bool_]

    @classmethod
    def of(cls, grid: Grid, fixed_above: float | None = None) -> "Cells":
        """Return the cells of a grid, active from the depth `fixed_above` [m] downwards.

        Every cell is active where that is None.
        """
        free = grid.axis(0) >= (-np.inf if fixed_above is None else fixed_above)
        return cls(grid, np.broadcast_to(free[:, None, None], grid.shape).copy())

    @property
    def n(self) -> int:
        """Number of active cells."""
        return int(self.active.sum())

    @property
    def depth(self) -> NDArray[np.float64]:
        """Depth of the active cells `(n,)` [m]."""
        return np.broadcast_to(self.grid.axis(0)[:, None, None], self.grid.shape)[self.active]

    @property
    def box(self) -> tuple[slice, slice, slice] | None:
        """The box of the grid that the active cells fill, or None if they fill none."""
        if not self.active.any():
            return None
        others = (1, 2), (0, 2), (0, 1)
        held = [np.flatnonzero(self.active.any(axis=axes)) for axes in others]
        z, y, x = (slice(int(cells[0]), int(cells[-1]) + 1) for cells in held)
        return (z, y, x) if self.active[z, y, x].all() else None


def apart_from_middle(active: NDArray[np.bool_]) -> tuple[int, NDArray[np.int_]]:
    """Return the active cell nearest to the middle of all, and how far the others are from it.

    Its index among the active cells, and distances `(n, 3)` along z, y and x [cells].
    """
    places = np.argwhere(active)
    middle = int(np.abs(places - places.mean(axis=0)).sum(axis=1).argmin())
    return middle, np.abs(places - places[middle])
