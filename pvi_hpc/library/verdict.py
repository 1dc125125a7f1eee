"""Is a fit where the optimiser should have brought it? Asked of fresh draws, not of the trace.

For any density `p` and any `q`, with the gradient `g` of `log p` at draws of `q`, the ELBO of a
`q` that is moved by `sd_i` in unknown `i` changes by `shift_i = sd_i E[g_i]`, and that of one
that is stretched about its mean by `spread_i = E[g_i (theta_i - mean_i)] + 1`. Both are zero at
the optimum of every family that can be moved and stretched. Where the posterior is Gaussian,
`shift` is the distance of the mean in sds, and `spread` is `1 - (sd / right sd)^2`.
"""

import warnings
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import norm

from pvi_hpc.diagnostics.pareto import RELIABLE, pareto_k
from pvi_hpc.inference.method import Method
from pvi_hpc.inference.state import State
from pvi_hpc.inference.target import Target

__all__ = ["ConvergenceWarning", "Verdict", "judge"]

#: Draws that a verdict takes, at least and at most.
FEWEST: Final = 25
MOST: Final = 100
#: Its share of the evaluations that the fit took, where that lies between them.
SHARE: Final = 0.25
#: Numbers of all draws together [bytes are 8 times as many].
NUMBERS: Final = 2**24
#: A shift or spread that is surely larger than this is told: 0.3 sd, or sds 16 % off.
TOLERANCE: Final = 0.3
#: Chance that a fit at its optimum is told to be elsewhere, all unknowns together.
FALSE_ALARM: Final = 1e-3
#: With more unknowns, k-hat of all together says nothing.
K_HAT_UNKNOWNS: Final = 10
#: Importance weights that leave so many of the draws in effect have no heavy tail.
EFFICIENT: Final = 0.5
#: What helps a fit that has not converged.
REMEDY: Final = (
    "Scale the unknowns so that their sds are near 1, start nearer ('mean', 'start'), or give "
    "more 'iterations'"
)

Array = NDArray[np.float64]


class ConvergenceWarning(UserWarning):
    """A fit is not at its optimum, or its family does not cover the posterior."""


@dataclass(frozen=True)
class Verdict:
    """Verdict on a fit, from draws of it.

    Parameters
    ----------
    converged
        True if nothing shows that the optimiser should go on.
    reasons
        A sentence for each fault found; also where the family does not cover the posterior,
        which no iteration cures.
    shift, spread
        Values of the worst unknown, as in the head of this file, with their signs.
    k_hat
        Pareto k-hat of all unknowns; None for more than ten, without a density, or where
        the importance weights are nearly equal.
    draws
        Number of draws that the verdict was made from.
    """

    converged: bool
    reasons: tuple[str, ...]
    shift: float
    spread: float
    k_hat: float | None = None
    draws: int = 0

    def warn(self) -> None:
        """Warn once for each reason, as if from the line that called `fit`."""
        for reason in self.reasons:
            warnings.warn(reason, ConvergenceWarning, stacklevel=3)


def judge(method: Method, state: State, target: Target, evaluations: int) -> Verdict:
    """Return the verdict on a fit that took so many `evaluations`.

    25 to 100 draws of it are evaluated, at most a quarter of what the fit took.
    """
    wanted = min(MOST, SHARE * evaluations, NUMBERS // len(method.sample(state, 1)[0]))
    n = max(FEWEST, int(wanted))
    theta = method.sample(state, n).double()
    try:
        value = target.value(theta)
    except Exception as error:  # A fit is not lost because its density fails somewhere.
        reason = f"'log_prob' failed at draws of the fit: {type(error).__name__}: {error}"
        return Verdict(False, (reason,), np.nan, np.nan, draws=n)
    density, gradient = value.log_likelihood + value.log_prior, value.gradient.double()
    good = density.isfinite() & gradient.isfinite().all(dim=1)
    if not good.all():
        reason = (
            f"{int((~good).sum())} of {n} draws have a density or gradient that is not finite: "
            "the approximation reaches where there is no density. Give unknowns that may take "
            "any value (a logarithm, a logit)."
        )
        return Verdict(False, (reason,), np.nan, np.nan, draws=n)
    return _judge(theta, gradient, _k_hat(method, state, theta, density))


def _judge(theta: torch.Tensor, gradient: torch.Tensor, k_hat: float | None) -> Verdict:
    x, g = theta.numpy(), gradient.numpy()
    shift, shift_sure = _worst(x.std(axis=0, ddof=1) * g)
    spread, spread_sure = _worst(g * (x - x.mean(axis=0)) + 1)
    reasons = []
    if shift_sure:
        reasons.append(
            f"The fit has not converged: a mean is still about {abs(shift):.2g} sds from its "
            f"optimum. {REMEDY}."
        )
    if spread_sure:
        reasons.append(f"The fit has not converged: {_in_words(spread)}. {REMEDY}.")
    if not reasons and k_hat is not None and k_hat > RELIABLE:
        reasons.append(
            f"The family does not cover the posterior (Pareto k-hat {k_hat:.2f}, above "
            f"{RELIABLE}): its sds may be too small. Try a richer 'family'."
        )
    sure = shift_sure or spread_sure
    return Verdict(not sure, tuple(reasons), shift, spread, k_hat, len(x))


def _worst(terms: Array) -> tuple[float, bool]:
    """Return the largest column mean of `(S, n)`, and whether it is surely too large."""
    mean = terms.mean(axis=0)
    error = terms.std(axis=0, ddof=1) / np.sqrt(len(terms))
    bound = norm.isf(FALSE_ALARM / (2 * terms.shape[1]))
    worst = int(np.argmax(np.abs(mean) - bound * error))
    return float(mean[worst]), bool(abs(mean[worst]) - bound * error[worst] > TOLERANCE)


def _in_words(spread: float) -> str:
    if spread < 0:
        return f"an sd is about {np.sqrt(1 - spread):.2g} times too large"
    if spread > 0.99:
        return "an sd is more than 10 times too small"
    return f"an sd is about {1 / np.sqrt(1 - spread):.2g} times too small"


def _k_hat(
    method: Method, state: State, theta: torch.Tensor, density: torch.Tensor
) -> float | None:
    if theta.shape[1] > K_HAT_UNKNOWNS:
        return None
    log_q = method.log_prob(state, theta)
    if log_q is None:
        return None
    weights = (density - log_q.double()).numpy()
    shares = np.exp(weights - weights.max())
    if shares.sum() ** 2 / np.sum(shares**2) > EFFICIENT * len(shares):
        return None
    return pareto_k(weights - weights.max()).k
