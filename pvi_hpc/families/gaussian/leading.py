"""The directions in which a Gaussian differs most from `N(0, I)`, without its matrix."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse.linalg import LinearOperator, eigsh
from torch import Tensor

from pvi_hpc.numerics.random import keyed_rng
from pvi_hpc.numerics.reproducible import one_thread

__all__ = ["leading_directions", "scaled_directions"]

Array = NDArray[np.float64]


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
