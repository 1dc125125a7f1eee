"""A case for `pvi calibrate`: travel times through 5 x 5 cells, inverted with two families.

    pvi calibrate benchmarks/calibration_case.py:psvi --inversions 200 --workers 2

The slowness of a cell is `exp(0.3 theta)`, so that the posterior is no Gaussian; the prior of
`theta` correlates neighbours.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

import pvi_hpc
from pvi_hpc.numerics.random import keyed_rng

__all__ = ["Tomography", "mean_field", "psvi"]

SIDE, RAYS, NOISE = 5, 20, 0.1


def cells_of_rays() -> torch.Tensor:
    """Return the share `(RAYS, SIDE^2)` of each ray's length in each cell."""
    rng, steps = keyed_rng(1, "rays"), np.linspace(0, 1, 200)
    lengths = np.zeros((RAYS, SIDE, SIDE))
    for ray in lengths:
        start, end = np.array([0, rng.uniform()]), np.array([1, rng.uniform()])
        start, end = (start, end) if rng.uniform() < 0.5 else (start[::-1], end[::-1])
        cells = np.clip((start + steps[:, None] * (end - start)) * SIDE, 0, SIDE - 1e-9)
        np.add.at(ray, tuple(cells.astype(int).T), 1 / len(steps))
    return torch.from_numpy(lengths.reshape(RAYS, -1))


def prior_root() -> torch.Tensor:
    """Return the Cholesky factor of the prior's covariance, of length 1.5 cells."""
    places = np.stack(np.meshgrid(*2 * [np.arange(SIDE)], indexing="ij"), -1).reshape(-1, 2)
    distance = np.linalg.norm(places[:, None] - places[None], axis=2)
    return torch.from_numpy(np.linalg.cholesky(np.exp(-distance / 1.5)))


@dataclass(frozen=True)
class Tomography:
    """Inversions with one family."""

    family: Any
    draws: int = 200

    def invert(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Draw truth `index` and its travel times; return it with draws of the posterior."""
        torch.set_num_threads(1)
        rays, root, rng = cells_of_rays(), prior_root(), keyed_rng(2, "truth", index)
        truth = root @ torch.from_numpy(rng.standard_normal(SIDE**2))
        data = rays @ (0.3 * truth).exp() + NOISE * torch.from_numpy(rng.standard_normal(RAYS))

        def log_prob(theta: torch.Tensor) -> torch.Tensor:
            residual = ((0.3 * theta).exp() @ rays.T - data) / NOISE
            white = torch.linalg.solve_triangular(root, theta.T, upper=False)
            return -0.5 * (residual**2).sum(dim=1) - 0.5 * (white**2).sum(dim=0)

        posterior = pvi_hpc.fit(
            log_prob, (SIDE, SIDE), family=self.family, iterations=300, samples=4, seed=index
        )
        return truth.numpy(), posterior.sample(self.draws).reshape(self.draws, -1)


mean_field = Tomography("mean_field")
psvi = Tomography({"kind": "structured", "options": {"stencil": [1, 5, 5]}})
