"""Settings of a prior: the keys of every kind."""

from typing import Any, ClassVar

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from pvi_hpc.grid import Cells, Grid
from pvi_hpc.plugins import KindSettings

__all__ = ["PriorSettings"]


class PriorSettings(KindSettings):
    """The prior: the density of models before the data."""

    group: ClassVar[str] = "pvi_hpc.priors"
    section: ClassVar[str] = "prior"
    #: Keys that came later, left out where nobody set them: begun runs know nothing of them.
    later: ClassVar[frozenset[str]] = frozenset()

    kind: str = Field(
        description="uniform, normal, matern, whittle_matern, smoothed, or another prior."
    )
    fixed_above_m: float | None = Field(
        None, description="Cells above this depth keep the starting model (a water layer)."
    )

    @model_serializer(mode="wrap")
    def _without_unset(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        tree: dict[str, Any] = handler(self)
        return {k: v for k, v in tree.items() if v is not None or k not in self.later}

    def cells(self, grid: Grid) -> Cells:
        """Return the cells of a grid, those above `fixed_above_m` not active."""
        return Cells.of(grid, self.fixed_above_m)
