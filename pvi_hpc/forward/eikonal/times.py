"""Travel times between points by the compiled fast marching, and their adjoint."""

from collections.abc import Sequence
from functools import cache
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pvi_hpc.errors import SolverError
from pvi_hpc.grid import Grid
from pvi_hpc.numerics.native import Native

__all__ = ["MARGIN", "STATE_BYTES", "Rays", "TravelTimes", "load"]

Array = NDArray[np.float64]

#: Nodes about a field on both sides of every axis of more than one node.
MARGIN: Final = 2
#: Room of a node for every source: factor, stencil, order, and the adjoint [bytes].
STATE_BYTES: Final = 8 + 2 + 4 + 8
WHAT_FAILED: Final = {
    "PVI_EIKONAL_BAD_SHAPE": "a grid must have an axis of more than one node, at most 2**31 "
    "nodes and positive spacings",
    "PVI_EIKONAL_BAD_POINTER": "a required array is missing",
    "PVI_EIKONAL_NO_MEMORY": "there is not enough memory",
    "PVI_EIKONAL_UNREACHED": "a receiver has no finite time",
}


@cache
def load() -> Native:
    """Return the library, loaded once; SolverError if it is not installed."""
    return Native.load("eikonal", WHAT_FAILED, "PVI_EIKONAL_UNREACHED")


class Rays(NamedTuple):
    """A source `(3,)` and its receivers `(n, 3)`, positions `(z, y, x)` [m]."""

    source: Array
    receivers: Array


class TravelTimes:
    """First-arrival times of several sources in one model.

    Fast marching of the factored eikonal equation, of second order; the adjoint is that of
    exactly these discrete times (see `solvers/eikonal/eikonal.h`). Each call keeps what the
    adjoint of the last times needs. Bits do not depend on the number of threads.

    Parameters
    ----------
    grid
        Nodes of the slowness; an axis of one node is no axis.
    rays
        Sources and the receivers of each, all within the grid.
    threads
        Number of OpenMP threads; sources are dealt out to them.

    Raises
    ------
    SolverError
        If the grid has no axis.

    Examples
    --------
    >>> grid = Grid((1, 11, 11), (1.0, 100.0, 100.0))
    >>> ray = Rays(np.array([0.0, 150.0, 120.0]), np.array([[0.0, 450.0, 520.0]]))
    >>> [time] = TravelTimes(grid, [ray]).times(np.full(grid.shape, 1 / 2000))
    >>> float(time.round(6)[0])
    0.25
    """

    def __init__(self, grid: Grid, rays: Sequence[Rays], threads: int = 1) -> None:
        self.grid, self.rays, self._native = grid, list(rays), load()
        self._inside = tuple(
            slice(MARGIN, MARGIN + n) if n > 1 else slice(0, 1) for n in grid.shape
        )
        self._shape = tuple(n + 2 * MARGIN if n > 1 else 1 for n in grid.shape)
        ffi = self._native.ffi
        self._grid = ffi.new("pvi_eikonal_grid *", [grid.shape, grid.spacing, threads])
        nodes = int(self._native.lib.pvi_eikonal_nodes(self._grid))
        if not nodes:
            raise SolverError(f"eikonal: {WHAT_FAILED['PVI_EIKONAL_BAD_SHAPE']}, got {grid}.")
        n = len(self.rays)
        self._first = np.cumsum([0, *(len(r.receivers) for r in self.rays)], dtype=np.int64)
        self._places = [
            np.ascontiguousarray(grid.relative(np.reshape(p, (-1, 3))))
            for p in (
                np.array([r.source for r in self.rays]),
                np.concatenate([np.reshape(r.receivers, (-1, 3)) for r in self.rays]),
            )
        ]
        self._march: list[NDArray[Any]] = [
            np.empty((n, nodes)),
            np.empty((n, nodes), np.uint16),
            np.empty((n, nodes), np.int32),
            np.zeros(n, np.int64),
        ]
        self._slowness = np.empty(self._shape)

    def times(self, slowness: Array) -> list[Array]:
        """Return the times at the receivers of each source [s].

        `slowness` is `(nz, ny, nx)` [s/m], positive.

        Raises
        ------
        NonFiniteError
            If a time is not finite, because a slowness is not.
        """
        self._slowness = np.ones(self._shape)
        self._slowness[self._inside] = slowness
        found = np.empty(int(self._first[-1]))
        pointer = self._native.pointer
        self._native.call("times", self._grid, *self._arguments(), pointer(found))
        return np.split(found, self._first[1:-1])

    def pull(self, cotangents: Sequence[Array]) -> Array:
        """Return the derivative of `sum(cotangents * times)` by the slowness, `(nz, ny, nx)`.

        Of the last `times`; `cotangents` has the shape of these.
        """
        flat = np.ascontiguousarray(np.concatenate(list(cotangents)), dtype=np.float64)
        assert flat.shape == (self._first[-1],)
        work, gradient = np.empty_like(self._march[0]), np.empty(self._shape)
        pointer = self._native.pointer
        arrays = [pointer(a) for a in (flat, work, gradient)]
        self._native.call("pull", self._grid, *self._arguments(), *arrays)
        return np.ascontiguousarray(gradient[self._inside])

    def _arguments(self) -> list[Any]:
        """Return survey, slowness and march, as C takes them."""
        ffi, pointer = self._native.ffi, self._native.pointer
        sources, receivers = (pointer(p) for p in self._places)
        survey = [len(self.rays), sources, pointer(self._first), receivers]
        march = [pointer(a) for a in self._march]
        return [
            ffi.new("pvi_eikonal_survey *", survey),
            pointer(self._slowness),
            ffi.new("pvi_eikonal_march *", march),
        ]
