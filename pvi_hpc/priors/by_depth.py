"""Priors of independent cells whose laws come from tables by depth or from files by cell."""

from abc import abstractmethod
from collections.abc import Iterable
from typing import Annotated, Any, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import Discriminator, Field, Tag, model_validator

from pvi_hpc.errors import Finding, warning
from pvi_hpc.grid import Cells
from pvi_hpc.plugins import Depths, Values
from pvi_hpc.priors.correlations.cell_files import ArrayFile, read_array
from pvi_hpc.priors.prior import IndependentPrior
from pvi_hpc.priors.settings import PriorSettings

__all__ = ["ByDepthPrior", "Table", "TableSettings"]

Array = NDArray[np.float64]


def _branch(value: Any) -> str:
    return "[file]" if isinstance(value, (dict, ArrayFile)) else "[values]"


#: Values by depth, one for every node of `depth_m`, or by cell from a file.
Table: TypeAlias = Annotated[
    Annotated[Values, Tag("[values]")] | Annotated[ArrayFile, Tag("[file]")],
    Discriminator(_branch),
]


class TableSettings(PriorSettings):
    """Laws of cells by depth, from tables, or by cell, from files."""

    depth_m: Depths = Field((0.0,), description="Nodes of the tables below [m].")

    @property
    def tables(self) -> dict[str, Values]:
        """The tables by depth that are given, by name."""
        given = {name: getattr(self, name, None) for name in self._names()}
        return {name: table for name, table in given.items() if isinstance(table, tuple)}

    def cell_values(self, name: str, cells: Cells) -> Array:
        """Return a table in the active cells `(n,)`.

        It is linear between the nodes and constant beyond.

        Raises
        ------
        ConfigError
            If it comes from a file that does not fit the grid.
        """
        table: Values | ArrayFile = getattr(self, name)
        if isinstance(table, ArrayFile):
            return read_array(table, cells.grid.shape, f"prior.{name}")[cells.active]
        return np.asarray(np.interp(cells.depth, self.depth_m, table))

    def extreme(self, name: str, largest: bool, cells: Cells) -> float:
        """Return the smallest or the largest value of a table.

        Nodes beyond the grid count, too: a part of the grid then has the bounds of the whole.
        """
        table: Values | ArrayFile = getattr(self, name)
        if isinstance(table, ArrayFile):
            values = read_array(table, cells.grid.shape, f"prior.{name}")
            return float(values.max() if largest else values.min())
        return max(table) if largest else min(table)

    @classmethod
    def _names(cls) -> Iterable[str]:
        """Return the names of all that may be tables."""
        return [name for name in cls.model_fields if name.endswith("_m_s")]

    @model_validator(mode="after")
    def _tables(self) -> Self:
        tables = self.tables
        for name, table in tables.items():
            if len(table) != len(self.depth_m):
                raise ValueError(
                    f"'{name}' must have {len(self.depth_m)} values like 'depth_m', "
                    f"got {len(table)}"
                )
        if {"lower_m_s", "upper_m_s"} <= tables.keys():
            rows = self.depth_m, tables["lower_m_s"], tables["upper_m_s"]
            for z, a, b in zip(*rows, strict=True):
                if a >= b:
                    raise ValueError(
                        f"'lower_m_s' must be below 'upper_m_s', got {a} >= {b} at {z} m"
                    )
        if any(b <= a for a, b in zip(self.depth_m, self.depth_m[1:], strict=False)):
            raise ValueError(f"'depth_m' must increase, got {self.depth_m}")
        return self


class ByDepthPrior(IndependentPrior):
    """Independent cells whose law is that of `TableSettings`."""

    @classmethod
    @abstractmethod
    def from_options(cls, options: Any, cells: Cells) -> Self:
        """Return the prior of the active cells."""

    @classmethod
    def bounds(cls, options: Any, cells: Cells) -> tuple[float, float]:
        """Return the lowest and the highest velocity that any cell may have [m/s]."""
        low = options.extreme("lower_m_s", largest=False, cells=cells)
        return low, options.extreme("upper_m_s", largest=True, cells=cells)

    @classmethod
    def check(cls, options: TableSettings, cells: Cells) -> Iterable[Finding]:
        """Check that the tables cover the depths of the grid."""
        nodes, top, bottom = options.depth_m, cells.grid.origin[0], cells.grid.upper[0]
        if len(nodes) > 1 and (nodes[0] > top or nodes[-1] < bottom):
            yield warning(
                "prior.depth_m",
                f"covers {nodes[0]:g} to {nodes[-1]:g} m, the grid {top:g} to {bottom:g} m; "
                "the first and last values hold beyond.",
            )
