"""Exact answers for a Gaussian target: the divergence, and the best of every family.

Notation: the target is `N(m, P^{-1})` with precision `P`, the approximation `N(mu, L L^T)`.
Everything is dense, `O(n^3)`: for tests and small problems.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import solve_triangular

from pvi_hpc.families.family import Parameters
from pvi_hpc.families.gaussian.gaussian import GaussianFamily

__all__ = [
    "dense_factor",
    "gaussian_kl",
    "optimal_factor",
    "optimal_precision_factor",
]

Array = NDArray[np.float64]


def gaussian_kl(mean: Array, factor: Array, target_mean: Array, precision: Array) -> float:
    """Return `KL(N(mean, L L^T) || N(target_mean, P^{-1}))` [nats].

    `mean`, `target_mean` `(n,)`; `factor` is any square root `L` `(n, n)`, triangular or not.
    """
    shift = mean - target_mean
    log_dets = np.linalg.slogdet(precision)[1] + 2 * np.linalg.slogdet(factor)[1]
    quadratic = np.sum(factor * (precision @ factor)) + shift @ precision @ shift
    return float(0.5 * (quadratic - len(mean) - log_dets))


def dense_factor(family: GaussianFamily, parameters: Parameters) -> Array:
    """Return the matrix `L` `(n, n)` of a Gaussian family, column by column."""
    identity = torch.eye(family.n, dtype=family.mean(parameters).dtype)
    columns = family.sample(parameters, identity).detach() - family.mean(parameters)
    return np.ascontiguousarray(columns.numpy().T.astype(np.float64))


def optimal_factor(precision: Array, pattern: NDArray[np.bool_]) -> Array:
    """Return the `L` of least `KL(N(., L L^T) || target)` within a lower triangular `pattern`.

    It decouples by column: with `S` the rows that column `j` may fill, `j` first,
    `x = P[S, S]^{-1} e_1` and `L[S, j] = x / sqrt(x_1)`. A diagonal pattern gives the mean
    field, a full lower triangle the target itself.
    """
    factor = np.zeros_like(precision)
    for j, column in enumerate(pattern.T):
        rows = np.flatnonzero(column)[::-1]  # `j` last: one triangular solve
        root = np.linalg.cholesky(precision[np.ix_(rows, rows)])
        last = np.zeros(len(rows))
        last[-1] = 1
        factor[rows, j] = solve_triangular(root, last, lower=True, trans=1)
    return factor


def optimal_precision_factor(covariance: Array, pattern: NDArray[np.bool_]) -> Array:
    """Return the `T` of least `KL(target || N(., (T T^T)^{-1}))` within a lower `pattern`.

    This is the other direction of the divergence, the one that has a closed form (Schafer,
    Katzfuss & Owhadi 2021): the same columns with the covariance in the place of `P`. It is
    also a minimum of `KL(q || target)` where the pattern holds the whole Cholesky factor of
    `P`; elsewhere a good start for `converge`.
    """
    return optimal_factor(covariance, pattern)
