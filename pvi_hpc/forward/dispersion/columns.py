"""Dispersion curves of the columns of a grid, their derivatives, and the columns of picks."""

import logging
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pvi_hpc.errors import SolverError, SurveyError
from pvi_hpc.forward.dispersion.curves import WAVES, Curves, Layers, Points, curves
from pvi_hpc.forward.dispersion.picks import DispersionPicks
from pvi_hpc.forward.dispersion.settings import DispersionSettings
from pvi_hpc.forward.dispersion.sphere import curves_of_sphere
from pvi_hpc.forward.external.solver import Result
from pvi_hpc.grid import Grid

__all__ = ["Column", "ColumnCurves", "columns_of"]

Array = NDArray[np.float64]
LOG = logging.getLogger(__name__)


class Column(NamedTuple):
    """A column of the grid and the picks of its curve."""

    y: int
    x: int
    picks: DispersionPicks


def columns_of(picks: DispersionPicks, grid: Grid) -> list[Column]:
    """Return the picks of each column that has some, columns in the order of the picks.

    A pick without a place belongs to the only column; else it is that of the nearest column.

    Raises
    ------
    SurveyError
        If places are missing, or outside the grid.
    """
    nowhere = np.asarray(np.isnan(picks.place).any(axis=1))
    if grid.shape[1:] == (1, 1) and nowhere.all():
        return [Column(0, 0, picks)]
    if nowhere.any():
        raise SurveyError(
            "'forward.picks' must give 'y_m' and 'x_m' of every pick where 'grid.shape' is "
            f"{list(grid.shape)}, got {int(nowhere.sum())} picks without; add the columns, or "
            "make the grid one column, '[nz, 1, 1]'."
        )
    places = np.column_stack([np.full(len(nowhere), grid.origin[0]), picks.place])
    cells = np.rint(grid.relative(places)[:, 1:] / grid.spacing[1:]).astype(int)
    inside = np.asarray(((cells >= 0) & (cells < grid.shape[1:])).all(axis=1))
    if not inside.all():
        y, x = picks.place[int((~inside).argmax())]
        raise SurveyError(
            f"A curve of 'forward.picks' at (y, x) = ({y:g}, {x:g}) m must lie within 'grid'; "
            "enlarge the grid, or leave it out."
        )
    found, first, which = np.unique(cells, axis=0, return_index=True, return_inverse=True)
    which = np.reshape(which, -1)
    return [
        Column(int(found[i, 0]), int(found[i, 1]), picks.part(np.flatnonzero(which == i)))
        for i in np.argsort(first)
    ]


class ColumnCurves:
    """Velocities of the picks of each column, one shot a column; a `Linearised`.

    Parameters
    ----------
    options
        Scaling relations, water and the radius of the Earth.
    grid
        Grid of the models, shear velocities [m/s]; a cell is a layer, the last a half-space.
    columns
        Columns and their picks.
    threads
        Number of threads; points of a curve are dealt out to them.
    """

    def __init__(
        self,
        options: DispersionSettings,
        grid: Grid,
        columns: Sequence[Column],
        threads: int = 1,
    ) -> None:
        self.options, self.columns, self.threads = options, columns, threads
        self._thickness = np.full(grid.shape[0], grid.spacing[0])
        self._asked = [_distinct(column.picks) for column in columns]
        self._warned = False

    def run(self, model: Array, shot: int, *, gradient: bool) -> Result:
        """Return the velocities `(n,)` [m/s] of a column's picks, and what pulls back."""
        column, (_, which) = self.columns[shot], self._asked[shot]
        found, vs = self.simulate(model, shot, gradient=gradient)
        group = column.picks.group.astype(bool)
        data = np.where(group, found.group[which], found.phase[which])
        if not gradient:
            return Result(data)
        jacobian = self._jacobian(found, vs, shot)

        def pull(derivative: Array) -> Array:
            pulled = np.zeros(model.shape)
            pulled[:, column.y, column.x] = jacobian.T @ derivative
            return pulled

        return Result(data, pull)

    def derivative(self, model: Array, direction: Array, shot: int) -> Array:
        """Return the change of a column's velocities with the model; as `Linearised`."""
        column = self.columns[shot]
        found, vs = self.simulate(model, shot, gradient=True)
        change: Array = self._jacobian(found, vs, shot) @ direction[:, column.y, column.x]
        return change

    def simulate(self, model: Array, shot: int, *, gradient: bool) -> tuple[Curves, Array]:
        """Return the distinct points of a column's curve, and its shear velocities `(nz,)`.

        Raises
        ------
        SolverError
            If a velocity is not possible.
        """
        column, (points, _) = self.columns[shot], self._asked[shot]
        vs = np.ascontiguousarray(model[:, column.y, column.x], dtype=np.float64)
        if not (np.isfinite(vs) & (vs > 0)).all():
            wrong = vs[~(np.isfinite(vs) & (vs > 0))][0]
            raise SolverError(f"A velocity must be positive and finite, got {wrong} m/s.")
        rock = self.options.scaling.rock(vs)
        layers = Layers(self._thickness, rock.vp, vs, rock.density, self.options.water_layer)
        radius, threads = self.options.radius_m, self.threads
        if radius is None:
            found = curves(layers, points, gradient=gradient, threads=threads)
        else:
            found = curves_of_sphere(layers, points, radius, gradient=gradient, threads=threads)
        if not found.exists.all() and not self._warned:
            self._warned = True
            LOG.warning("%s", _lost(found, points, column, vs[-1]))
        return found, vs

    def close(self) -> None:
        """Nothing runs between calls."""

    def _jacobian(self, found: Curves, vs: Array, shot: int) -> Array:
        """Return the derivatives of velocities by the shear velocities, `(n, nz)`."""
        rock = self.options.scaling.rock(vs)
        by_vp, by_vs, by_density = (found.slopes[:, :, i] for i in range(3))
        by_layer = by_vs + by_vp * rock.vp_slope + by_density * rock.density_slope
        return np.asarray(by_layer[self._asked[shot][1], self.columns[shot].picks.group])


def _distinct(picks: DispersionPicks) -> tuple[Points, NDArray[np.intp]]:
    """Return each point once, and the point of every pick."""
    asked = np.column_stack([picks.wave, picks.mode, picks.period])
    found, which = np.unique(asked, axis=0, return_inverse=True)
    wave, mode = (found[:, i].astype(np.int32) for i in (0, 1))
    return Points(wave, mode, found[:, 2].copy()), np.reshape(which, -1)


def _lost(found: Curves, points: Points, column: Column, vs: float) -> str:
    """Return a message that tells modes which a model does not guide."""
    first = int((~found.exists).argmax())
    return (
        f"{int((~found.exists).sum())} of {len(found.exists)} points of the curve of column "
        f"(y, x) = ({column.y}, {column.x}) belong to modes that this model does not guide, "
        f"the first to {WAVES[points.wave[first]]} mode {points.mode[first]} at "
        f"{points.period[first]:g} s: they take vs of the half-space, {vs:g} m/s. Later models "
        "are not reported."
    )
