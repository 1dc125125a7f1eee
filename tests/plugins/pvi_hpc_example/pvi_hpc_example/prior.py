"""A prior: the same triangular density in every cell, most likely in the middle."""

from collections.abc import Iterable
from typing import ClassVar, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, PositiveFloat
from scipy.special import ndtr, ndtri
from torch import Tensor

from pvi_hpc.errors import Finding, ok
from pvi_hpc.grid import Cells
from pvi_hpc.priors.prior import IndependentPrior
from pvi_hpc.priors.settings import PriorSettings

__all__ = ["Triangular"]

Array = NDArray[np.float64]


class TriangularSettings(PriorSettings):
    """Independent cells; the velocity in the middle is the most likely."""

    kind: Literal["triangular"]
    lowest_m_s: PositiveFloat = Field(description="Lowest velocity of every cell [m/s].")
    highest_m_s: PositiveFloat = Field(description="Highest velocity of every cell [m/s].")


class Triangular(IndependentPrior):
    """Independent cells with a triangular density."""

    Options: ClassVar[type[PriorSettings]] = TriangularSettings

    @classmethod
    def from_options(cls, options: TriangularSettings, cells: Cells) -> Self:
        """Return the prior of the active cells."""
        one = np.ones(cells.n)
        return cls(options.lowest_m_s * one, options.highest_m_s * one)

    @classmethod
    def bounds(cls, options: TriangularSettings, cells: Cells) -> tuple[float, float]:
        """Return the lowest and the highest velocity of any cell [m/s]."""
        return options.lowest_m_s, options.highest_m_s

    @classmethod
    def check(cls, options: TriangularSettings, cells: Cells) -> Iterable[Finding]:
        """Tell the bounds."""
        low, high = cls.bounds(options, cells)
        yield ok("prior", f"triangular between {low:g} and {high:g} m/s.")

    @property
    def mean(self) -> Array:
        """Mean of every cell `(n,)` [m/s]."""
        return 0.5 * (self.lower + self.upper)

    @property
    def sd(self) -> Array:
        """Standard deviation of every cell `(n,)` [m/s]."""
        return (self.upper - self.lower) / np.sqrt(24)

    def _value(self, theta: Array) -> Array:
        # From the nearer bound: a share u of the width holds the probability 2 u^2.
        share = np.sqrt(0.5 * ndtr(-np.abs(theta))) * (self.upper - self.lower)
        return np.where(theta < 0, self.lower + share, self.upper - share)

    def _theta(self, m: Array) -> Array:
        width = self.upper - self.lower
        below = ndtri(np.clip(2 * ((m - self.lower) / width) ** 2, 0, 0.5))
        above = -ndtri(np.clip(2 * ((self.upper - m) / width) ** 2, 0, 0.5))
        return np.where(m < self.mean, below, above)

    def _log_density(self, m: Tensor) -> Tensor:
        width = torch.from_numpy(self.upper - self.lower)
        from_bound = torch.minimum(
            m - torch.from_numpy(self.lower), torch.from_numpy(self.upper) - m
        )
        return torch.log(4 * from_bound / width**2)

    def _log_slope(self, theta: Tensor, m: Tensor) -> Tensor:
        return -0.5 * theta**2 - 0.5 * np.log(2 * np.pi) - self._log_density(m)
