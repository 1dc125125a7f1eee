"""From unknowns `theta` `(S, n)` of the active cells to velocity models, and back."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pvi_hpc.errors import ConfigError
from pvi_hpc.grid import Cells
from pvi_hpc.inference.settings import CoordinateName
from pvi_hpc.priors.load import load_prior
from pvi_hpc.priors.prior import Prior
from pvi_hpc.priors.settings import PriorSettings
from pvi_hpc.problem.coordinates import Coordinates, load_coordinates

__all__ = ["ModelMap"]

Array = NDArray[np.float64]

#: Distance of a starting model outside the bounds that still counts as rounding [m/s].
ROUNDING: Final = 1e-3


@dataclass(frozen=True)
class ModelMap:
    """The map between `theta` and models.

    Parameters
    ----------
    prior
        Prior of the active cells, in the order of the flattened grid.
    cells
        Grid and unknown cells; the others keep the starting model.
    start
        Starting model `(nz, ny, nx)` [m/s].
    coordinates
        Coordinates in which `theta` is.
    """

    prior: Prior
    cells: Cells
    start: Array
    coordinates: Coordinates

    @classmethod
    def build(
        cls,
        cells: Cells,
        settings: PriorSettings,
        start: NDArray[Any],
        coordinates: CoordinateName = "whitened",
    ) -> "ModelMap":
        """Return the map of a configuration and a starting model `(nz, ny, nx)` [m/s].

        Raises
        ------
        ConfigError
            If the start has another shape or leaves the prior's bounds, no cell is active, or
            the prior has not these coordinates.
        """
        grid = cells.grid
        if start.shape != grid.shape or not np.isfinite(start).all():
            raise ConfigError(
                f"The starting model must be finite and have shape {grid.shape}, "
                f"got shape {start.shape}."
            )
        if not cells.n:
            raise ConfigError(
                f"'prior.fixed_above_m' must be above the last cell at {grid.upper[0]} m, "
                f"got {settings.fixed_above_m} m, which leaves no unknown."
            )
        prior = load_prior(settings, cells)
        _check_bounds(prior, cells.depth, start[cells.active])
        its = load_coordinates(prior, coordinates)
        return cls(prior, cells, np.asarray(start, dtype=np.float64), its)

    @property
    def n(self) -> int:
        """Number of unknowns."""
        return self.cells.n

    @property
    def active(self) -> NDArray[np.bool_]:
        """Unknown cells `(nz, ny, nx)`."""
        return self.cells.active

    def models(self, theta: Tensor) -> Tensor:
        """Return models `(S, nz, ny, nx)` [m/s] of `theta` `(S, n)`, differentiable."""
        values = self.coordinates.velocities(theta)
        full = torch.from_numpy(self.start).expand(len(theta), *self.active.shape)
        where = torch.from_numpy(self.active).expand_as(full)
        return full.masked_scatter(where, values)

    def unknowns(self, models: Tensor) -> Tensor:
        """Return `theta` `(S, n)` of models `(S, nz, ny, nx)` [m/s]."""
        return self.coordinates.unknowns(models[:, torch.from_numpy(self.active)])

    def start_theta(self) -> Tensor:
        """Return `theta` `(n,)` of the starting model, or near it where the prior wants it."""
        return self.coordinates.start(torch.from_numpy(self.start[self.active])[None])[0]

    def start_model(self) -> Array:
        """Return the model `(nz, ny, nx)` [m/s] that an inversion really starts from."""
        return self.models(self.start_theta()[None])[0].numpy()

    def expand(self, values: NDArray[Any], fixed: float | Array) -> Array:
        """Put `values` `(..., n)` on the grid, `(..., nz, ny, nx)`, and `fixed` elsewhere."""
        full = np.empty((*values.shape[:-1], *self.active.shape))
        full[...] = fixed
        full[..., self.active] = values
        return full


def _check_bounds(prior: Prior, depth: Array, start: Array) -> None:
    outside = (start < prior.lower - ROUNDING) | (start > prior.upper + ROUNDING)
    if not outside.any():
        return
    i = int(outside.argmax())
    raise ConfigError(
        f"The starting model must lie inside the prior's bounds, but {int(outside.sum())} of "
        f"{len(start)} cells do not; the first, at a depth of {depth[i]:g} m, has "
        f"{start[i]:g} m/s, not {prior.lower[i]:g} to {prior.upper[i]:g} m/s. Widen "
        "'prior.lower_m_s' and 'prior.upper_m_s', change 'start.model', or set "
        "'prior.fixed_above_m' below the water."
    )
