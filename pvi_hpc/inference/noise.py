r"""Factors on the noise sd of groups of data: their prior, their posterior, and its ELBO.

The squared factor of group `g` has the prior `InverseGamma(a, b)`. With `n_g` data in the
group, and `S_g` the sum of their squares by the given noise sd, the log-likelihood is
:math:`-\tfrac{1}{2} (n_g \log s_g^2 + S_g / s_g^2)`, so that the best factor of a variational
distribution :math:`q(m) \prod_g q(s_g^2)` is :math:`\mathrm{InverseGamma}(a + n_g / 2,\,
b + E_q[S_g] / 2)` (coordinate ascent: Bishop 2006, Pattern Recognition and Machine Learning,
section 10.1).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma, gammainccinv, gammaln

__all__ = ["NoiseFactors", "NoisePrior"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class NoisePrior:
    """Prior `InverseGamma(shape, scale)` of each squared factor."""

    shape: float = 1.0
    scale: float = 1.0

    def posterior(self, n_data: Array, squares: Array) -> "NoiseFactors":
        """Return the best factors for `n_data` `(G,)` with expected sums of squares `(G,)`."""
        return NoiseFactors(self.shape + 0.5 * n_data, self.scale + 0.5 * squares)

    def factors(self, n_groups: int) -> "NoiseFactors":
        """Return the prior itself, as factors of so many groups."""
        return NoiseFactors(np.full(n_groups, self.shape), np.full(n_groups, self.scale))


@dataclass(frozen=True)
class NoiseFactors:
    """Independent squared factors `InverseGamma(shape, scale)`, both `(G,)`."""

    shape: Array
    scale: Array

    @property
    def precisions(self) -> Array:
        """Expected inverse of the squared factors `(G,)`: the weights of the squares."""
        return self.shape / self.scale

    @property
    def sd(self) -> Array:
        """Factors on the noise sd `(G,)`, as the precisions have them."""
        return np.asarray(np.sqrt(self.scale / self.shape))

    def interval(self, p: float) -> tuple[Array, Array]:
        """Return the bounds `(G,)` of the central interval of the factors on the noise sd."""
        tails = (1 - p) / 2, (1 + p) / 2
        # Quantiles of inverse gamma distributions.
        low, high = (np.sqrt(self.scale * (1 / gammainccinv(self.shape, q))) for q in tails)
        return low, high

    def elbo(self, n_data: Array, prior: NoisePrior) -> float:
        """Return the part of the ELBO that the misfit is not: it is constant in the model.

        The expected log of the factors of `n_data` `(G,)` data, less the KL divergence of the
        squared factors from their prior.
        """
        log_square = np.log(self.scale) - digamma(self.shape)
        return float(np.sum(-0.5 * n_data * log_square) - np.sum(self.divergence(prior)))

    def divergence(self, prior: NoisePrior) -> Array:
        """Return the KL divergence of each squared factor from its prior `(G,)`."""
        a, b = prior.shape, prior.scale
        return np.asarray(
            (self.shape - a) * digamma(self.shape)
            - gammaln(self.shape)
            + gammaln(a)
            + a * np.log(self.scale / b)
            + self.shape * (b - self.scale) / self.scale
        )
