"""Protocol of every variational family.

A family holds no parameters: they are a dictionary of tensors, made by `initial`, that the
optimiser updates and checkpoints hold. They have the dtype of the mean given to `initial`;
densities are float64 whatever that is.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Final, Protocol, Self, TypeAlias, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pvi_hpc.plugins import Settings

__all__ = [
    "LOCATION",
    "ClosedForm",
    "Family",
    "NaturalGradient",
    "Parameters",
    "autograd_pullback",
]

Parameters: TypeAlias = dict[str, Tensor]

#: The parameter `(n,)` that every family adds to its samples; the MAP phase moves only it.
LOCATION: Final = "mu"


class Family(Protocol):
    """A density `q` of `theta` `(n,)`, sampled by a map of `eps ~ N(0, I)` `(n,)`.

    `S` counts samples; densities are returned without gradient.
    """

    #: Model of the options that `from_options` is given; `NoOptions` where there are none.
    Options: ClassVar[type[Settings]]

    n: int

    #: The optimiser's step of a parameter relative to the others; 1 where it is not named.
    step_scales: Mapping[str, float]

    @classmethod
    def from_options(cls, active: NDArray[np.bool_], options: Any) -> Self:
        """Return the family of the `active` cells of a grid `(nz, ny, nx)`.

        `options` is an `Options`, each checked on its own. ConfigError if one does not suit the
        number of unknowns or the grid.
        """
        ...

    def initial(self, mean: Tensor, sd: float) -> Parameters:
        """Return the parameters of independent cells, `mean` `(n,)` and one sd."""
        ...

    def sample(self, parameters: Parameters, eps: Tensor) -> Tensor:
        """Return `theta` `(S, n)` of `eps` `(S, n)`, differentiable by the parameters."""
        ...

    def pullback(self, parameters: Parameters, eps: Tensor, cotangent: Tensor) -> Parameters:
        """Return the gradient of `sum(cotangent * sample(parameters, eps))` by each parameter.

        `cotangent` is `(S, n)`; samples are added in their order, whatever the threads.
        `pvi_hpc.families.family.autograd_pullback` serves where nothing better is known.
        """
        ...

    def standardise(self, parameters: Parameters, theta: Tensor) -> Tensor:
        """Return the `eps` `(S, n)` that `sample` maps to `theta` `(S, n)`."""
        ...

    def score(self, parameters: Parameters, eps: Tensor) -> Tensor:
        """Return the gradient `(S, n)` of `log q` by `theta` at `sample(eps)`."""
        ...

    def log_q(self, parameters: Parameters, eps: Tensor) -> Tensor:
        """Return `log q` `(S,)` at `sample(eps)`."""
        ...

    def log_prob(self, parameters: Parameters, theta: Tensor) -> Tensor:
        """Return `log q` `(S,)` at any `theta` `(S, n)`."""
        ...

    def entropy_gradient(self, parameters: Parameters, eps: Tensor) -> Parameters:
        """Return the gradient of `-mean(log_q(parameters, eps))` by what changes it.

        Its expectation is the gradient of the entropy; exact for Gaussian families.
        """
        ...


@runtime_checkable
class ClosedForm(Protocol):
    """Moments that a family may know exactly; `pvi_hpc.families.moments` estimates others."""

    def entropy(self, parameters: Parameters) -> float:
        """Return `-E[log q]`."""
        ...

    def mean(self, parameters: Parameters) -> Tensor:
        """Return the mean of `theta` `(n,)`."""
        ...

    def sd(self, parameters: Parameters) -> Tensor:
        """Return the marginal standard deviations of `theta` `(n,)`."""
        ...


@runtime_checkable
class NaturalGradient(Protocol):
    """Inverse Fisher information, where a Gaussian family `theta = mu + L eps` knows it."""

    @property
    def column_size(self) -> int:
        """Numbers in a column of `L` that are moved on their own."""
        ...

    def natural(self, parameters: Parameters, gradients: Parameters) -> Parameters:
        """Return the natural gradient of what has the gradients `gradients`."""
        ...

    def apply(self, parameters: Parameters, x: Tensor) -> Tensor:
        """Return `L x` of the rows of `x` `(S, n)`."""
        ...

    def apply_transposed(self, parameters: Parameters, x: Tensor) -> Tensor:
        """Return `L^T x`."""
        ...

    def solve(self, parameters: Parameters, x: Tensor) -> Tensor:
        """Return `L^{-1} x`."""
        ...

    def solve_transposed(self, parameters: Parameters, x: Tensor) -> Tensor:
        """Return `L^{-T} x`."""
        ...


def autograd_pullback(
    family: Family, parameters: Parameters, eps: Tensor, cotangent: Tensor
) -> Parameters:
    """Return `Family.pullback` by running `sample` forwards and backwards."""
    leaves = {name: value.detach().requires_grad_() for name, value in parameters.items()}
    theta = family.sample(leaves, eps)
    gradients = torch.autograd.grad(theta, list(leaves.values()), cotangent)
    return dict(zip(leaves, gradients, strict=True))
