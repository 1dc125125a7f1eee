"""Is a fit where the optimiser should have brought it? Asked of fresh draws, not of the trace.

For any density `p` and any `q`, with the gradient `g` of `log p` at draws of `q`, the ELBO of a
`q` that is moved by `sd_i` in unknown `i` changes by `shift_i = sd_i E[g_i]`, and that of one
that is stretched about its mean by `spread_i = E[g_i (theta_i - mean_i)] + 1`. Both are zero at
the optimum of every family that can be moved and stretched. Where the posterior is Gaussian,
`shift` is the distance of the mean in sds, and `spread` is `1 - (sd / right sd)^2`. Whether the
family can cover the posterior at all is another question: see `coverage`.
"""

import warnings
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import ndtri

from pvi_hpc.diagnostics.pareto import RELIABLE
from pvi_hpc.inference.method import Method, WeighsDraws
from pvi_hpc.inference.optimisers.guard import Guard
from pvi_hpc.inference.state import State
from pvi_hpc.inference.target import Target
from pvi_hpc.library.coverage import Coverage, cover, cover_along, k_hat_of
from pvi_hpc.library.settings import DENSE

__all__ = ["ConvergenceWarning", "Verdict", "judge"]

#: Draws that a verdict takes, at least and at most: of few unknowns, and of many.
FEWEST: Final = 25
MOST: Final = 500
MOST_OF_MANY: Final = 100
#: Its share of the evaluations that the fit took, where that lies between them.
SHARE: Final = 0.5
SHARE_OF_MANY: Final = 0.25
#: Numbers of all draws together [bytes are 8 times as many].
NUMBERS: Final = 2**24
#: A shift or spread that is surely larger than this is told: 0.3 sd, or sds 16 % off.
TOLERANCE: Final = 0.3
#: Chance that a fit at its optimum is told to be elsewhere, all unknowns together.
FALSE_ALARM: Final = 1e-3
#: With more unknowns, k-hat of all together says nothing.
K_HAT_UNKNOWNS: Final = 10
#: What helps a fit that has not converged.
REMEDY: Final = (
    "Give more 'iterations', start nearer ('mean'), or leave out 'start' so that the fit finds "
    "its own scales"
)
#: What helps where the family does not cover the posterior.
RICHER: Final = (
    "Its sds may be too small. Try unknowns in which the posterior is nearer to a Gaussian (a "
    "logarithm, a logit, standardised effects), a richer 'family' ('full_rank', a flow), or "
    "method='boosting'"
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
    k_hat_wide
        Pareto k-hat of draws that are spread out; None beyond 100 unknowns, or without a
        density.
    k_hat_along
        Largest Pareto k-hat along the three leading principal directions; None up to ten
        unknowns, or without a density.
    """

    converged: bool
    reasons: tuple[str, ...]
    shift: float
    spread: float
    k_hat: float | None = None
    draws: int = 0
    k_hat_wide: float | None = None
    k_hat_along: float | None = None

    def warn(self) -> None:
        """Warn once for each reason, as if from the line that called `fit`."""
        for reason in self.reasons:
            warnings.warn(reason, ConvergenceWarning, stacklevel=3)


def judge(
    method: Method, state: State, target: Target, evaluations: int, seed: int = 1
) -> Verdict:
    """Return the verdict on a fit that took so many `evaluations`.

    Up to 100 unknowns half as many draws of it, 25 to 500, are evaluated, and as many that are
    spread out; of more a quarter, 25 to 100, and 150 along principal directions.
    """
    size = len(method.sample(state, 1)[0])
    few = size <= DENSE
    share, most = (SHARE, MOST) if few else (SHARE_OF_MANY, MOST_OF_MANY)
    n = max(FEWEST, int(min(most, share * evaluations, NUMBERS // size)))
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
    found = _judge(theta, gradient)
    log_q = method.log_prob(state, theta) if size <= K_HAT_UNKNOWNS else None
    k_hat = None if log_q is None else k_hat_of((density - log_q.double()).numpy())
    if isinstance(method, WeighsDraws):
        k_hat = method.k_hat(state)
    wide = along = None
    try:
        wide = cover(method, state, target, theta) if few else None
        if size > K_HAT_UNKNOWNS:
            along = cover_along(method, state, target, theta, seed)
    except Exception as error:  # nor because it fails a little further out
        reason = f"'log_prob' failed beyond draws of the fit: {type(error).__name__}: {error}"
        return replace(found, converged=False, reasons=(*found.reasons, reason))
    return _with_coverage(found, Guard(state.memory).returns, k_hat, wide, along)


def _judge(theta: torch.Tensor, gradient: torch.Tensor) -> Verdict:
    """Return the verdict on the optimiser."""
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
    sure = shift_sure or spread_sure
    return Verdict(not sure, tuple(reasons), shift, spread, draws=len(x))


def _with_coverage(
    found: Verdict,
    returns: int,
    k_hat: float | None,
    wide: Coverage | None,
    along: float | None,
) -> Verdict:
    """Return a verdict that also says where the family does not cover the posterior.

    `returns` is how often natural gradients were brought back.
    """
    faults = []
    if k_hat is not None and k_hat > RELIABLE:
        faults.append(f"Pareto k-hat is {k_hat:.2f}, above {RELIABLE}")
    if wide is not None and wide.fault is not None:
        faults.append(wide.fault)
    if along is not None and along > RELIABLE:
        faults.append(
            f"Pareto k-hat along a principal direction is {along:.2f}, above {RELIABLE}"
        )
    reasons = found.reasons
    if returns:
        reasons = (
            *reasons,
            f"Natural gradients ran away and were brought back, {returns} times: the fit may "
            "be far from its optimum. Leave out 'optimiser' and 'samples', which chooses "
            f"'fixed_draws' up to {DENSE} unknowns, or give as many 'samples' as unknowns.",
        )
    if faults and not reasons:  # of a fit that has not converged they say nothing
        said = "; ".join(faults)
        reasons = (*reasons, f"The family does not cover the posterior ({said}). {RICHER}.")
    return replace(
        found,
        converged=found.converged and not returns,
        reasons=reasons,
        k_hat=k_hat,
        k_hat_wide=None if wide is None else wide.k_hat,
        k_hat_along=along,
    )


def _worst(terms: Array) -> tuple[float, bool]:
    """Return the largest column mean of `(S, n)`, and whether it is surely too large."""
    mean = terms.mean(axis=0)
    error = terms.std(axis=0, ddof=1) / np.sqrt(len(terms))
    bound = -ndtri(FALSE_ALARM / (2 * terms.shape[1]))
    worst = int(np.argmax(np.abs(mean) - bound * error))
    return float(mean[worst]), bool(abs(mean[worst]) - bound * error[worst] > TOLERANCE)


def _in_words(spread: float) -> str:
    if spread < 0:
        return f"an sd is about {np.sqrt(1 - spread):.2g} times too large"
    if spread > 0.99:
        return "an sd is more than 10 times too small"
    return f"an sd is about {1 / np.sqrt(1 - spread):.2g} times too small"
