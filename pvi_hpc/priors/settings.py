"""Settings of a prior: the keys of every kind."""

from typing import ClassVar

from pydantic import Field

from pvi_hpc.grid import Cells, Grid
from pvi_hpc.plugins import KindSettings

__all__ = ["PriorSettings"]


class PriorSettings(KindSettings):
    """The prior: the density of models before the data."""

    group: ClassVar[str] = "pvi_hpc.priors"
    section: ClassVar[str] = "prior"

    kind: str = Field(
        description="uniform, normal, matern, whittle_matern, smoothed, or another prior."
    )
    fixed_above_m: float | None = Field(
        None, description="Cells above this depth keep the starting model (a water layer)."
    )

    def cells(self, grid: Grid) -> Cells:
        """Return the cells of a grid, those above `fixed_above_m` not active."""
        return Cells.of(grid, self.fixed_above_m)
