"""The forward problem of `straight_rays.c` as a function: `forward: {kind: function}`."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["travel_times"]

Array = NDArray[np.float64]


def travel_times(model: Array, spacing_m: float):
    """Return travel times [s] of all lines of cells, and the function that pulls back.

    `model` is `(nz, ny, nx)` [m/s]; there are `ny nx + nz nx + nz ny` times.
    """
    slowness = spacing_m / model
    times = np.concatenate([slowness.sum(axis=axis).ravel() for axis in range(3)])
    ends = np.cumsum([times_of.size for times_of in (slowness[0], slowness[:, 0])])

    def pull_back(adjoint_source: Array) -> Array:
        gradient = np.zeros(model.shape)
        for axis, part in enumerate(np.split(adjoint_source, ends)):
            shape = list(model.shape)
            shape[axis] = 1
            gradient -= part.reshape(shape) * spacing_m / model**2
        return gradient

    return times, pull_back
