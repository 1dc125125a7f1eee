r"""Metropolis correction of a fitted distribution: chains that leave the posterior as it is.

The fitted `q` maps standard normal numbers to unknowns, :math:`\theta = T(\epsilon)`. In
:math:`\epsilon` the posterior is :math:`N(\epsilon; 0, I) \, e^{w}` with the log weight
:math:`w = \log p(\theta, d) - \log q(\theta)`. The proposal

.. math:: \epsilon' = \sqrt{1 - b^2} \, \epsilon + b \, \xi , \qquad \xi \sim N(0, I)

is reversible for the normal part, so that it is accepted with probability
:math:`\min(1, e^{w' - w})` (preconditioned Crank-Nicolson: Cotter, Roberts, Stuart & White
2013, Statistical Science 28(3), with `q` in the place of the prior). With :math:`b = 1`
proposals are independent draws of `q` (Tierney 1994). The better the fit, the longer the steps;
no gradient is needed. For a Gaussian `q` it is :math:`\theta' = \mu + \sqrt{1 - b^2}
(\theta - \mu) + b L \xi`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pvi_hpc.diagnostics.samplers.adaptation import DualAveraging
from pvi_hpc.diagnostics.samplers.density import Array
from pvi_hpc.errors import NonFiniteError
from pvi_hpc.numerics.random import keyed_rng

__all__ = ["TARGET_ACCEPTANCE", "Corrected", "Evaluate", "Evaluation", "advance", "begin"]

#: Acceptance that the step is tuned for; a wide range about it is nearly as good.
TARGET_ACCEPTANCE: Final = 0.3
#: First step.
FIRST_STEP: Final = 0.5


class Evaluation(NamedTuple):
    """Log weights `(C,)` of states, and what is to be known of each, `(C, K)`."""

    weights: Array
    values: Array


#: From standard normal numbers `(C, n)`, one row a chain.
Evaluate: TypeAlias = Callable[[Array], Evaluation]


@dataclass(frozen=True)
class Corrected:
    """Chains, all that another step needs.

    Parameters
    ----------
    eps
        States `(C, n)`.
    weights, values
        Their log weights `(C,)`, and what is known of each `(C, K)`.
    count
        Steps done.
    step
        `b` of the next step.
    tuning
        Memory of dual averaging.
    accepted
        Sum over the steps after the warm-up of the mean probability of acceptance.
    """

    eps: Array
    weights: Array
    values: Array
    count: int
    step: float
    tuning: Array
    accepted: float = 0.0

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all of it by name."""
        return {name: np.asarray(value) for name, value in vars(self).items()}

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> "Corrected":
        """Return what `arrays` gave."""
        return cls(
            arrays["eps"],
            arrays["weights"],
            arrays["values"],
            int(arrays["count"]),
            float(arrays["step"]),
            arrays["tuning"],
            float(arrays["accepted"]),
        )


def begin(evaluate: Evaluate, chains: int, n: int, seed: int) -> Corrected:
    """Return chains at independent draws of the fitted distribution, `n` unknowns each.

    Raises
    ------
    NonFiniteError
        If the log weight of one is not finite.
    """
    eps = keyed_rng(seed, "corrected", 0).standard_normal((chains, n))
    weights, values = evaluate(eps)
    if not np.isfinite(weights).all():
        raise NonFiniteError(
            "The posterior's density must be finite at draws of the fit, got "
            f"{weights[~np.isfinite(weights)][0]}; fit again, or look at 'prior'."
        )
    tuning = DualAveraging(FIRST_STEP, TARGET_ACCEPTANCE).numbers
    return Corrected(eps, weights, values, 0, FIRST_STEP, tuning)


def advance(state: Corrected, evaluate: Evaluate, warmup: int, seed: int) -> Corrected:
    """Return the chains after one step of each; its length is tuned for `warmup` steps.

    A state whose weight is not finite is never accepted.
    """
    rng = keyed_rng(seed, "corrected", state.count + 1)
    b, count = min(state.step, 1.0), state.count + 1
    noise = rng.standard_normal(state.eps.shape)
    proposed = np.sqrt(1 - b * b) * state.eps + b * noise
    weights, values = evaluate(proposed)
    log_ratio = np.where(np.isfinite(weights), weights - state.weights, -np.inf)
    taken = np.log(rng.uniform(size=len(weights))) < log_ratio
    acceptance = float(np.exp(np.minimum(log_ratio, 0.0)).mean())
    moved = replace(
        state,
        eps=np.where(taken[:, None], proposed, state.eps),
        weights=np.where(taken, weights, state.weights),
        values=np.where(taken[:, None], values, state.values),
        count=count,
    )
    if count > warmup:
        return replace(moved, accepted=state.accepted + acceptance)
    tuner = DualAveraging.of_numbers(state.tuning)
    tuner.update(acceptance)
    if count == warmup // 2:  # The chains have left the fit: what was learnt there is old.
        tuner = DualAveraging(b, TARGET_ACCEPTANCE)
    step = tuner.averaged if count == warmup else tuner.step
    return replace(moved, tuning=tuner.numbers, step=min(step, 1.0))
