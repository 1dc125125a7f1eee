"""The best low-rank family for a Gaussian of dense precision; `O(n^3)` a round."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from pvi_hpc.families.leading import scaled_directions

__all__ = ["optimal_low_rank"]

Array = NDArray[np.float64]

#: Relative change of the divergence at which the fixed point has converged.
TOLERANCE: Final = 1e-12


def optimal_low_rank(
    precision: Array, rank: int, *, of: str = "precision", max_rounds: int = 2000
) -> tuple[Array, Array]:
    """Return `d` `(n,)` and `U` `(rank, n)` of the best `L = diag(d) (I + U^T U)^{+-1}`.

    The exponent is -1 `of` the precision and 1 `of` the covariance. Two exact minimisations
    of `KL(q || target)` take turns: given `d`, `U` are eigenvectors of `diag(d) P diag(d)`;
    given `U`, `d` minimises `d^T (P * C) d / 2 - sum(log d)`, `C = (I + U^T U)^{+-2}`.
    """
    n = len(precision)
    d = 1 / np.sqrt(np.diag(precision))
    previous = np.inf
    for _ in range(max_rounds):
        eigen = np.linalg.eigh(d[:, None] * precision * d)
        directions = scaled_directions(*eigen, rank, of).numpy()
        inner = np.eye(n) + directions.T @ directions
        root = np.linalg.inv(inner) if of == "precision" else inner
        weights = precision * (root @ root.T)
        d = _scales(weights, d)
        sign = -1 if of == "precision" else 1
        log_det = np.log(d).sum() + sign * np.linalg.slogdet(inner)[1]
        value = 0.5 * d @ weights @ d - log_det
        if previous - value < TOLERANCE * abs(value):
            break
        previous = value
    return d, directions


def _scales(weights: Array, d: Array) -> Array:
    """Return the positive `d` that minimises `d^T W d / 2 - sum(log d)`: damped Newton."""
    for _ in range(100):
        gradient = weights @ d - 1 / d
        step = np.linalg.solve(weights + np.diag(1 / d**2), gradient)
        decrement = np.sqrt(gradient @ step)
        d = d - step / (1 + decrement)  # self-concordant: never leaves the domain
        if decrement < 1e-10:
            break
    return d
