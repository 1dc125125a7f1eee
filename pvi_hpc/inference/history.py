"""History of the iterations, as arrays that only grow."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pvi_hpc.cost import SimulationCount

__all__ = ["START_PHASES", "History", "Info"]

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


@dataclass(frozen=True)
class History:
    """Arrays by name, one value an iteration, named and meant as in `record`."""

    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    def __len__(self) -> int:
        """Return the number of iterations."""
        return len(self.arrays.get("iteration", ()))

    def append(self, info: Info, seconds: float = 0.0) -> "History":
        """Return the history with one more iteration, which took `seconds`."""
        row = record(info, seconds)
        # A value that an older version did not record is unknown, not missing.
        unknown = np.full(len(self), np.nan)
        old = {name: self.arrays.get(name, unknown) for name in row}
        return History({name: np.append(old[name], value) for name, value in row.items()})

    def last(self, name: str) -> float | None:
        """Return the newest value; None where there is none or it is not finite."""
        values = self.arrays.get(name, np.empty(0))
        return float(values[-1]) if values.size and np.isfinite(values[-1]) else None

    def to_tree(self) -> dict[str, Any]:
        """Return the arrays for a checkpoint."""
        return dict(self.arrays)

    @classmethod
    def from_tree(cls, tree: Mapping[str, Any]) -> "History":
        """Return the history that `to_tree` was made of."""
        return cls({name: np.asarray(value) for name, value in tree.items()})


def record(info: Info, seconds: float) -> dict[str, NDArray[Any]]:
    """Return an iteration's values, arrays `(1,)`; phase 0 is the start, 1 the inference.

    Densities are means over samples; simulations are of one shot; `worker_seconds` is their
    time on the workers, `seconds` that of the iteration here.
    """
    values: dict[str, int | float] = {
        "iteration": info.iteration,
        "phase": int(info.phase not in START_PHASES),
        "elbo": info.elbo,
        "chi_squared": info.chi_squared,
        "log_likelihood": float(info.log_likelihood.mean()),
        "log_prior": float(info.log_prior.mean()),
        "log_q": float(info.log_q.mean()),
        "gradient_norm": info.gradient_norm,
        "score_weight": info.score_weight,
        "step": info.step,
        "done": info.count.done,
        "failed": info.count.failed,
        "retried": info.count.retried,
        "worker_seconds": info.count.seconds,
        "seconds": seconds,
    }
    return {name: np.array([value]) for name, value in values.items()}
