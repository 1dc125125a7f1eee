"""The velocity model that an inversion starts from."""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from pvi_hpc.config import Run
from pvi_hpc.data.model_file import read_model
from pvi_hpc.data.settings import ProfileSettings
from pvi_hpc.grid import Cells
from pvi_hpc.priors.load import load_prior

__all__ = ["starting_model"]


def starting_model(run: Run) -> NDArray[np.float64]:
    """Return the starting model `(nz, ny, nx)` [m/s], smoothed where the settings ask for it.

    Fixed cells are neither smoothed nor mixed into the free ones: water stays water, and
    the sea bed stays where it is.

    Raises
    ------
    ConfigError
        If its file does not fit the grid.
    """
    grid = run.grid.grid
    model = run.start.model
    if model == "prior_mean":
        prior = load_prior(run.prior, Cells.of(grid))
        middle = prior.from_normal(torch.zeros(1, grid.size, dtype=torch.float64))
        values = middle.numpy().reshape(grid.shape)
    elif isinstance(model, ProfileSettings):
        depths = np.interp(grid.axis(0), model.depth_m, model.velocity_m_s)
        values = np.broadcast_to(depths[:, None, None], grid.shape)
    else:
        values = read_model(model, grid)
    lengths = [run.start.smooth_m / h for h in grid.spacing]
    start: NDArray[np.float64] = values.astype(np.float64)
    box = run.cells.box
    if box is not None:
        start[box] = gaussian_filter(start[box], lengths, mode="nearest")
    return start
