"""Priors of independent cells by depth: tables of bounds, linear between nodes."""

from abc import abstractmethod
from collections.abc import Iterable
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from pvi_hpc.errors import Finding, warning
from pvi_hpc.grid import Cells
from pvi_hpc.plugins import Depths, Values
from pvi_hpc.priors.prior import IndependentPrior
from pvi_hpc.priors.settings import PriorSettings

__all__ = ["ByDepthPrior", "ByDepthSettings"]

Array = NDArray[np.float64]


class ByDepthSettings(PriorSettings):
    """Bounds by depth; every velocity stays inside `lower_m_s` and `upper_m_s`."""

    depth_m: Depths = Field(description="Nodes of the tables below [m].")
    lower_m_s: Values = Field(description="Lowest velocity at every node [m/s].")
    upper_m_s: Values = Field(description="Highest velocity at every node [m/s].")

    def at(self, depth: Array, table: Values) -> Array:
        """Return a table at `depth` `(n,)` [m]: linear between nodes, constant beyond."""
        values: Array = np.interp(depth, self.depth_m, table)
        return values

    @model_validator(mode="after")
    def _tables(self) -> Self:
        self._check_length("lower_m_s", "upper_m_s")
        for z, a, b in zip(self.depth_m, self.lower_m_s, self.upper_m_s, strict=True):
            if a >= b:
                raise ValueError(
                    f"'lower_m_s' must be below 'upper_m_s', got {a} >= {b} at {z} m"
                )
        if any(b <= a for a, b in zip(self.depth_m, self.depth_m[1:], strict=False)):
            raise ValueError(f"'depth_m' must increase, got {self.depth_m}")
        return self

    def _check_length(self, *names: str) -> None:
        for name in names:
            if len(getattr(self, name)) != len(self.depth_m):
                raise ValueError(
                    f"'{name}' must have {len(self.depth_m)} values like 'depth_m', "
                    f"got {len(getattr(self, name))}"
                )


class ByDepthPrior(IndependentPrior):
    """Independent cells whose law is given by depth, with the bounds of `ByDepthSettings`."""

    @classmethod
    @abstractmethod
    def from_options(cls, options: Any, cells: Cells) -> Self:
        """Return the prior of the active cells."""

    @classmethod
    def bounds(cls, options: ByDepthSettings, cells: Cells) -> tuple[float, float]:
        """Return the lowest and the highest velocity of the tables [m/s].

        Nodes beyond the grid count, too: a part of the grid then has the bounds of the whole.
        """
        return min(options.lower_m_s), max(options.upper_m_s)

    @classmethod
    def check(cls, options: ByDepthSettings, cells: Cells) -> Iterable[Finding]:
        """Check that the tables cover the depths of the grid."""
        nodes, top, bottom = options.depth_m, cells.grid.origin[0], cells.grid.upper[0]
        if len(nodes) > 1 and (nodes[0] > top or nodes[-1] < bottom):
            yield warning(
                "prior.depth_m",
                f"covers {nodes[0]:g} to {nodes[-1]:g} m, the grid {top:g} to {bottom:g} m; "
                "the first and last values hold beyond.",
            )
