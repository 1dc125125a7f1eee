"""What an iteration tells the outside."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pvi_hpc.simulate.simulator import SimulationCount

__all__ = ["ElboEstimate", "Info", "Phase"]

Array = NDArray[np.float64]
Phase = Literal["map", "vi"]


@dataclass(frozen=True)
class Info:
    """One iteration, seen before its update; arrays are by sample `(S,)`.

    Parameters
    ----------
    iteration, phase
        Its number, and whether it was deterministic ("map") or variational ("vi").
    terms
        `log_likelihood + log_prior - log_q`; the mean estimates the ELBO. In the MAP phase
        the log posterior of `theta`, and `log_q` is NaN.
    chi_squared
        Mean reduced chi-squared; NaN without data.
    gradient_norm
        Euclidean norm of the loss's gradient by all parameters that moved.
    score_weight
        Weight of the score in the path gradient; 1 sticks the landing (see
        `control_variate`).
    step
        Adam's step.
    """

    iteration: int
    phase: Phase
    terms: Array
    log_likelihood: Array
    log_prior: Array
    log_q: Array
    chi_squared: float
    gradient_norm: float
    score_weight: float
    step: float
    count: SimulationCount

    @property
    def elbo(self) -> float:
        """Estimate of the ELBO, without the constant of the likelihood; goes up."""
        return float(self.terms.mean())


@dataclass(frozen=True)
class ElboEstimate:
    """The ELBO from `n` fresh samples and all shots, and the mean reduced chi-squared."""

    mean: float
    standard_error: float
    chi_squared: float
    n: int
    count: SimulationCount
