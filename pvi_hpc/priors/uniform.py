"""Every velocity between two bounds is equally likely."""

from typing import ClassVar, Literal, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from pydantic import Field
from scipy.special import ndtr, ndtri
from torch import Tensor

from pvi_hpc.grid import Cells
from pvi_hpc.numerics.standard_normal import HALF_LOG_2PI
from pvi_hpc.priors.by_depth import ByDepthPrior, Table, TableSettings
from pvi_hpc.priors.settings import PriorSettings

__all__ = ["Uniform", "UniformSettings"]

Array = NDArray[np.float64]


class UniformSettings(TableSettings):
    """Independent cells; every velocity between the bounds is equally likely."""

    kind: Literal["uniform"]
    lower_m_s: Table = Field(
        description="Lowest velocity at every node [m/s], or a file with that of every cell."
    )
    upper_m_s: Table = Field(
        description="Highest velocity at every node [m/s], or a file with that of every cell."
    )


class Uniform(ByDepthPrior):
    """Independent uniform cells between `lower` and `upper`, `(n,)` [m/s]."""

    Options: ClassVar[type[PriorSettings]] = UniformSettings

    def __init__(self, lower: ArrayLike, upper: ArrayLike) -> None:
        super().__init__(lower, upper)
        self._width: Array = self.upper - self.lower
        self._log_width = torch.from_numpy(np.log(self._width))

    @classmethod
    def from_options(cls, options: UniformSettings, cells: Cells) -> Self:
        """Return the prior of the active cells, tables linear between nodes."""
        lower, upper = (
            options.cell_values(f"{name}_m_s", cells) for name in ("lower", "upper")
        )
        return cls(lower, upper)

    @property
    def mean(self) -> Array:
        """Mean of every cell `(n,)` [m/s]."""
        return self.lower + 0.5 * self._width

    @property
    def sd(self) -> Array:
        """Standard deviation of every cell `(n,)` [m/s]."""
        sd: Array = self._width / np.sqrt(12)
        return sd

    def _value(self, theta: Array) -> Array:
        # From the nearer bound, so that both tails keep their digits.
        inside: Array = self._width * ndtr(-np.abs(theta))
        return np.where(theta < 0, self.lower + inside, self.upper - inside)

    def _theta(self, m: Array) -> Array:
        from_below = (m - self.lower) / self._width
        from_above = (self.upper - m) / self._width
        nearer: Array = ndtri(np.clip(np.minimum(from_below, from_above), 0, 0.5))
        return np.where(from_below < from_above, nearer, -nearer)

    def _log_density(self, m: Tensor) -> Tensor:
        return -self._log_width + 0 * m

    def _log_slope(self, theta: Tensor, m: Tensor) -> Tensor:
        return self._log_width - 0.5 * theta * theta - HALF_LOG_2PI
