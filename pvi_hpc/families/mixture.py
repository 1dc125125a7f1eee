"""Mixtures of a family's members: `q = sum_k w_k g_k`, densities exact, moments in closed form.

Parameters are those of the family with a component axis in front, `(K, ...)`, and
`log_weights` `(K,)`, minus infinity for a component that is not there yet. A mixture is no
smooth map of normal numbers, so it is not itself a `Family`.
"""

import math

import torch
from torch import Tensor

from pvi_hpc.families.capabilities import ClosedForm
from pvi_hpc.families.family import Family, Parameters
from pvi_hpc.numerics.reproducible import one_thread

__all__ = ["LOG_WEIGHTS", "Mixture"]

#: Name of the logarithms of the weights.
LOG_WEIGHTS = "log_weights"


class Mixture:
    """Mixtures of at most `size` members of `family`."""

    def __init__(self, family: Family, size: int) -> None:
        self.family, self.size = family, size

    def __repr__(self) -> str:
        """Name the family and the most components."""
        return f"<mixture of at most {self.size} of {self.family!r}>"

    def of_first(self, first: Parameters) -> Parameters:
        """Return the parameters of a mixture with one component; room for the others."""
        stacked = {
            name: torch.cat([value[None], value.new_zeros(self.size - 1, *value.shape)])
            for name, value in first.items()
        }
        log_weights = torch.full((self.size,), -math.inf, dtype=torch.float64)
        log_weights[0] = 0
        return {**stacked, LOG_WEIGHTS: log_weights}

    def component(self, parameters: Parameters, k: int) -> Parameters:
        """Return the parameters of component `k`, sharing memory."""
        return {name: value[k] for name, value in parameters.items() if name != LOG_WEIGHTS}

    def present(self, parameters: Parameters) -> list[int]:
        """Return the components whose weight is not zero."""
        return [k for k, w in enumerate(parameters[LOG_WEIGHTS].tolist()) if w > -math.inf]

    def log_prob(self, parameters: Parameters, theta: Tensor) -> Tensor:
        """Return `log q` `(S,)` at any `theta` `(S, n)`."""
        with one_thread():
            return self._terms(parameters, theta).logsumexp(dim=0)

    def score(self, parameters: Parameters, theta: Tensor) -> tuple[Tensor, Tensor]:
        """Return `log q` `(S,)` and its gradient by `theta` `(S, n)`, at any `theta`.

        The gradient is the mean of those of the components, each with its responsibility.
        """
        with one_thread():
            terms = self._terms(parameters, theta)
            shares = terms.softmax(dim=0)
        gradient = torch.zeros(theta.shape, dtype=torch.float64)
        for share, k in zip(shares, self.present(parameters), strict=True):
            component = self.component(parameters, k)
            eps = self.family.standardise(component, theta)
            score = self.family.score(component, eps).double()
            # Far from a component its score is large, and may overflow: 0 of it is 0.
            gradient += torch.where(share[:, None] > 0, share[:, None] * score, 0.0)
        with one_thread():
            return terms.logsumexp(dim=0), gradient

    def sample(self, parameters: Parameters, u: float, eps: Tensor) -> Tensor:
        """Return `theta` `(n,)`; `u` in [0, 1) chooses a component, `eps` `(n,)` its draw."""
        cumulative = parameters[LOG_WEIGHTS].exp().cumsum(dim=0)
        chosen = int((cumulative <= u * float(cumulative[-1])).sum())
        component = self.component(parameters, min(chosen, self.size - 1))
        return self.family.sample(component, eps[None])[0].detach()

    def mean_and_sd(self, parameters: Parameters) -> tuple[Tensor, Tensor]:
        """Return mean and sd of `theta` `(n,)`, for a family that knows its own."""
        assert isinstance(self.family, ClosedForm)
        mean = torch.zeros(self.family.n, dtype=torch.float64)
        variance = torch.zeros_like(mean)
        terms = []
        for k in self.present(parameters):
            component, weight = self.component(parameters, k), parameters[LOG_WEIGHTS][k].exp()
            centre, sd = self.family.mean(component).double(), self.family.sd(component)
            terms.append((weight, centre, sd.double()))
            mean += weight * centre
        for weight, centre, sd in terms:  # of E[x^2] - E[x]^2 far from 0 nothing is left
            variance += weight * (sd * sd + (centre - mean) ** 2)
        return mean, variance.sqrt()

    def _terms(self, parameters: Parameters, theta: Tensor) -> Tensor:
        """Return `log (w_k g_k)` `(K', S)` float64 of the components that are there."""
        return torch.stack(
            [
                parameters[LOG_WEIGHTS][k]
                + self.family.log_prob(self.component(parameters, k), theta).double()
                for k in self.present(parameters)
            ]
        )
