"""Protocol of every variational family; `capabilities` has what only some can do.

A family holds no parameters: they are a dictionary of tensors, made by `initial`, that the
optimiser updates and checkpoints hold. They have the dtype of the mean given to `initial`;
densities are float64 whatever that is.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Protocol, Self, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pvi_hpc.plugins import Settings

__all__ = [
    "LOCATION",
    "Draw",
    "Family",
    "Parameters",
    "autograd_pullback",
]

Parameters: TypeAlias = dict[str, Tensor]

#: The parameter `(n,)` that every family adds to its samples; the MAP phase moves only it.
LOCATION: Final = "mu"


@dataclass(frozen=True)
class Draw:
    """Samples of one iteration, and how the loss changes with them.

    Parameters
    ----------
    eps
        Standard normal numbers that the samples were made of, `(S, n)`.
    cotangent
        Derivative of the loss by the samples `theta`, `(S, n)`.
    """

    eps: Tensor
    cotangent: Tensor


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


def autograd_pullback(
    family: Family, parameters: Parameters, eps: Tensor, cotangent: Tensor
) -> Parameters:
    """Return `Family.pullback` by running `sample` forwards and backwards."""
    leaves = {name: value.detach().requires_grad_() for name, value in parameters.items()}
    theta = family.sample(leaves, eps)
    gradients = torch.autograd.grad(theta, list(leaves.values()), cotangent)
    return dict(zip(leaves, gradients, strict=True))
