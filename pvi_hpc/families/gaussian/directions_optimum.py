"""The best directions of a family for a Gaussian of dense precision, by variable projection.

Whatever else the family has is at its optimum for the directions tried (Golub & Pereyra 1973),
so that its gradient vanishes and that by the directions is the whole one. `O(n^3)` each.
"""

from collections.abc import Callable
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from torch import Tensor

from pvi_hpc.families.family import Parameters
from pvi_hpc.families.gaussian.gaussian import GaussianFamily
from pvi_hpc.numerics.reproducible import one_thread

__all__ = ["optimal_directions"]

Array = NDArray[np.float64]

#: Of L-BFGS: iterations, and corrections that it keeps.
ITERATIONS: Final = 300
MEMORY: Final = 30


def optimal_directions(
    family: GaussianFamily,
    complete: Callable[[Tensor], Parameters],
    start: Tensor,
    precision: Tensor,
) -> Parameters:
    """Return the parameters of least `KL(q || N(mean, P^{-1}))`, from directions `start`.

    `complete` returns the parameters that are best for directions `(r, n)`; `precision` is
    `P` `(n, n)`. L-BFGS is deterministic to rounding only where NumPy's BLAS has more threads.
    """
    eps = torch.eye(family.n, dtype=torch.float64)

    def loss(x: Array) -> tuple[float, Array]:
        parameters = complete(torch.from_numpy(x.reshape(start.shape).copy()))
        rows = family.apply(parameters, eps)
        with one_thread():
            pulled = rows @ precision
        gradient = family.factor_pullback(parameters, eps, pulled)["directions"]
        gradient = gradient - family.log_det_gradient(parameters)["directions"]
        value = 0.5 * float(np.sum(rows.numpy() * pulled.numpy()))
        return value - family.log_det(parameters), gradient.numpy().ravel()

    options = {"maxiter": ITERATIONS, "maxcor": MEMORY, "ftol": 1e-9, "gtol": 1e-7}
    found = minimize(loss, start.numpy().ravel(), jac=True, method="L-BFGS-B", options=options)
    return complete(torch.from_numpy(found.x.reshape(start.shape)))
