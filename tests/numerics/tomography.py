"""Linear-Gaussian straight-ray tomography: posterior, evidence and every KL are exact.

Sensors on a circle of 4 km measure the times between each other with an error of 0.05 s. The
unknown is the slowness of square cells, `theta` its anomaly in units of the prior's sd; the
prior is a Matern field (nu = 3/2), the truth a draw of it.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations

import numpy as np
import torch
from scipy.linalg import cho_factor, cho_solve

from pvi_hpc.cost import SimulationCount
from pvi_hpc.inference.target import TargetValue
from pvi_hpc.numerics.random import keyed_rng

RADIUS_KM = 4.0
NOISE_S = 0.05
#: Prior sd of the slowness [s/km] about 0.5 s/km.
PRIOR_SD = 0.1
#: Correlation lengths of the two priors [km].
SMOOTH_KM, ROUGH_KM = 1.5, 0.5


@dataclass(frozen=True)
class Tomography:
    """A linear problem `data = operator theta + N(0, noise^2)`, `theta ~ N(0, prior)`.

    `shape` is `(1, side, side)`, `operator` `(rays, n)` in seconds, `data` `(rays,)`,
    `prior_covariance` `(n, n)`. It is a `Target`: densities are normalised, so that the ELBO of
    any `q` is `log_evidence - KL(q || posterior)`.
    """

    shape: tuple[int, int, int]
    operator: np.ndarray
    data: np.ndarray
    prior_covariance: np.ndarray
    noise: float = NOISE_S

    @property
    def n(self):
        return self.operator.shape[1]

    @property
    def active(self):
        return np.ones(self.shape, bool)

    @cached_property
    def prior_precision(self):
        inverse = cho_solve(cho_factor(self.prior_covariance), np.eye(self.n))
        return (inverse + inverse.T) / 2

    @cached_property
    def precision(self):
        """Of the posterior."""
        return self.prior_precision + self.operator.T @ self.operator / self.noise**2

    @cached_property
    def covariance(self):
        inverse = cho_solve(cho_factor(self.precision), np.eye(self.n))
        return (inverse + inverse.T) / 2

    @cached_property
    def mean(self):
        return cho_solve(
            cho_factor(self.precision), self.operator.T @ self.data / self.noise**2
        )

    @cached_property
    def log_evidence(self):
        """`log N(data; 0, A C A^T + noise^2)`."""
        prior = self.operator @ self.prior_covariance @ self.operator.T
        return _log_normal(self.data, prior + self.noise**2 * np.eye(len(self.data)))

    @cached_property
    def _log_peak(self):
        return 0.5 * np.linalg.slogdet(self.precision)[1] - 0.5 * self.n * np.log(2 * np.pi)

    def whitened(self):
        """Return the problem of `w`, `theta = C^{1/2} w`, whose prior is `N(0, I)`."""
        root = np.linalg.cholesky(self.prior_covariance)
        return replace(self, operator=self.operator @ root, prior_covariance=np.eye(self.n))

    def disc(self, radius_km=1.5):
        """Return `(n,)` weights of the mean over the cells within a radius of the middle."""
        x, y = _centres(self.shape[-1])
        inside = np.hypot(x, y) <= radius_km
        return inside / inside.sum()

    def log_prob(self, theta):
        """Return the log posterior density `(S,)`, normalised, by torch."""
        precision = torch.from_numpy(self.precision)
        shift = theta - torch.from_numpy(self.mean)
        return self._log_peak - 0.5 * ((shift @ precision) * shift).sum(dim=1)

    def batches(self, iteration, n):
        return [()] * n

    def value(self, theta, batches=None):
        """Evaluate at `theta` `(S, n)`."""
        x = theta.detach().numpy().astype(np.float64)
        residual = self.data - x @ self.operator.T
        by_prior = -x @ self.prior_precision
        log_det = np.linalg.slogdet(self.prior_precision)[1]
        likelihood = -0.5 * np.sum((residual / self.noise) ** 2, axis=1) - len(
            self.data
        ) * np.log(self.noise * np.sqrt(2 * np.pi))
        prior = 0.5 * (np.sum(x * by_prior, axis=1) + log_det - self.n * np.log(2 * np.pi))
        gradient = residual @ self.operator / self.noise**2 + by_prior
        chi_squared = np.mean((residual / self.noise) ** 2, axis=1)
        log_likelihood, log_prior, slope, misfit = (
            torch.from_numpy(np.ascontiguousarray(a))
            for a in (likelihood, prior, gradient, chi_squared)
        )
        count = SimulationCount(done=len(x))
        return TargetValue(log_likelihood, log_prior, slope, misfit, count)


def tomography(side=24, n_sensors=16, length_km=SMOOTH_KM, seed=1):
    """Return the problem with `side x side` cells; 24 and 16: 576 cells, 120 rays."""
    prior = matern_covariance(side, length_km)
    operator = PRIOR_SD * ray_lengths(side, n_sensors)
    rng = keyed_rng(seed, "tomography")
    truth = np.linalg.cholesky(prior) @ rng.standard_normal(side**2)
    data = operator @ truth + NOISE_S * rng.standard_normal(len(operator))
    return Tomography((1, side, side), operator, data, prior)


def matern_covariance(side, length_km):
    """Return the correlation `(n, n)` of the cells, nu = 3/2, over a length [km]."""
    x, y = _centres(side)
    distance = np.hypot(x[:, None] - x, y[:, None] - y) * np.sqrt(3) / length_km
    return (1 + distance) * np.exp(-distance)


def ray_lengths(side, n_sensors, half_width_km=RADIUS_KM):
    """Return the length [km] of every ray in every cell, `(rays, side * side)`.

    The grid reaches `half_width_km` from the middle, at least to the sensors.
    """
    angles = 2 * np.pi * np.arange(n_sensors) / n_sensors
    sensors = RADIUS_KM * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    lines = np.linspace(-half_width_km, half_width_km, side + 1)
    lengths = np.zeros((n_sensors * (n_sensors - 1) // 2, side, side))
    for ray, (a, b) in zip(lengths, combinations(sensors, 2), strict=True):
        with np.errstate(divide="ignore", invalid="ignore"):
            crossings = ((lines - a[:, None]) / (b - a)[:, None]).ravel()
        inside = crossings[(crossings > 0) & (crossings < 1)]
        t = np.unique(np.concatenate([[0, 1], inside]))
        middle = a + (b - a) * ((t[1:] + t[:-1]) / 2)[:, None]
        ix, iy = np.clip(np.searchsorted(lines, middle.T) - 1, 0, side - 1)
        np.add.at(ray, (iy, ix), np.diff(t) * np.linalg.norm(b - a))
    return lengths.reshape(len(lengths), -1)


def _centres(side):
    """Return x and y of the cells [km], `(side * side,)` each, x fastest."""
    centres = RADIUS_KM * (2 * np.arange(side) + 1 - side) / side
    y, x = np.meshgrid(centres, centres, indexing="ij")
    return x.ravel(), y.ravel()


def _log_normal(x, covariance):
    root = np.linalg.cholesky(covariance)
    z = np.linalg.solve(root, x)
    return -0.5 * z @ z - np.log(np.diag(root)).sum() - 0.5 * len(x) * np.log(2 * np.pi)
