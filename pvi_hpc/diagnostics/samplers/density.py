"""The log density that a chain sees: values and gradients of many states at once."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pvi_hpc.errors import ConfigError

__all__ = ["Array", "Density", "LogProb", "density_of"]

Array = NDArray[np.float64]
#: Maps states `(C, n)` to log densities `(C,)`, differentiable by torch.
LogProb = Callable[[Tensor], Tensor]
#: Maps states `(C, n)` to log densities `(C,)` and their gradients `(C, n)`.
Density = Callable[[Array], tuple[Array, Array]]


def density_of(log_prob: LogProb) -> Density:
    """Return `log_prob` with its gradient, in numpy.

    A state whose density is not finite counts as impossible: the chain stays where it is.

    Raises
    ------
    ConfigError
        At a call, if `log_prob` returns another shape than `(C,)`.
    """

    def density(x: Array) -> tuple[Array, Array]:
        theta = torch.from_numpy(x).requires_grad_()
        values = log_prob(theta)
        if values.shape != (len(x),):
            raise ConfigError(
                f"'log_prob' must return shape ({len(x)},) for states of shape {x.shape}, got "
                f"{tuple(values.shape)}; sum over the unknowns, not over the states."
            )
        (gradient,) = torch.autograd.grad(values.sum(), theta)
        value, slope = values.detach().numpy(), gradient.numpy()
        possible = np.isfinite(value) & np.isfinite(slope).all(axis=1)
        return np.where(possible, value, -np.inf), np.where(possible[:, None], slope, 0.0)

    return density
