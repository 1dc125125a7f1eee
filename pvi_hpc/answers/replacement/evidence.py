"""Evidence of a hypothesis relative to the run's own prior, with its error, and a ranking.

The terms are `log` of target over `q` at draws of `q`, the new posterior. Their mean is a lower
bound; the mean of their exponentials is the ratio itself, and its logarithm, a tighter bound
(Burda, Grosse & Salakhutdinov 2016, arXiv 1509.00519), errs little while the weights have a
variance, which Pareto k-hat tells.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pvi_hpc.diagnostics.pareto import pareto_k
from pvi_hpc.numerics.random import keyed_rng

__all__ = ["Evidence", "rank_right", "ranking"]

Array = NDArray[np.float64]

#: Largest difference of terms that is rounding [nats].
ROUNDING: Final = 1e-6
#: Draws of all evidences by which the chance that a ranking is right is told.
RANKINGS: Final = 4000


@dataclass(frozen=True)
class Evidence:
    """Log evidence of a hypothesis less that of the run's own prior [nats].

    Parameters
    ----------
    log_ratio, standard_error
        Best estimate and its Monte Carlo error: exact where all is Gaussian, else by
        importance weights, or the lower bound where these have no variance.
    lower_bound, lower_bound_se
        ELBO of the new posterior, and its error.
    k_hat, effective
        Of the importance weights: Pareto k-hat, and the number of draws in effect.
    kind
        `exact`, `weights`, `tempered` or `bound`.
    """

    log_ratio: float
    standard_error: float
    lower_bound: float
    lower_bound_se: float
    k_hat: float
    effective: float
    kind: str

    @classmethod
    def of(cls, terms: Array, exact: float | None = None) -> "Evidence":
        """Return the evidence from terms `(S,)`, or the exact one where it is known."""
        n = len(terms)
        bound, bound_se = float(terms.mean()), float(terms.std(ddof=1) / np.sqrt(n))
        # Differences that are rounding have no tail to fit.
        found = pareto_k(terms if np.ptp(terms) > ROUNDING else np.zeros(n))
        effective = found.efficiency * n
        weights = np.exp(terms - terms.max())
        ratio = float(np.log(weights.mean()) + terms.max())
        error = float(weights.std(ddof=1) / weights.mean() / np.sqrt(n))
        kind = "weights"
        if exact is not None:
            ratio, error, kind = exact, 0.0, "exact"
        elif not found.reliable:
            ratio, error, kind = bound, bound_se, "bound"
        return cls(ratio, error, bound, bound_se, found.k, effective, kind)

    def along_path(self, terms: Array) -> "Evidence":
        """Return the evidence by the log weights `(S,)` of a tempered path.

        Where these have no variance either, it stays a bound: their mean, if that is higher.
        """
        found = Evidence.of(terms)
        if found.kind == "bound" and found.lower_bound < self.lower_bound:
            return self
        kind = "bound" if found.kind == "bound" else "tempered"
        bounds = {"lower_bound": self.lower_bound, "lower_bound_se": self.lower_bound_se}
        return replace(found, kind=kind, **bounds)

    def facts(self) -> dict[str, Any]:
        """Return all numbers as JSON values."""
        return asdict(self)


def ranking(evidences: Mapping[str, tuple[float, float]]) -> dict[str, Any]:
    """Return hypotheses in the order of their evidence, equally probable before the data.

    Parameters
    ----------
    evidences
        Log evidence and its standard error by hypothesis.
    """
    order = sorted(evidences, key=lambda name: -evidences[name][0])
    logs = np.array([evidences[name][0] for name in order])
    weights = np.exp(logs - logs.max())
    return {
        "order": order,
        "probability": dict(zip(order, (weights / weights.sum()).tolist(), strict=True)),
        "first_is_first": rank_right([evidences[name] for name in order], only_first=True),
        "order_is_right": rank_right([evidences[name] for name in order]),
    }


def rank_right(evidences: list[tuple[float, float]], only_first: bool = False) -> float:
    """Return the probability that evidences, given in falling order, truly fall.

    Their errors are taken as independent and normal; `only_first`: that the first is largest.
    """
    means, errors = (np.array(part) for part in zip(*evidences, strict=True))
    normal = keyed_rng(1, "ranking").standard_normal((RANKINGS, len(means)))
    drawn = means + errors * normal
    if only_first:
        right = drawn[:, 0] >= drawn.max(axis=1)
    else:
        right = (np.diff(drawn, axis=1) <= 0).all(axis=1)
    return float(right.mean())
