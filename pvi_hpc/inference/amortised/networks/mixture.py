r"""Mixture density network (Bishop 1994) of normal densities with full covariances.

Data give weights, means and Cholesky factors :math:`U_k` of the precisions of `K` normal
densities: :math:`q(\theta | x) = \sum_k w_k |U_k| N(U_k (\theta - \mu_k); 0, I)`.
"""

from typing import Final, Self

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from pvi_hpc.errors import ConfigError
from pvi_hpc.inference.amortised.networks.network import Network, NetworkOptions, perceptron
from pvi_hpc.numerics.standard_normal import HALF_LOG_2PI

__all__ = ["Mixture", "MixtureOptions", "component_of"]

#: Most outputs of a network: more would not fit into a batch's memory.
MAX_OUTPUTS: Final = 200_000


class MixtureOptions(NetworkOptions):
    """Options of mixture density networks."""

    components: PositiveInt = Field(8, description="Number of normal densities.")


class Mixture(Network):
    """Mixture of normal densities with full covariances, for few unknowns."""

    Options = MixtureOptions

    def __init__(self, n: int, d: int, options: MixtureOptions) -> None:
        super().__init__()
        self.n, self.k = n, options.components
        self.n_low = n * (n - 1) // 2
        self.body = perceptron((d, *options.hidden))
        outputs = self.k * (1 + 2 * n + self.n_low)
        self.head = nn.Sequential(nn.SiLU(), nn.Linear(options.hidden[-1], outputs))
        self.spread = nn.Parameter(0.5 * torch.randn(self.k, n))

    @classmethod
    def from_options(cls, n: int, d: int, options: MixtureOptions) -> Self:
        """Return a new network; ConfigError where its covariances are too many numbers."""
        outputs = options.components * n * (n + 3) // 2
        if outputs > MAX_OUTPUTS:
            raise ConfigError(
                f"'amortised.network.kind: mixture' would give {outputs:,} numbers for {n} "
                f"unknowns, more than {MAX_OUTPUTS:,}; lower 'components', or choose "
                "'spline_flow' or 'marginals'."
            )
        return cls(n, d, options)

    @property
    def n_random(self) -> int:
        """Number of standard normal numbers of one draw: one of them chooses the component."""
        return self.n + 1

    def log_prob(self, theta: Tensor, x: Tensor) -> Tensor:
        """Return the log density `(B,)` of `theta` `(B, n)` for `x` `(B, d)`."""
        log_w, mean, factor = self._components(x)
        white = (factor @ (theta[:, None] - mean)[..., None])[..., 0]
        log_det = factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        each = log_det - 0.5 * (white * white).sum(-1) - self.n * HALF_LOG_2PI
        return torch.logsumexp(log_w + each, dim=1)

    def sample(self, x: Tensor, eps: Tensor) -> Tensor:
        """Return draws `(B, S, n)` for `x` `(B, d)`, of normal numbers `(B, S, n + 1)`."""
        log_w, mean, factor = self._components(x)
        chosen = component_of(log_w[:, None].expand(-1, eps.shape[1], -1), eps[..., -1])
        rows = torch.arange(len(x))[:, None]
        white = eps[..., : self.n, None]
        solved = torch.linalg.solve_triangular(factor[rows, chosen], white, upper=False)
        drawn: Tensor = mean[rows, chosen] + solved[..., 0]
        return drawn

    def _components(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return log weights `(B, K)`, means `(B, K, n)` and factors `(B, K, n, n)`."""
        out = self.head(self.body(x)).reshape(len(x), self.k, -1)
        weight, mean, log_diagonal, low = out.split((1, self.n, self.n, self.n_low), dim=-1)
        factor = torch.diag_embed(log_diagonal.clamp(-10, 10).exp())
        rows, columns = torch.tril_indices(self.n, self.n, -1)
        factor[..., rows, columns] = low
        return torch.log_softmax(weight[..., 0], dim=1), mean + self.spread, factor


def component_of(log_w: Tensor, eps: Tensor) -> Tensor:
    """Return the components that normal numbers `eps` choose by log weights `(..., K)`."""
    uniform = torch.special.ndtr(eps.double())
    cumulative = log_w.double().exp().cumsum(-1)
    chosen: Tensor = (uniform[..., None] > cumulative[..., :-1]).sum(-1)
    return chosen
