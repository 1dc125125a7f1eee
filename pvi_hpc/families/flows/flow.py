"""Base of all flows: `theta = mu + exp(log_sd) * T(eps)` with `T` a chain of layers.

`T` starts at the identity, so that a flow starts as independent normal cells like every
other family. Layers are zuko's lazy transforms, or ours in their form; the numbers of their
networks are parameters of the family like `mu` and `log_sd`, put into the layers only for
the length of a call. All is computed in one thread: the order in which a matrix product adds
depends on the number of threads.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.func import functional_call
from zuko.lazy import LazyComposedTransform, LazyTransform

from pvi_hpc.families.family import Parameters
from pvi_hpc.families.flows.start import start_at_identity
from pvi_hpc.numerics.reproducible import one_thread
from pvi_hpc.numerics.standard_normal import HALF_LOG_2PI
from pvi_hpc.plugins import Settings

__all__ = ["Flow"]

#: Prefix of the names of the layers' parameters.
PREFIX = "layers."


class Flow:
    """A flow of `n` unknowns; parameters `mu`, `log_sd` `(n,)` and those of the layers.

    Entropy and moments are not known in closed form; `moments` estimates them from draws.
    """

    #: Model of the options that `from_options` is given.
    Options: ClassVar[type[Settings]]

    def __init__(self, n: int, layers: Sequence[LazyTransform], seed: int = 0) -> None:
        self.n = n
        self.step_scales: Mapping[str, float] = {}
        self._map = _Map(layers)
        start_at_identity(self._map, seed)

    def __repr__(self) -> str:
        """Name the family and the number of its unknowns."""
        return f"<{type(self).__name__} family of {self.n} unknowns>"

    def initial(self, mean: Tensor, sd: float) -> Parameters:
        """Return the parameters of independent cells, `mean` `(n,)` and one sd."""
        return self.independent(mean, torch.full_like(mean, sd).log())

    def independent(self, mean: Tensor, log_sd: Tensor) -> Parameters:
        """Return the parameters of independent cells, `mean` and `log_sd` `(n,)`."""
        numbers = {PREFIX + k: v.detach().to(mean.dtype) for k, v in self._names().items()}
        fresh = {"mu": mean.detach(), "log_sd": log_sd.to(mean.dtype), **numbers}
        return {name: value.clone() for name, value in fresh.items()}

    def sample(self, parameters: Parameters, eps: Tensor) -> Tensor:
        """Return `theta` `(S, n)` of `eps` `(S, n)`, differentiable by the parameters."""
        with one_thread():
            return self._forward(parameters, eps)[0]

    def standardise(self, parameters: Parameters, theta: Tensor) -> Tensor:
        """Return the `eps` `(S, n)` that `sample` maps to `theta` `(S, n)`."""
        with one_thread(), torch.no_grad():
            return self._inverse(parameters, theta)[0]

    def log_det(self, parameters: Parameters, eps: Tensor) -> Tensor:
        """Return `log |det d theta / d eps|` `(S,)` at `eps` `(S, n)`, without gradient."""
        with one_thread(), torch.no_grad():
            return self._forward(parameters, eps)[1]

    def log_q(self, parameters: Parameters, eps: Tensor) -> Tensor:
        """Return `log q` `(S,)` float64 at `sample(eps)`, without gradient."""
        with one_thread(), torch.no_grad():
            return (_normal(eps) - self._forward(parameters, eps)[1]).double()

    def log_prob(self, parameters: Parameters, theta: Tensor) -> Tensor:
        """Return `log q` `(S,)` float64 at any `theta` `(S, n)`, without gradient."""
        with one_thread(), torch.no_grad():
            return self._log_prob(parameters, theta.to(parameters["mu"].dtype)).double()

    def score(self, parameters: Parameters, eps: Tensor) -> Tensor:
        """Return the gradient `(S, n)` of `log q` by `theta` at `sample(eps)`."""
        fixed = {name: value.detach() for name, value in parameters.items()}
        with one_thread(), torch.enable_grad():
            theta = self._forward(fixed, eps.detach())[0].detach().requires_grad_()
            density = self._log_prob(fixed, theta)
            return torch.autograd.grad(density.sum(), theta)[0]

    def pullback(self, parameters: Parameters, eps: Tensor, cotangent: Tensor) -> Parameters:
        """Return the gradient by every parameter of `(cotangent * sample(eps)).sum()`."""
        with one_thread(), torch.enable_grad():
            leaves = _leaves(parameters)
            theta = self._forward(leaves, eps)[0]
            return _gradients(theta, leaves, cotangent)

    def entropy_gradient(self, parameters: Parameters, eps: Tensor) -> Parameters:
        """Return the gradient of the entropy, estimated from the draws `eps` `(S, n)`.

        The entropy is that of `eps` plus the mean of `log_det`.
        """
        with one_thread(), torch.enable_grad():
            leaves = _leaves(parameters)
            log_det = self._forward(leaves, eps)[1]
            return _gradients(log_det, leaves, torch.full_like(log_det, 1 / len(eps)))

    def _names(self) -> dict[str, Tensor]:
        return dict(self._map.chain.named_parameters())

    def _call(self, parameters: Parameters, x: Tensor, inverse: bool) -> tuple[Tensor, Tensor]:
        numbers = {f"chain.{name}": parameters[PREFIX + name] for name in self._names()}
        pair: tuple[Tensor, Tensor] = functional_call(self._map, numbers, (x, inverse))
        return pair

    def _forward(self, parameters: Parameters, eps: Tensor) -> tuple[Tensor, Tensor]:
        z, log_det = self._call(parameters, eps, inverse=False)
        theta = parameters["mu"] + parameters["log_sd"].exp() * z
        return theta, log_det + parameters["log_sd"].sum()

    def _inverse(self, parameters: Parameters, theta: Tensor) -> tuple[Tensor, Tensor]:
        z = (theta - parameters["mu"]) * (-parameters["log_sd"]).exp()
        eps, log_det = self._call(parameters, z, inverse=True)
        return eps, log_det - parameters["log_sd"].sum()

    def _log_prob(self, parameters: Parameters, theta: Tensor) -> Tensor:
        eps, log_det = self._inverse(parameters, theta)
        return _normal(eps) + log_det


class _Map(nn.Module):
    """The chain `T`, or its inverse, with its log determinant."""

    def __init__(self, layers: Sequence[LazyTransform]) -> None:
        super().__init__()
        self.chain = LazyComposedTransform(*layers)

    def forward(self, x: Tensor, inverse: bool) -> tuple[Tensor, Tensor]:
        """Return the image of `x` `(S, n)` and the log determinant `(S,)` there."""
        chain = self.chain()
        pair: tuple[Tensor, Tensor] = (chain.inv if inverse else chain).call_and_ladj(x)
        return pair


def _normal(eps: Tensor) -> Tensor:
    return -0.5 * (eps * eps).sum(dim=1) - eps.shape[1] * HALF_LOG_2PI


def _leaves(parameters: Parameters) -> Parameters:
    return {name: value.detach().requires_grad_() for name, value in parameters.items()}


def _gradients(value: Tensor, leaves: Parameters, cotangent: Tensor) -> Parameters:
    found = torch.autograd.grad(value, list(leaves.values()), cotangent, materialize_grads=True)
    return dict(zip(leaves, found, strict=True))
