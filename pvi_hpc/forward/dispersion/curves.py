"""Dispersion curves of layered models by the compiled solver, and their derivatives."""

from dataclasses import dataclass
from functools import cache
from typing import Any, Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pvi_hpc.errors import SolverError
from pvi_hpc.numerics.native import Native

__all__ = ["WAVES", "Curves", "Layers", "Points", "Wave", "count_modes", "curves", "load"]

Array = NDArray[np.float64]
Wave = Literal["rayleigh", "love"]

#: Waves in the order of their numbers.
WAVES: Final[tuple[Wave, ...]] = ("rayleigh", "love")
WHAT_FAILED: Final = {
    "PVI_DISPERSION_BAD_SHAPE": "there must be a layer, modes from 0 on and positive periods",
    "PVI_DISPERSION_BAD_POINTER": "a required array is missing",
    "PVI_DISPERSION_BAD_MODEL": "velocities, densities and thicknesses must be positive and "
    "finite, and vp larger than vs sqrt(4 / 3)",
    "PVI_DISPERSION_NO_MEMORY": "there is not enough memory",
    "PVI_DISPERSION_LOST": "a velocity or a derivative is not finite",
}


@cache
def load() -> Native:
    """Return the library, loaded once; SolverError if it is not installed."""
    return Native.load("dispersion", WHAT_FAILED, "PVI_DISPERSION_LOST")


@dataclass(frozen=True)
class Layers:
    """Solid layers from the top down, the last one a half-space; perhaps water above.

    Parameters
    ----------
    thickness
        Thickness of each layer `(n,)` [m]; that of the half-space is not used.
    vp, vs
        Velocities `(n,)` [m/s].
    density
        Densities `(n,)` [kg/m3].
    water
        Thickness [m], velocity [m/s] and density [kg/m3] of the water; thickness 0: none.
    """

    thickness: Array
    vp: Array
    vs: Array
    density: Array
    water: tuple[float, float, float] = (0.0, 1500.0, 1000.0)


class Points(NamedTuple):
    """Points of dispersion curves: wave (0: Rayleigh, 1: Love), mode and period [s], `(n,)`."""

    wave: NDArray[np.int32]
    mode: NDArray[np.int32]
    period: Array


class Curves(NamedTuple):
    """Velocities at some points, and their derivatives.

    Parameters
    ----------
    phase, group
        Velocities `(n,)` [m/s].
    exists
        False where the mode is not guided `(n,)`; both velocities are then vs of the
        half-space.
    slopes
        Derivatives of phase and group velocity by vp, vs and density, `(n, 2, 3, layers)`;
        empty if they were not asked for.
    """

    phase: Array
    group: Array
    exists: NDArray[np.bool_]
    slopes: Array


def curves(
    layers: Layers, points: Points, *, gradient: bool = False, threads: int = 1
) -> Curves:
    """Return the velocities of some modes, and their derivatives if `gradient`.

    The derivatives are exact ones of the layered model, by implicit differentiation of the
    secular function (see `solvers/dispersion/dispersion.h`). Bits do not depend on the number
    of threads.

    Raises
    ------
    SolverError
        If the model is impossible.
    NonFiniteError
        If a velocity or a derivative is not finite.

    Examples
    --------
    >>> half_space = Layers(*np.array([[1.0], [1732.05081], [1000.0], [2000.0]]))
    >>> point = Points(np.zeros(1, np.int32), np.zeros(1, np.int32), np.array([2.0]))
    >>> float(curves(half_space, point).phase.round(2)[0])
    919.4
    """
    native, n = load(), len(points.period)
    phase, group, exists = np.empty(n), np.empty(n), np.empty(n, np.int32)
    slopes = np.empty((n, 2, 3, len(layers.vs)) if gradient else 0)
    model, _held = _model(native, layers)
    asked = (
        np.ascontiguousarray(points.wave, np.int32),
        np.ascontiguousarray(points.mode, np.int32),
        np.ascontiguousarray(points.period, np.float64),
    )
    fields = [n, *(native.pointer(a) for a in asked), threads]
    native.call(
        "curve",
        model,
        native.ffi.new("pvi_dispersion_points *", fields),
        *(native.pointer(a) for a in (phase, group, exists)),
        native.pointer(slopes) if gradient else native.ffi.NULL,
    )
    return Curves(phase, group, exists.astype(bool), slopes)


def count_modes(layers: Layers, wave: Wave, period: float, velocity: float) -> int:
    """Return the number of modes slower than a phase velocity [m/s] below vs of the half-space.

    Raises
    ------
    SolverError
        If the model is impossible, or the velocity out of that range.
    """
    native = load()
    model, _held = _model(native, layers)
    found = native.lib.pvi_dispersion_count(model, WAVES.index(wave), period, velocity)
    if found < 0:
        raise SolverError(f"dispersion count: {WHAT_FAILED['PVI_DISPERSION_BAD_MODEL']}.")
    return int(found)


def _model(native: Native, layers: Layers) -> tuple[Any, tuple[Array, ...]]:
    """Return the model as C takes it, and the arrays that must outlive it."""
    arrays = tuple(
        np.ascontiguousarray(a, np.float64)
        for a in (layers.thickness, layers.vp, layers.vs, layers.density)
    )
    assert len({a.shape for a in arrays}) == 1
    fields = [len(layers.vs), *(native.pointer(a) for a in arrays), *layers.water]
    return native.ffi.new("pvi_dispersion_model *", fields), arrays
