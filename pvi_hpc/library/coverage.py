"""Does a fit cover the posterior? Asked where the fit itself hardly ever looks.

Draws are taken from mixtures of the fit and of the fit spread out 1.5, 2 and 3 times about its
mean, as importance draws of the posterior. Their Pareto k-hat tells of mass that the fit
misses, and where it is small their weighted moments are nearly the posterior's: a mean and sds
to compare with. Weights of the fit's own draws see neither: a banana looks right to them.
Beyond a hundred unknowns such weights say nothing, and k-hat along principal directions stands
for them.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import logsumexp
from torch import Tensor

from pvi_hpc.diagnostics.pareto import RELIABLE, k_hat_along, pareto_k
from pvi_hpc.errors import ConfigError
from pvi_hpc.inference.method import Method
from pvi_hpc.inference.state import State
from pvi_hpc.inference.target import Target

__all__ = ["Coverage", "cover", "cover_along", "k_hat_of"]

Array = NDArray[np.float64]

#: Scales of the draws.
SCALES: Final = (1.0, 1.5, 2.0, 3.0)
#: Fewest draws in effect that moments are taken from.
ENOUGH: Final = 50
#: An sd that the posterior's exceeds so many times, and a distance of a mean [sds], are told.
WIDER: Final = 1.5
ELSEWHERE: Final = 0.4
#: Importance weights that leave so many of the draws in effect have no heavy tail.
EFFICIENT: Final = 0.5
#: Principal directions that are looked along, and draws of each.
DIRECTIONS: Final = 3
DRAWS: Final = 50


@dataclass(frozen=True)
class Coverage:
    """Findings of draws that are spread out.

    Parameters
    ----------
    k_hat
        Pareto k-hat of their importance weights.
    sd_ratio, shift
        Largest ratio of the posterior's sd to the fit's, and largest distance of the means
        [sds]; None where the weights leave too few draws.
    """

    k_hat: float
    sd_ratio: float | None = None
    shift: float | None = None

    @property
    def fault(self) -> str | None:
        """A clause that says what is wrong; None where nothing is."""
        if self.k_hat > RELIABLE:
            return f"Pareto k-hat of draws spread out is {self.k_hat:.2f}, above {RELIABLE}"
        if self.sd_ratio is not None and self.sd_ratio > WIDER:
            return f"an sd of the posterior is about {self.sd_ratio:.2g} times that of the fit"
        if self.shift is not None and self.shift > ELSEWHERE:
            return f"a mean of the posterior is about {self.shift:.2g} sds from that of the fit"
        return None


def k_hat_of(log_weights: Array) -> float | None:
    """Return k-hat of the log importance weights `(S,)` of a fit's own draws.

    None where they are nearly equal, or too few of them are finite.
    """
    weights = np.where(np.isnan(log_weights), -np.inf, log_weights)
    shares = np.exp(weights - weights.max())
    if shares.sum() ** 2 / np.sum(shares**2) > EFFICIENT * len(shares):
        return None
    try:
        return pareto_k(weights - weights.max()).k
    except ConfigError:  # too few draws have any density
        return None


def cover(method: Method, state: State, target: Target, theta: Tensor) -> Coverage | None:
    """Return what draws `theta` `(S, n)` of the fit say, once spread out about their mean.

    None for a method without a density. `S` evaluations.
    """
    if method.log_prob(state, theta[:1]) is None:
        return None
    mean, n = theta.mean(dim=0), theta.shape[1]
    scale = torch.tensor(SCALES).double()[torch.arange(len(theta)) % len(SCALES)]
    points = mean + scale[:, None] * (theta - mean)
    value = target.value(points)
    log_p = (value.log_likelihood + value.log_prior).numpy()
    parts = []
    for s in SCALES:
        log_q = method.log_prob(state, mean + (points - mean) / s)
        assert log_q is not None
        parts.append(log_q.double().numpy() - n * np.log(s))
    weights = log_p - (logsumexp(parts, axis=0) - np.log(len(SCALES)))
    weights = np.where(np.isnan(weights), -np.inf, weights)
    if not np.isfinite(weights.max()):
        return None
    try:
        k = pareto_k(weights - weights.max()).k
    except ConfigError:  # too few points have any density
        return None
    shares = np.exp(weights - weights.max())
    shares /= shares.sum()
    if 1 / np.sum(shares**2) < ENOUGH:
        return Coverage(k)
    return Coverage(k, *_compared(points.numpy(), shares, theta.numpy()))


def _compared(points: Array, shares: Array, theta: Array) -> tuple[float, float]:
    """Return the largest ratio of sds and distance of means."""
    mean = np.einsum("s,sn->n", shares, points)
    sd = np.sqrt(np.einsum("s,sn->n", shares, (points - mean) ** 2))
    fitted = theta.std(axis=0, ddof=1)
    shift = np.abs(mean - theta.mean(axis=0)) / np.maximum(sd, fitted)
    return float((sd / fitted).max()), float(shift.max())


def cover_along(
    method: Method, state: State, target: Target, theta: Tensor, seed: int
) -> float | None:
    """Return the largest k-hat along principal directions of draws `theta` `(S, n)`.

    None where the fit has no density, or no maximum at its mean.
    """
    if method.log_prob(state, theta[:1]) is None:
        return None
    mean, _ = method.moments(state)

    def log_p(points: Tensor) -> Tensor:
        value = target.value(points)
        return value.log_likelihood + value.log_prior

    def log_q(points: Tensor) -> Tensor:
        found = method.log_prob(state, points)
        assert found is not None
        return found.double()

    centred = (theta - theta.mean(dim=0)).numpy()
    directions = np.linalg.svd(centred, full_matrices=False)[2][:DIRECTIONS]
    try:
        found = [
            k_hat_along(
                log_p, log_q, mean, torch.from_numpy(d[None].copy()), draws=DRAWS, seed=seed
            )
            for d in directions
        ]
    except ConfigError:
        return None
    return max(k.k for k in found)
