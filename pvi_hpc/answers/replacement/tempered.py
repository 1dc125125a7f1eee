r"""Evidence by a tempered path from the new posterior's fit `q` to the target itself.

Annealed importance sampling (Neal 2001, Statistics and Computing 11, 125-139) along
:math:`q^{1 - \beta} (q_{old} \, p_{new} / p_{old})^\beta`, in the standard normal numbers
`eps` that `q` is made of, where the path begins at :math:`N(0, I)`. Moves are Hamiltonian (Neal
2011, Handbook of MCMC, chapter 5). Weights of independent chains are unbiased estimates of the
ratio of the evidences; the better the moves mix, the less they vary.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from pvi_hpc.answers.replacement.fit import Replaced
from pvi_hpc.answers.replacement.implied import ImpliedTarget
from pvi_hpc.errors import ConfigError
from pvi_hpc.families.capabilities import Gaussian
from pvi_hpc.families.family import LOCATION
from pvi_hpc.numerics.random import keyed_rng

__all__ = ["tempered_terms"]

Array = NDArray[np.float64]

#: Steps of a trajectory, and the first length of a step.
LEAPS: Final = 8
FIRST_STEP: Final = 0.3
#: Share of the moves that should be accepted.
ACCEPTED: Final = 0.7


def tempered_terms(
    target: ImpliedTarget, replaced: Replaced, temperatures: int, chains: int, seed: int
) -> Array:
    """Return the log weight of each chain `(chains,)`; their mean exponential is the ratio.

    The lengths of steps are found in a first pass, whose weights are thrown away, so that they
    do not depend on the chains that count. Each temperature has one trajectory, so the target
    is evaluated `2 * chains * temperatures * LEAPS` times.

    Raises
    ------
    ConfigError
        If the family is not Gaussian.
    """
    if not isinstance(replaced.family, Gaussian):
        raise ConfigError(
            "'temperatures' of a hypothesis must be 0 where 'inference.family.kind' is no "
            f"Gaussian family, got {temperatures} with {type(replaced.family).__name__}."
        )
    path = _Path(target, replaced)
    _, steps = path.walk(np.full(temperatures, np.nan), chains, (seed, 0))
    return path.walk(steps, chains, (seed, 1))[0]


@dataclass(frozen=True)
class _Path:
    """The densities between `q` and the target, over the numbers that `q` is made of."""

    target: ImpliedTarget
    replaced: Replaced

    def walk(self, steps: Array, chains: int, key: tuple[int, int]) -> tuple[Array, Array]:
        """Return log weights, and the lengths of steps; those that are NaN are adapted."""
        rng = keyed_rng(key[0], "tempered", key[1])
        found, step, n = steps.copy(), FIRST_STEP, len(steps)
        eps = rng.standard_normal((chains, self.replaced.family.n))
        term, slope = self.terms(eps)
        weights = np.zeros(chains)
        betas = (np.arange(n) + 1) / n
        for i, beta in enumerate(betas):
            weights += term * (beta - (betas[i - 1] if i else 0.0))
            step = step if np.isnan(steps[i]) else float(steps[i])
            found[i] = step
            momentum = rng.standard_normal(eps.shape)
            uniform = rng.random(chains)
            size = step * (0.8 + 0.4 * rng.random())
            at, kick, its, its_slope = self._leap(eps, momentum, slope, beta, size)
            before = beta * term - 0.5 * np.sum(eps**2 + momentum**2, axis=1)
            after = beta * its - 0.5 * np.sum(at**2 + kick**2, axis=1)
            with np.errstate(invalid="ignore", divide="ignore"):
                kept = np.log(uniform) < after - before
            eps[kept], term[kept], slope[kept] = at[kept], its[kept], its_slope[kept]
            step = float(np.clip(step * np.exp(0.5 * (kept.mean() - ACCEPTED)), 1e-3, 1.0))
        return weights, found

    def terms(self, eps: Array) -> tuple[Array, Array]:
        """Return `log` of target over `q` `(S,)` and its gradient `(S, n)` by `eps`."""
        family, parameters = self.replaced.family, self.replaced.parameters
        assert isinstance(family, Gaussian)
        normal = torch.from_numpy(eps).to(parameters[LOCATION].dtype)
        value = self.target.value(family.sample(parameters, normal).detach())
        log_q = family.log_q(parameters, normal)
        by_eps = family.apply_transposed(parameters, value.gradient).numpy() + eps
        term = (value.log_likelihood + value.log_prior - log_q).numpy()
        return np.array(term), np.array(by_eps)

    def _leap(
        self, eps: Array, momentum: Array, slope: Array, beta: float, step: float
    ) -> tuple[Array, Array, Array, Array]:
        """Return where a trajectory ends, its momentum, and the terms and gradients there."""
        at, kick, term = eps.copy(), momentum.copy(), np.empty(0)
        for _ in range(LEAPS):
            kick += 0.5 * step * (beta * slope - at)
            at += step * kick
            term, slope = self.terms(at)
            kick += 0.5 * step * (beta * slope - at)
        return at, kick, term, slope
