"""The best low-rank family for a Gaussian of dense precision; `O(n^3)` a round.

Directions are found by variable projection: whatever else the family has is at its optimum for
the directions tried (Golub & Pereyra 1973), so that its gradient vanishes and that by the
directions is the whole one.
"""

from collections.abc import Callable
from math import inf, sqrt
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.sparse.linalg import LinearOperator, eigsh
from torch import Tensor

from pvi_hpc.families.family import Parameters
from pvi_hpc.families.gaussian.gaussian import GaussianFamily
from pvi_hpc.numerics.random import keyed_rng
from pvi_hpc.numerics.reproducible import log, one_thread

__all__ = ["leading_directions", "optimal_directions", "optimal_low_rank", "scaled_directions"]

Array = NDArray[np.float64]


#: Iterations of L-BFGS, and corrections that it keeps.
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


def leading_directions(
    product: Callable[[Tensor], Tensor], n: int, rank: int, of: str = "precision"
) -> Tensor:
    """Return the `U` `(rank, n)` of least KL of `(I + U^T U)^{-+1}` to `N(0, P^{-1})`.

    `product` maps rows `(S, n)` to `P` times them. The exponent is -1 for `of` "precision",
    with the largest eigenvalues of `P`; 1 for "covariance", with the smallest. Lanczos
    iterations are deterministic to rounding only where NumPy's BLAS has more threads.
    """
    if 2 * rank + 1 >= n:  # ARPACK needs room; then everything is small
        matrix = product(torch.eye(n, dtype=torch.float64))
        with one_thread():
            values, vectors = torch.linalg.eigh((matrix + matrix.T) / 2)
        return scaled_directions(values.numpy(), vectors.numpy(), rank, of)
    operator = LinearOperator((n, n), matvec=lambda x: _row(product, x), dtype=np.float64)
    start = keyed_rng(0, "lanczos").standard_normal(n)
    which = "LA" if of == "precision" else "SA"
    values, vectors = eigsh(operator, k=rank, which=which, v0=start, tol=1e-8)
    return scaled_directions(values, vectors, rank, of)


def scaled_directions(values: Array, vectors: Array, rank: int, of: str) -> Tensor:
    """Return `rank` rows `u v` of eigenvectors `v` of `P` with `(1 + u^2)^2 = value^{+-1}`.

    Largest first; zero where that is not above 1, since such a direction has no gain.
    """
    ratios = values if of == "precision" else 1 / values
    chosen = np.argsort(-ratios, kind="stable")[:rank]
    lengths = np.sqrt(np.maximum(np.sqrt(np.maximum(ratios[chosen], 1)) - 1, 0))
    return torch.tensor((vectors[:, chosen] * lengths).T)


def _row(product: Callable[[Tensor], Tensor], x: Array) -> Array:
    row = torch.from_numpy(np.ascontiguousarray(x.reshape(1, -1)))
    return product(row)[0].numpy()


#: Relative change of the divergence at which the fixed point has converged.
TOLERANCE: Final = 1e-12


@one_thread()
def optimal_low_rank(
    precision: Tensor, rank: int, *, of: str = "precision", max_rounds: int = 2000
) -> tuple[Tensor, Tensor]:
    """Return `d` `(n,)` and `U` `(rank, n)` of the best `L = diag(d) (I + U^T U)^{+-1}`.

    The exponent is -1 `of` the precision and 1 `of` the covariance. Two exact minimisations
    of `KL(q || target)` take turns: given `d`, `U` are eigenvectors of `diag(d) P diag(d)`;
    given `U`, `d` minimises `d^T (P * C) d / 2 - sum(log d)`, `C = (I + U^T U)^{+-2}`.
    """
    n = len(precision)
    one = torch.eye(n, dtype=torch.float64)
    d = 1 / precision.diagonal().sqrt()
    previous = inf
    for _ in range(max_rounds):
        values, vectors = torch.linalg.eigh(d[:, None] * precision * d)
        directions = scaled_directions(values.numpy(), vectors.numpy(), rank, of)
        inner = one + directions.T @ directions
        root = torch.linalg.inv(inner) if of == "precision" else inner
        weights = precision * (root @ root.T)
        d = _scales(weights, d)
        sign = -1 if of == "precision" else 1
        log_det = float(log(d).sum() + sign * torch.linalg.slogdet(inner)[1])
        value = 0.5 * float(d @ weights @ d) - log_det
        if previous - value < TOLERANCE * abs(value):
            break
        previous = value
    return d, directions


def _scales(weights: Tensor, d: Tensor) -> Tensor:
    """Return the positive `d` that minimises `d^T W d / 2 - sum(log d)`: damped Newton."""
    for _ in range(100):
        gradient = weights @ d - 1 / d
        step = torch.linalg.solve(weights + torch.diag(1 / d**2), gradient)
        decrement = sqrt(float(gradient @ step))
        d = d - step / (1 + decrement)  # self-concordant: never leaves the domain
        if decrement < 1e-10:
            break
    return d
