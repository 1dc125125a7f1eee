"""Component that a receiver records: pressure, or particle velocity along an axis."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["AXIS", "integrate", "integrate_adjoint"]

#: Axis of a particle velocity; z points down.
AXIS: Final = {"vz": 0, "vy": 1, "vx": 2}


def integrate(slopes: NDArray[Any], factor: float) -> NDArray[Any]:
    r"""Return particle velocity from the pressure's slope `(n_rec, nt)` along its axis.

    :math:`v = -\frac{1}{\rho} \int \partial p\,dt`, by the trapezoidal rule from rest at
    sample 0; `factor` is the time step over the density [s m^3/kg].
    """
    total = np.cumsum(slopes, axis=1, dtype=np.float64) - 0.5 * slopes
    return np.ascontiguousarray(-factor * total, dtype=slopes.dtype)


def integrate_adjoint(velocities: NDArray[Any], factor: float) -> NDArray[Any]:
    """Apply the transpose of `integrate`."""
    later = np.cumsum(velocities[:, ::-1], axis=1, dtype=np.float64)[:, ::-1]
    total = later - 0.5 * velocities
    return np.ascontiguousarray(-factor * total, dtype=velocities.dtype)
