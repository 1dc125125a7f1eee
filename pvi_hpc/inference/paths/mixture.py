"""The result of Pathfinder: a mixture of one Gaussian a path, and weighted draws of it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pvi_hpc.cost import SimulationCount
from pvi_hpc.families.family import Parameters
from pvi_hpc.inference.history import Info
from pvi_hpc.inference.paths.gaussians import PAIRS, PathGaussian, Point, gaussians_along
from pvi_hpc.inference.state import State
from pvi_hpc.inference.target import TargetValue

__all__ = ["PathMixture", "spread", "told"]

Array = NDArray[np.float64]

#: Fewest draws whose weights can be smoothed.
SMOOTHED: Final = 25


def spread(path: Sequence[Point], most: int) -> list[PathGaussian]:
    """Return at most so many Gaussians along a path, evenly spaced, the last among them."""
    found = [gaussian for _, gaussian in gaussians_along(path)] if path else []
    if len(found) <= most:
        return found
    places = np.linspace(len(found) - 1, 0, most).round().astype(int)[::-1]
    return [found[i] for i in places]


class PathMixture:
    """The mixture that the parameters of a state hold; changes them in place.

    Parameters
    ----------
    parameters
        `path_mean`, `alpha` `(P, n)`, `beta` `(P, r, n)`, `gamma` `(P, r, r)`, `elbo` `(P,)`,
        `looks`, `k_hat` `()`; of the draws that are kept, `theta` `(K, n)` and `log_weight`
        `(K,)`.
    """

    def __init__(self, parameters: Parameters) -> None:
        self.parameters = parameters

    @staticmethod
    def fresh(paths: int, n: int, kept: int) -> Parameters:
        """Return the parameters before any Gaussian is known."""

        def zeros(*shape: int) -> Tensor:
            return torch.zeros(shape, dtype=torch.float64)

        return {
            "path_mean": zeros(paths, n),
            "alpha": torch.ones(paths, n, dtype=torch.float64),
            "beta": zeros(paths, 2 * PAIRS, n),
            "gamma": zeros(paths, 2 * PAIRS, 2 * PAIRS),
            "elbo": torch.full((paths,), -torch.inf, dtype=torch.float64),
            "looks": zeros(),
            "k_hat": torch.full((), torch.nan, dtype=torch.float64),
            "theta": zeros(kept, n),
            "log_weight": torch.full((kept,), torch.nan, dtype=torch.float64),
        }

    @property
    def looks(self) -> int:
        """Points of each path that have been looked at."""
        return int(self.parameters.get("looks", torch.tensor(0)))

    @property
    def is_known(self) -> bool:
        """True if a Gaussian with a finite ELBO is known."""
        return "elbo" in self.parameters and bool(self.parameters["elbo"].isfinite().any())

    @property
    def is_weighted(self) -> bool:
        """True if draws have importance weights."""
        weights = self.parameters.get("log_weight")
        return weights is not None and len(weights) > 0 and not bool(weights.isnan().any())

    def looked(self, found: Mapping[int, PathGaussian], elbos: Mapping[int, float]) -> None:
        """Keep those Gaussians, by path, whose ELBO is the largest of their path so far."""
        m = self.parameters
        m["looks"].add_(1)
        for p, q in found.items():
            if np.isfinite(elbos[p]) and elbos[p] > float(m["elbo"][p]):
                rank = len(q.beta)
                m["elbo"][p] = elbos[p]
                m["path_mean"][p], m["alpha"][p] = q.mean, q.alpha
                m["beta"][p], m["gamma"][p] = 0, 0
                m["beta"][p, :rank], m["gamma"][p, :rank, :rank] = q.beta, q.gamma

    def sample(self, uniform: Array, eps: Tensor) -> Tensor:
        """Return draws `(S, n)` from uniform `(S,)` and standard normal numbers `(S, n)`."""
        chosen = _inverse(self._shares, uniform)
        theta = torch.empty_like(eps)
        for p in np.unique(chosen):
            rows = torch.from_numpy(np.nonzero(chosen == p)[0])
            theta[rows] = self._gaussian(int(p)).sample(eps[rows])
        return theta

    def log_prob(self, theta: Tensor) -> Tensor:
        """Return the log density `(S,)` at `theta` `(S, n)`."""
        shares = self._shares
        used = [p for p in range(len(shares)) if shares[p] > 0]
        parts = [self._gaussian(p).log_prob(theta) + float(np.log(shares[p])) for p in used]
        return torch.from_numpy(np.logaddexp.reduce([part.numpy() for part in parts], axis=0))

    def weigh(self, theta: Tensor, log_weights: Array) -> None:
        """Keep draws `theta` `(K, n)` with their importance weights, smoothed."""
        finite = np.where(np.isnan(log_weights), -np.inf, log_weights)
        finite = finite - finite.max()
        if np.isfinite(finite).sum() >= SMOOTHED:
            import arviz  # slow to import

            finite, k = arviz.psislw(finite)  # type: ignore[no-untyped-call]
            self.parameters["k_hat"].fill_(float(k))
        self.parameters["theta"].copy_(theta)
        self.parameters["log_weight"].copy_(torch.from_numpy(np.array(finite)))

    def resampled(self, uniform: Array) -> Tensor:
        """Return kept draws `(S, n)`, chosen by uniform numbers `(S,)`."""
        return self.parameters["theta"][torch.from_numpy(_inverse(self._weights, uniform))]

    def moments(self) -> tuple[Tensor, Tensor]:
        """Return the weighted mean and sd `(n,)` of the kept draws."""
        theta, weights = self.parameters["theta"].numpy(), self._weights
        mean = np.einsum("k,kn->n", weights, theta)
        variance = np.einsum("k,kn->n", weights, (theta - mean) ** 2)
        return torch.from_numpy(mean), torch.from_numpy(np.sqrt(variance))

    @property
    def _weights(self) -> Array:
        return _softmax(self.parameters["log_weight"].numpy())

    @property
    def _shares(self) -> Array:
        """Weights of the paths: in proportion to the exponential of their ELBO."""
        return _softmax(self.parameters["elbo"].numpy())

    def _gaussian(self, p: int) -> PathGaussian:
        m = self.parameters
        return PathGaussian(m["path_mean"][p], m["alpha"][p], m["beta"][p], m["gamma"][p])


def told(
    state: State, phase: str, value: TargetValue | None, log_q: Tensor | None = None
) -> tuple[State, Info]:
    """Return the state after an iteration of Pathfinder, and what that iteration says."""
    none = np.full(1, np.nan)
    seen = none if value is None else value.log_likelihood.numpy()
    prior = none if value is None else value.log_prior.numpy()
    q = np.full_like(seen, np.nan) if log_q is None else log_q.numpy()
    info = Info(
        iteration=state.iteration,
        phase=phase,
        terms=seen + prior - q,
        log_likelihood=seen,
        log_prior=prior,
        log_q=q,
        chi_squared=np.nan if value is None else float(value.chi_squared.numpy().mean()),
        gradient_norm=np.nan,
        score_weight=0.0,
        step=np.nan,
        count=SimulationCount() if value is None else value.count,
    )
    return replace(state, iteration=state.iteration + 1), info


def _softmax(x: Array) -> Array:
    shares = np.exp(x - x.max())
    return np.asarray(shares / shares.sum())


def _inverse(shares: Array, uniform: Array) -> NDArray[np.int64]:
    """Return the number of the share in which each uniform number falls."""
    places = np.searchsorted(np.cumsum(shares), uniform, side="right")
    return np.minimum(places, len(shares) - 1).astype(np.int64)
