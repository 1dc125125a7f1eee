r"""Lengths of straight and of great-circle rays in the cells of a grid.

A ray is cut where it crosses the planes between cells; each piece belongs to the cell of its
middle. On a sphere a ray is :math:`p(s) = a \cos s + c \sin s` with unit vectors :math:`a` to
its source and :math:`c` at right angles towards its receiver; it crosses the latitude
:math:`\phi` where :math:`p_z = \sin\phi` and the plane of the longitude :math:`\lambda` where
:math:`p_y \cos\lambda = p_x \sin\lambda`, both in closed form.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array

from pvi_hpc.data.picks import Picks
from pvi_hpc.errors import SurveyError
from pvi_hpc.grid import Grid

__all__ = ["EARTH_RADIUS_KM", "ray_lengths"]

Array = NDArray[np.float64]

#: Mean radius of the Earth [km].
EARTH_RADIUS_KM: Final = 6371.0
#: A ray may leave the grid by this share of a cell: rounding.
ROUNDING: Final = 1e-6
#: Rays between points whose angle differs by less from 0 or 180 degrees have no plane [rad].
NO_PLANE: Final = 1e-9


def ray_lengths(grid: Grid, picks: Picks, radius_km: float = EARTH_RADIUS_KM) -> csr_array:
    """Return the length of every ray in every cell, `(rays, cells)`, cells with x fastest.

    Rays are straight, in the units of the positions, where these are metres; an axis of one
    cell is no axis. They are great circles of a sphere, in km, where they are degrees: y of the
    grid is then the latitude and x the longitude.

    Raises
    ------
    SurveyError
        If a ray leaves the grid, or two points are on opposite sides of the sphere.
    """
    edges: list[Array] = [
        o + h * (np.arange(n + 1, dtype=np.float64) - 0.5)
        for o, h, n in zip(grid.origin, grid.spacing, grid.shape, strict=True)
    ]
    rows: list[NDArray[np.int64]] = []
    cells: list[NDArray[np.int64]] = []
    lengths: list[Array] = []
    for i, (a, b) in enumerate(zip(picks.sources, picks.receivers, strict=True)):
        if picks.units == "degrees":
            length, middle = _arc(a, b, edges, i)
            length = radius_km * length
        else:
            length, middle = _line(a, b, edges)
        its_cells = _cells(middle, grid, i)
        rows.append(np.full(len(length), i, dtype=np.int64))
        cells.append(its_cells)
        lengths.append(length)
    where = np.concatenate(rows), np.concatenate(cells)
    shape = len(picks.sources), grid.size
    return csr_array(coo_array((np.concatenate(lengths), where), shape=shape))


def _line(a: Array, b: Array, edges: list[Array]) -> tuple[Array, Array]:
    """Return lengths `(k,)` and middles `(k, 3)` of the pieces of a straight ray."""
    way = np.where([len(e) > 2 for e in edges], b - a, 0.0)
    cuts = [np.array([0.0, 1.0])]
    cuts += [(e - x) / d for e, x, d in zip(edges, a, way, strict=True) if d != 0]
    t = _inside(np.concatenate(cuts), 1.0)
    middle = a + way * (0.5 * (t[1:] + t[:-1]))[:, None]
    return np.diff(t) * float(np.sqrt(np.sum(way * way))), middle


def _arc(a: Array, b: Array, edges: list[Array], index: int) -> tuple[Array, Array]:
    """Return angles `(k,)` [rad] and middles `(k, 3)` of the pieces of a great circle."""
    p, q = _unit(a), _unit(b)
    normal = np.cross(p, q)
    sine, cosine = float(np.sqrt(np.sum(normal**2))), float(np.sum(p * q))
    whole = float(np.arctan2(sine, cosine))
    if sine < NO_PLANE:
        if cosine > 0:
            return np.empty(0), np.empty((0, 3))
        raise SurveyError(
            f"Pick {index + 1}: its source and receiver are on opposite sides of the sphere, "
            "so that no great circle is the shortest; leave it out."
        )
    c = np.cross(normal / sine, p)
    level, size = np.arctan2(c[2], p[2]), float(np.hypot(c[2], p[2]))
    height = np.sin(np.radians(edges[1]))
    reached = height[np.abs(height) < size]
    bow = np.arccos(reached / size) if size else np.empty(0)
    lon = np.radians(edges[2])
    across = np.arctan2(
        p[0] * np.sin(lon) - p[1] * np.cos(lon), c[1] * np.cos(lon) - c[0] * np.sin(lon)
    )
    cuts = np.concatenate([level + bow, level - bow, across, across + np.pi])
    s = _inside(np.append(cuts % (2 * np.pi), [0.0, whole]), whole)
    at = 0.5 * (s[1:] + s[:-1])[:, None]
    points = p * np.cos(at) + c * np.sin(at)
    latitude = np.degrees(np.arcsin(np.clip(points[:, 2], -1, 1)))
    longitude = np.degrees(np.arctan2(points[:, 1], points[:, 0]))
    # The turn in which the grid is.
    centre = 0.5 * (edges[2][0] + edges[2][-1])
    longitude -= 360 * np.round((longitude - centre) / 360)
    depth = np.full(len(at), 0.5 * (edges[0][0] + edges[0][-1]))
    return np.diff(s), np.stack([depth, latitude, longitude], axis=1)


def _unit(place: Array) -> Array:
    _, latitude, longitude = np.radians(place)
    level = np.cos(latitude)
    return np.array([level * np.cos(longitude), level * np.sin(longitude), np.sin(latitude)])


def _inside(cuts: Array, end: float) -> Array:
    return np.unique(cuts[(cuts >= 0) & (cuts <= end)])


def _cells(middle: Array, grid: Grid, index: int) -> NDArray[np.int64]:
    """Return the flat index of the cell of every middle `(k,)`."""
    # An axis of one cell is no axis.
    single = np.asarray(grid.shape) == 1
    at = np.where(single, 0.0, grid.relative(middle) / np.asarray(grid.spacing)) + 0.5
    shape = np.asarray(grid.shape)
    outside = ((at < -ROUNDING) | (at > shape + ROUNDING)).any(axis=1)
    if outside.any():
        z, y, x = middle[int(outside.argmax())]
        raise SurveyError(
            f"Pick {index + 1}: its ray leaves the grid at (z, y, x) = ({z:g}, {y:g}, {x:g}); "
            "every ray must stay between the outer faces of the cells: enlarge 'grid', or "
            "leave the pick out."
        )
    cell = np.clip(np.floor(at), 0, shape - 1).astype(np.int64)
    return np.asarray((cell[:, 0] * shape[1] + cell[:, 1]) * shape[2] + cell[:, 2])
