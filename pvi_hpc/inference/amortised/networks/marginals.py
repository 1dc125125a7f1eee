"""Mixture density network of one-dimensional marginals.

As in Meier, Curtis & Trampert 2007 (GJI 169, 706) and Kaeufl et al. 2014: of each unknown the
marginal density is learnt by itself, and nothing of their correlations.
"""

from typing import ClassVar, Self

import torch
from torch import Tensor

from pvi_hpc.inference.amortised.networks.mixture import MixtureOptions, component_of
from pvi_hpc.inference.amortised.networks.network import Network, perceptron
from pvi_hpc.numerics.standard_normal import HALF_LOG_2PI

__all__ = ["Marginals"]


class Marginals(Network):
    """Mixture of normal densities for each unknown by itself, for thousands of unknowns."""

    Options = MixtureOptions
    joint: ClassVar[bool] = False

    def __init__(self, n: int, d: int, options: MixtureOptions) -> None:
        super().__init__()
        self.n, self.k = n, options.components
        self.body = perceptron((d, *options.hidden, 3 * n * self.k))
        self.spread = torch.nn.Parameter(torch.linspace(-1, 1, self.k))

    @classmethod
    def from_options(cls, n: int, d: int, options: MixtureOptions) -> Self:
        """Return a new network."""
        return cls(n, d, options)

    @property
    def n_random(self) -> int:
        """Number of standard normal numbers of one draw: two for each unknown."""
        return 2 * self.n

    def log_prob(self, theta: Tensor, x: Tensor) -> Tensor:
        """Return the sum of the marginal log densities `(B,)`."""
        log_w, mean, log_sd = self._components(x)
        white = (theta[..., None] - mean) * (-log_sd).exp()
        each = -0.5 * white * white - log_sd - HALF_LOG_2PI
        return torch.logsumexp(log_w + each, dim=-1).sum(-1)

    def sample(self, x: Tensor, eps: Tensor) -> Tensor:
        """Return draws `(B, S, n)` of each unknown by itself."""
        log_w, mean, log_sd = (its[:, None] for its in self._components(x))
        normal, choice = torch.split(eps, self.n, dim=-1)
        wide = (*eps.shape[:2], self.n, self.k)
        chosen = component_of(log_w.expand(wide), choice)[..., None]
        picked = [its.expand(wide).gather(-1, chosen)[..., 0] for its in (mean, log_sd)]
        drawn: Tensor = picked[0] + picked[1].exp() * normal
        return drawn

    def _components(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return log weights, means and log sds, `(B, n, K)` each."""
        weight, mean, log_sd = self.body(x).reshape(len(x), 3, self.n, self.k).unbind(1)
        return torch.log_softmax(weight, -1), mean + self.spread, log_sd.clamp(-10, 10)
