"""What an iteration tells the outside."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pvi_hpc.forward.simulator import SimulationCount

__all__ = ["START_PHASES", "Info"]

Array = NDArray[np.float64]

#: Phases before the inference proper: their `terms` are no estimate of its ELBO.
START_PHASES: Final = ("map", "hessian")


@dataclass(frozen=True)
class Info:
    """One iteration, seen before its update; arrays are by sample `(S,)`.

    Parameters
    ----------
    iteration, phase
        Its number and phase, a word such as "map" or "vi".
    terms
        `log_likelihood + log_prior - log_q`; the mean estimates the ELBO. In a phase of the
        start the log posterior of `theta`; NaN where a method has no density.
    log_q
        NaN where there is no density.
    chi_squared
        Mean reduced chi-squared; NaN without data.
    gradient_norm
        Euclidean norm of the loss's gradient by all parameters that moved.
    score_weight
        Weight of the score in the path gradient; 1 sticks the landing (see
        `control_variate`).
    step
        The optimiser's step.
    """

    iteration: int
    phase: str
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
