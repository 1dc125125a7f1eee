"""The standard normal numbers of an iteration, keyed by `(seed, purpose, iteration, ...)`."""

from dataclasses import dataclass

import numpy as np
import torch
from scipy.special import ndtri
from scipy.stats import qmc
from torch import Tensor

from pvi_hpc.config.inference import Estimator
from pvi_hpc.random import keyed_rng

__all__ = ["Draws"]


@dataclass(frozen=True)
class Draws:
    """Makes `eps` `(S, n)` of the given dtype.

    Parameters
    ----------
    n, samples
        Unknowns, and samples `S` of an iteration.
    settings
        Pairs, independent or Sobol points.
    seed
        Of all numbers.
    """

    n: int
    samples: int
    settings: Estimator
    seed: int
    dtype: torch.dtype = torch.float64

    def normal(self, purpose: str, *index: int) -> Tensor:
        """Return the independent numbers `(n,)` of a key."""
        rng = keyed_rng(self.seed, purpose, *index)
        return torch.from_numpy(rng.standard_normal(self.n)).to(self.dtype)

    def epsilon(self, iteration: int) -> Tensor:
        """Return `eps` `(S, n)`; of pairs, samples 2 p and 2 p + 1 are opposite."""
        if self.settings.draws == "pairs":
            pairs = [self.normal("epsilon", iteration, p) for p in range(self.samples // 2)]
            return torch.stack([x for half in pairs for x in (half, -half)])
        keys = range(self.samples)
        eps = torch.stack([self.normal("epsilon", iteration, key) for key in keys])
        if self.settings.draws == "sobol":
            leading = self._sobol(iteration)
            eps[:, : leading.shape[1]] = torch.from_numpy(leading)
        return eps

    def _sobol(self, iteration: int) -> "np.ndarray[tuple[int, int], np.dtype[np.float64]]":
        """Return scrambled Sobol points (Owen 1998) `(S, leading)` as normal numbers."""
        leading = min(self.n, self.settings.sobol_coordinates)
        rng = keyed_rng(self.seed, "sobol", iteration)
        points = qmc.Sobol(leading, scramble=True, seed=rng).random(self.samples)
        # A coordinate can be 0 exactly, with probability 2^-30.
        normal: np.ndarray[tuple[int, int], np.dtype[np.float64]] = ndtri(
            np.clip(points, 2.0**-31, 1 - 2.0**-31)
        )
        return normal
