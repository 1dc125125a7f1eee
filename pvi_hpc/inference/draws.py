"""The standard normal numbers of an iteration, keyed by `(seed, purpose, iteration, ...)`."""

from dataclasses import dataclass

import numpy as np
import torch
from scipy.special import ndtri
from torch import Tensor

from pvi_hpc.inference.settings import EstimatorSettings
from pvi_hpc.numerics.random import keyed_rng, standard_normal
from pvi_hpc.numerics.reproducible import inner_products, one_thread

__all__ = ["Draws", "matched_pairs"]


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
        Seed of all random numbers.
    """

    n: int
    samples: int
    settings: EstimatorSettings
    seed: int
    dtype: torch.dtype = torch.float64

    def normal(self, purpose: str, first: int, count: int) -> Tensor:
        """Return the independent numbers `(count, n)` of the keys `first`, `first + 1`, ..."""
        out = torch.empty(count, self.n, dtype=self.dtype)
        keys = [(self.seed, purpose, i) for i in range(first, first + count)]
        standard_normal(out.numpy(), keys, torch.get_num_threads())
        return out

    def epsilon(self, iteration: int) -> Tensor:
        """Return `eps` `(S, n)`; of pairs, samples 2 p and 2 p + 1 are opposite."""
        eps = torch.empty(self.samples, self.n, dtype=self.dtype)
        drawn = eps[::2] if self.settings.draws == "pairs" else eps
        keys = [(self.seed, "epsilon", iteration, i) for i in range(len(drawn))]
        standard_normal(drawn.numpy(), keys, torch.get_num_threads())
        if self.settings.draws == "pairs":
            torch.neg(drawn, out=eps[1::2])
        if self.settings.draws == "sobol":
            leading = self._sobol(iteration)
            eps[:, : leading.shape[1]] = torch.from_numpy(leading)
        return eps

    def _sobol(self, iteration: int) -> "np.ndarray[tuple[int, int], np.dtype[np.float64]]":
        """Return scrambled Sobol points (Owen 1998) `(S, leading)` as normal numbers."""
        from scipy.stats import qmc  # Half a second, which other draws do not wait.

        leading = min(self.n, self.settings.sobol_coordinates)
        rng = keyed_rng(self.seed, "sobol", iteration)
        points = qmc.Sobol(leading, scramble=True, seed=rng).random(self.samples)
        # A coordinate can be 0 exactly, with probability 2^-30.
        normal: np.ndarray[tuple[int, int], np.dtype[np.float64]] = ndtri(
            np.clip(points, 2.0**-31, 1 - 2.0**-31)
        )
        return normal


def matched_pairs(n: int, samples: int, seed: int, *key: int) -> Tensor:
    """Return `eps` `(S, n)`, pairs eps and -eps, with mean zero and, if they can, covariance I.

    They can where there are as many pairs as unknowns: then means of quadratic functions over
    them are exact, whatever the random numbers.
    """
    half = samples // 2
    eps = torch.empty(half, n, dtype=torch.float64)
    for i, row in enumerate(eps):
        keyed_rng(seed, "fixed", *key, i).standard_normal(out=row.numpy())
    if half >= n:
        columns = eps.T.contiguous()
        with one_thread():
            root = torch.linalg.cholesky(inner_products(columns, columns) / half)
            eps = torch.linalg.solve_triangular(root, columns, upper=False).T.contiguous()
    return torch.cat([eps, -eps])
