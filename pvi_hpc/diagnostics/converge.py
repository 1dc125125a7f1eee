"""The best of any Gaussian family for a Gaussian target, by exact gradients.

With one sample for each column of `L`, `eps = I`, the ELBO's expectation is a finite sum, so
that a deterministic optimiser goes to its maximum: the reference for families without a
closed form, and a test of those that have one.
"""

from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize

from pvi_hpc.diagnostics.known_gaussian import dense_factor
from pvi_hpc.families.family import LOCATION, Parameters
from pvi_hpc.families.gaussian.gaussian import GaussianFamily

__all__ = ["converge"]

Array = NDArray[np.float64]

#: Corrections that L-BFGS keeps.
MEMORY: Final = 30


def converge(
    family: GaussianFamily,
    parameters: Parameters,
    precision: Array,
    *,
    max_iterations: int = 2000,
) -> Parameters:
    """Return the parameters of least `KL(q || N(mean, P^{-1}))`, from those given.

    The mean stays. `precision` `(n, n)`; L-BFGS with float64 parameters.
    """
    names = [name for name in parameters if name != LOCATION]
    sizes = [parameters[name].numel() for name in names]

    def unpack(x: Array) -> Parameters:
        parts = np.split(x, np.cumsum(sizes)[:-1])
        shaped = (
            torch.from_numpy(part.copy()).view(parameters[name].shape)
            for name, part in zip(names, parts, strict=True)
        )
        return {**parameters, **dict(zip(names, shaped, strict=True))}

    def loss(x: Array) -> tuple[float, Array]:
        at = unpack(x)
        value, gradients = _loss(family, at, precision)
        return value, np.concatenate([gradients[name].numpy().ravel() for name in names])

    start = np.concatenate([parameters[name].numpy().ravel() for name in names])
    options = {"maxiter": max_iterations, "maxcor": MEMORY, "ftol": 1e-15, "gtol": 1e-9}
    options["maxfun"] = 2 * max_iterations
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options=options)
    return unpack(found.x)


def _loss(
    family: GaussianFamily, parameters: Parameters, precision: Array
) -> tuple[float, Parameters]:
    """Return `E[theta^T P theta] / 2 - entropy` about the mean, and its gradient."""
    factor = dense_factor(family, parameters)
    pulled = precision @ factor
    eps = torch.eye(family.n, dtype=torch.float64)
    cotangent = torch.from_numpy(np.ascontiguousarray(pulled.T))
    gradients = family.pullback(parameters, eps, cotangent)
    for name, gradient in family.entropy_gradient(parameters, eps).items():
        gradients[name] = gradients[name] - gradient
    return 0.5 * float(np.sum(factor * pulled)) - family.entropy(parameters), gradients
