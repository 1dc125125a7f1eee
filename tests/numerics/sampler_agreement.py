"""sSVGD and HMC on one density: means, sds and quantiles, with errors from replicas.

All particles of sSVGD are one chain, whose autocorrelation may be longer than the chain: its
error is the spread of whole runs with other seeds, each as long and each burnt in by itself.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import pvi_hpc
from pvi_hpc.diagnostics.samplers import sample_chains
from pvi_hpc.diagnostics.samplers.density import LogProb

Array = NDArray[np.float64]

#: Quantile of each unknown that is compared.
QUANTILE = 0.9
PARTICLES = 4


def skewed(theta: Any) -> Any:
    """Log density of `x ~ N(0, 1)`, `y ~ N(x^2 / 2, 0.7^2)`: a mild banana."""
    x, y = theta[:, 0], theta[:, 1]
    return -0.5 * x**2 - 0.5 * ((y - 0.5 * x * x) / 0.7) ** 2


def correlated(theta: Any) -> Any:
    """Log density of a normal with means (1, -2), sds (1, 2) and correlation 0.8."""
    x, y = theta[:, 0] - 1, (theta[:, 1] + 2) / 2
    return -0.5 * (x * x - 1.6 * x * y + y * y) / 0.36


@dataclass(frozen=True)
class Replicas:
    """Mean, sd and quantile of each unknown by each replica `(R, 3 n)`."""

    values: Array

    @classmethod
    def of(cls, draws: Array) -> "Replicas":
        """Return those of draws `(R, D, n)`."""
        parts = draws.mean(axis=1), draws.std(axis=1), np.quantile(draws, QUANTILE, axis=1)
        return cls(np.concatenate(parts, axis=1))

    @property
    def estimate(self) -> Array:
        """Mean of the replicas `(3 n,)`."""
        return self.values.mean(axis=0)

    @property
    def error(self) -> Array:
        """Its standard error `(3 n,)`."""
        return self.values.std(axis=0, ddof=1) / np.sqrt(len(self.values))

    def deviations(self, other: "Replicas") -> Array:
        """Return the differences `(3 n,)` in units of both errors together."""
        return np.abs(self.estimate - other.estimate) / np.hypot(self.error, other.error)


def by_ssvgd(
    log_prob: LogProb, n: int, replicas: int, iterations: int, **settings: Any
) -> Replicas:
    """Sample from replicas with seeds of their own; burn-in a quarter, else the defaults."""
    kept = PARTICLES * iterations
    options = {"burn_in": 0.25, "kept": kept, **settings.pop("options", {})}
    runs = [
        pvi_hpc.fit(
            log_prob,
            n,
            method={"kind": "ssvgd", "options": options},
            samples=PARTICLES,
            iterations=iterations,
            seed=1 + i,
            **settings,
        )
        for i in range(replicas)
    ]
    count = PARTICLES * (iterations - iterations // 4)
    return Replicas.of(np.stack([run.sample(count) for run in runs]))


def by_hmc(log_prob: LogProb, n: int, replicas: int, draws: int) -> Replicas:
    """Sample with as many chains as replicas."""
    start = np.random.default_rng(2).standard_normal((replicas, n))
    return Replicas.of(sample_chains(log_prob, start, draws=draws, seed=3).draws)
