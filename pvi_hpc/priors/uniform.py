"""Every velocity between two bounds is equally likely."""

from typing import Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri
from torch import Tensor

from pvi_hpc.numerics.standard_normal import HALF_LOG_2PI
from pvi_hpc.priors.prior import IndependentPrior
from pvi_hpc.priors.settings import PriorSettings

__all__ = ["Uniform"]

Array = NDArray[np.float64]


class Uniform(IndependentPrior):
    """Independent uniform cells between `lower` and `upper`, `(n,)` [m/s]."""

    def __init__(self, lower: ArrayLike, upper: ArrayLike) -> None:
        super().__init__(lower, upper)
        self._width: Array = self.upper - self.lower
        self._log_width = torch.from_numpy(np.log(self._width))
        self.mean = self.lower + 0.5 * self._width
        self.sd = self._width / np.sqrt(12)

    @classmethod
    def from_settings(cls, settings: PriorSettings, depth: Array) -> Self:
        """Return the prior of cells at `depth` `(n,)` [m], tables linear between nodes."""
        tables = settings.lower_m_s, settings.upper_m_s
        return cls(*(np.interp(depth, settings.depth_m, table) for table in tables))

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
