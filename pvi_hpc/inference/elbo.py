"""The evidence lower bound of a fitted distribution, with its standard error."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pvi_hpc.cost import SimulationCount
from pvi_hpc.errors import ConfigError
from pvi_hpc.families.capabilities import EstimatedDensity
from pvi_hpc.inference.finite import check_values
from pvi_hpc.inference.method import FitsFamily, Method
from pvi_hpc.inference.state import State
from pvi_hpc.inference.target import Target

__all__ = ["ElboEstimate", "density_error", "estimate_elbo"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class ElboEstimate:
    """The ELBO from `n` fresh samples and all shots, and what they cost."""

    mean: float
    standard_error: float
    n: int
    chi_squared: float = np.nan
    count: SimulationCount = field(default_factory=SimulationCount)

    @classmethod
    def of(cls, log_joint: Array, log_q: Array, log_q_error: float = 0.0) -> "ElboEstimate":
        """Return the estimate from `log p(d, theta)` and `log q(theta)` `(S,)` of draws.

        `log_q_error` is the standard error of `log q` itself, the same for all draws.
        """
        terms = log_joint - log_q
        n = len(terms)
        error = float(terms.std(ddof=1) / np.sqrt(n)) if n > 1 else np.inf
        return cls(float(terms.mean()), float(np.hypot(error, log_q_error)), n)


def density_error(method: Method, state: State) -> float:
    """Return the standard error of `log q`: 0 but for families that estimate a determinant."""
    if isinstance(method, FitsFamily) and isinstance(method.family, EstimatedDensity):
        return method.family.log_det_error(method.fitted(state))
    return 0.0


def estimate_elbo(
    method: Method, state: State, target: Target, n: int, batch: int = 8
) -> ElboEstimate:
    """Estimate the ELBO from draws 0 to `n`, `batch` at a time, each on all shots.

    Raises
    ------
    ConfigError
        If the method has no density.
    NonFiniteError
        If a log density is not finite.
    """
    log_joint, log_qs, chi_squared, count = [], [], [], SimulationCount()
    for first in range(0, n, batch):
        theta = method.sample(state, min(batch, n - first), first)
        log_q = method.log_prob(state, theta)
        if log_q is None:
            raise ConfigError(
                "An ELBO needs a density: 'inference.method.kind' must be one that has it "
                f"('vi', 'boosting'), got {type(method).__name__}."
            )
        value = target.value(theta)
        check_values(value, state.iteration)
        log_joint.append((value.log_likelihood + value.log_prior).numpy())
        log_qs.append(log_q.numpy())
        chi_squared.append(value.chi_squared.numpy())
        count += value.count
    parts = np.concatenate(log_joint), np.concatenate(log_qs)
    estimate = ElboEstimate.of(*parts, density_error(method, state))
    chi = float(np.concatenate(chi_squared).mean())
    return ElboEstimate(estimate.mean, estimate.standard_error, n, chi, count)
