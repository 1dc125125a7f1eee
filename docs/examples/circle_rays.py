"""Travel times along straight rays between sensors on a circle, through few cells.

`python docs/examples/circle_rays.py` writes the observed times of a slow disc, `observed.npy`.
"""

from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from pvi_hpc.data.picks import Picks
from pvi_hpc.forward.linear.rays import ray_lengths
from pvi_hpc.grid import Grid

__all__ = ["travel_times"]

Array = NDArray[np.float64]
#: Standard deviation of the noise of the observed times [s].
NOISE_SD = 0.05


@lru_cache
def lengths(shape: tuple[int, ...], spacing_m: float, sensors: int) -> csr_array:
    """Return the length [m] of each ray in each cell, `(rays, cells)`."""
    grid = Grid(shape, (spacing_m,) * 3, (0.0, 0.0, 0.0))
    middle = spacing_m * (np.array(shape) - 1) / 2
    radius = 0.999 * (min(shape[1:]) / 2) * spacing_m
    angle = 2 * np.pi * np.arange(sensors) / sensors
    circle = radius * np.stack([0 * angle, np.sin(angle), np.cos(angle)], axis=1)
    first, second = np.triu_indices(sensors, 1)
    ends = middle + circle[first], middle + circle[second]
    picks = Picks("metres", *ends, times=np.zeros(len(first)), noise_sd=None)
    return ray_lengths(grid, picks)


def travel_times(model: Array, spacing_m: float, sensors: int):
    """Return the time [s] between each two sensors, and the function that pulls back.

    `model` is `(1, ny, nx)` [m/s].
    """
    matrix = lengths(model.shape, spacing_m, sensors)

    def pull_back(derivative: Array) -> Array:
        return -(matrix.T @ derivative).reshape(model.shape) / model**2

    return matrix @ (1 / model.ravel()), pull_back


def main() -> None:
    """Write the noisy times of a disc of 1 km/s in rock of 2 km/s."""
    y, x = np.mgrid[-2:3, -2:3]
    truth = np.where(np.hypot(y, x) < 1.5, 1000.0, 2000.0)[None]
    times, _ = travel_times(truth, 1000.0, 12)
    noise = NOISE_SD * np.random.default_rng(1).standard_normal(len(times))
    np.save(Path("observed.npy"), times + noise)
    np.save(Path("truth.npy"), truth)


if __name__ == "__main__":
    main()
