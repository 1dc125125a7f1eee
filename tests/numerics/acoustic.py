"""A small, awkward problem for the acoustic solver: nothing cubic, nothing on the grid."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pvi_hpc.forward.acoustic.acoustic_solver import SolverSettings
from pvi_hpc.forward.acoustic.stability import max_time_step

FASTEST = 3000.0


def settings(**changes: Any) -> SolverSettings:
    """Non-cubic shape, three different spacings."""
    spacing = (10.0, 12.0, 11.0)
    defaults: dict[str, Any] = {
        "shape": (19, 22, 25),
        "spacing": spacing,
        "dt": 0.8 * max_time_step(FASTEST, spacing, order=changes.get("order", 8)),
        "pml_velocity": 2500.0,
        "pml_frequency": 15.0,
        "n_pml": 6,
        "dtype": "float64",
    }
    return SolverSettings(**(defaults | changes))


def model(rng: np.random.Generator, grid: SolverSettings) -> NDArray[np.float64]:
    """Rough everywhere, also in the edge cells that the layer repeats."""
    return rng.uniform(0.6, 0.95, grid.shape) * FASTEST


def points(rng: np.random.Generator, grid: SolverSettings, n: int) -> NDArray[np.float64]:
    """Off-grid positions, some within reach of the layer or the free surface."""
    extent = (np.array(grid.shape) - 1) * grid.spacing
    return rng.uniform(0.05, 1.0, (n, 3)) * extent


def ricker(peak: float, t: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ricker wavelet with its peak at 1.2 / peak."""
    x = (np.pi * peak * (t - 1.2 / peak)) ** 2
    return (1 - 2 * x) * np.exp(-x)
