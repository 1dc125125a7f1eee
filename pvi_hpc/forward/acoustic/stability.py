"""Limits of the wave solver: longest stable time step, coarsest accurate grid."""

from collections.abc import Mapping, Sequence
from math import sqrt
from typing import Final

from pvi_hpc.errors import ConfigError

__all__ = ["GOOD_POINTS", "SECOND_DERIVATIVE", "max_time_step", "points_per_wavelength"]

#: Centred weights of the second derivative by order, times spacing squared (Fornberg 1988).
SECOND_DERIVATIVE: Final[Mapping[int, tuple[float, ...]]] = {
    4: (-5 / 2, 4 / 3, -1 / 12),
    8: (-205 / 72, 8 / 5, -1 / 5, 8 / 315, -1 / 560),
    12: (-5369 / 1800, 12 / 7, -15 / 56, 10 / 189, -1 / 112, 2 / 1925, -1 / 16632),
}

#: Points per wavelength from which on the spatial phase error of an order is below 1 %.
GOOD_POINTS: Final[Mapping[int, float]] = {4: 5.3, 8: 3.5, 12: 3.0}


def max_time_step(v_max: float, spacing: Sequence[float], *, order: int = 8) -> float:
    r"""Return the largest stable leapfrog time step [s] of the solver.

    Stable while :math:`v\,\Delta t \sqrt{\sum_i a / h_i^2} \le 2`, with :math:`a` the sum of
    the absolute stencil weights of an axis [1]_.

    Parameters
    ----------
    v_max
        Fastest wave speed the model can have [m/s].
    spacing
        Distance between cells `(dz, dy, dx)` [m].
    order
        Order of accuracy in space: 4, 8 or 12.

    Raises
    ------
    ConfigError
        If a length or speed is not positive, or no stencil has that order.

    References
    ----------
    .. [1] Lines, Slawinski & Bording (1999), Geophysics 64(3), 967-969.

    Examples
    --------
    >>> round(max_time_step(2000.0, (10.0, 10.0, 10.0)), 6)
    0.002264
    """
    if not v_max > 0 or not all(h > 0 for h in spacing):
        raise ConfigError(
            f"'v_max' and 'spacing' must be positive, got {v_max} m/s and {tuple(spacing)} m."
        )
    if order not in SECOND_DERIVATIVE:
        raise ConfigError(f"'order' must be one of {list(SECOND_DERIVATIVE)}, got {order}.")
    centre, *others = SECOND_DERIVATIVE[order]
    weights = abs(centre) + 2 * sum(map(abs, others))
    return 2 / (v_max * sqrt(weights * sum(h**-2 for h in spacing)))


def points_per_wavelength(v_min: float, spacing: Sequence[float], f_max: float) -> float:
    """Return the grid points per shortest wavelength, along the coarsest axis.

    From `GOOD_POINTS` on the spatial phase error is below 1 %.

    Parameters
    ----------
    v_min
        Slowest wave speed the model can have [m/s].
    spacing
        Distance between cells `(dz, dy, dx)` [m].
    f_max
        Highest frequency of the source [Hz].

    Raises
    ------
    ConfigError
        If an argument is not positive.

    Examples
    --------
    >>> points_per_wavelength(1500.0, (25.0, 50.0, 50.0), 6.0)
    5.0
    """
    if not v_min > 0 or not f_max > 0 or not all(h > 0 for h in spacing):
        raise ConfigError(
            "'v_min', 'spacing' and 'f_max' must be positive, got "
            f"{v_min} m/s, {tuple(spacing)} m and {f_max} Hz."
        )
    return v_min / (f_max * max(spacing))
