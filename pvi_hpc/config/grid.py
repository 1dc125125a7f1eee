"""Settings of the grid."""

import numpy as np
from pydantic import Field, PositiveFloat, field_validator

from pvi_hpc.grid import Grid
from pvi_hpc.plugins import Axes, Counts, Settings

__all__ = ["GridSettings"]


class GridSettings(Settings):
    """The grid of the inversion."""

    shape: Counts = Field(
        description="Numbers of cells (nz, ny, nx), one along the axes that a 1D or 2D problem "
        "lacks."
    )
    spacing_m: PositiveFloat | Axes = Field(description="Cell size [m], one or (dz, dy, dx).")
    origin_m: Axes = Field((0.0, 0.0, 0.0), description="Coordinates (z, y, x) of cell 0 [m].")

    @field_validator("spacing_m")
    @classmethod
    def _positive(cls, value: float | Axes) -> float | Axes:
        if np.min(value) <= 0:
            raise ValueError(f"must be positive on every axis, got {value}")
        return value

    @property
    def grid(self) -> Grid:
        """The grid these settings describe."""
        h = self.spacing_m
        return Grid(self.shape, h if isinstance(h, tuple) else (h, h, h), self.origin_m)
