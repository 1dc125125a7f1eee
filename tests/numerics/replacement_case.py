"""Linear data on a small grid: posterior and evidence under every normal prior are exact."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from pvi_hpc.answers.replacement.change import PriorChange
from pvi_hpc.answers.replacement.implied import ImpliedTarget
from pvi_hpc.families.gaussian.gaussian import GaussianFamily
from pvi_hpc.families.gaussian.precision import DensePrecision
from pvi_hpc.grid import Cells, Grid
from pvi_hpc.library.make import make_family, make_prior
from pvi_hpc.problem.coordinates import load_coordinates
from pvi_hpc.problem.model_map import ModelMap

SHAPE = (3, 1, 4)
N = 12
CELLS = Cells.of(Grid(SHAPE, (10.0, 10.0, 10.0)))
#: Noise sd of the data [m/s].
NOISE = 60.0


@dataclass(frozen=True)
class NormalCase:
    """A normal prior of mean and sd [m/s], cells alike over a length in cells."""

    mean: float
    sd: float
    length: float

    @cached_property
    def covariance(self):
        z, x = np.meshgrid(np.arange(3), np.arange(4), indexing="ij")
        place = np.stack([z.ravel(), x.ravel()], axis=1)
        distance = np.sqrt(np.square(place[:, None] - place).sum(axis=2))
        return self.sd**2 * np.exp(-distance / self.length)

    def model_map(self, coordinates="whitened"):
        table = {"depth_m": [0, 30], "mean_m_s": [self.mean] * 2}
        rows = self.covariance.tolist()
        return map_of(
            make_prior("normal", SHAPE, spacing_m=10, covariance=rows, **table), coordinates
        )

    def exact(self, operator, data):
        """Return mean, precision and log evidence of the posterior of linear data."""
        prior = np.full(N, self.mean)
        precision = np.linalg.inv(self.covariance)
        after = precision + operator.T @ operator / NOISE**2
        mean = np.linalg.solve(after, precision @ prior + operator.T @ data / NOISE**2)
        spread = operator @ self.covariance @ operator.T + NOISE**2 * np.eye(len(data))
        residual = data - operator @ prior
        log_det = np.linalg.slogdet(2 * np.pi * spread)[1]
        return mean, after, -0.5 * (residual @ np.linalg.solve(spread, residual) + log_det)

    def data(self, operator, seed):
        """Return data of a random truth under this prior."""
        rng = np.random.default_rng(seed)
        truth = rng.multivariate_normal(np.full(N, self.mean), self.covariance)
        return operator @ truth + NOISE * rng.standard_normal(len(operator))


def rays(n=8, seed=3):
    """Return an operator `(n, N)` of random weights."""
    return np.random.default_rng(seed).standard_normal((n, N)) / 2


def map_of(prior, coordinates="whitened"):
    """Return the map of a prior of the grid's cells."""
    start = np.full(SHAPE, 2000.0)
    return ModelMap(prior, CELLS, start, load_coordinates(prior, coordinates))


def affine(model_map):
    """Return `b` and `A` of `m = b + A theta`, for a normal prior."""
    one = torch.eye(N, dtype=torch.float64)
    zero = model_map.coordinates.velocities(0 * one[:1])[0]
    return zero.numpy(), (model_map.coordinates.velocities(one) - zero).T.numpy()


def implied(old, new, mean, precision, family="full_rank"):
    """Return the target of replacing `old` by `new`, given the exact posterior of `m`."""
    shift, factor = affine(old)
    made = make_family(family, SHAPE)
    assert isinstance(made, GaussianFamily)
    of_theta = torch.from_numpy(factor.T @ precision @ factor)
    centre = torch.from_numpy(np.linalg.solve(factor, mean - shift))
    parameters = made.informed(centre, DensePrecision(of_theta, CELLS.active))
    return ImpliedTarget(PriorChange(old, new), made, parameters)
