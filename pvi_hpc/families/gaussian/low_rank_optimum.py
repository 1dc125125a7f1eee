"""The best low-rank family for a Gaussian of dense precision; `O(n^3)` a round."""

from math import inf, sqrt
from typing import Final

import torch
from torch import Tensor

from pvi_hpc.families.gaussian.leading import scaled_directions
from pvi_hpc.numerics.reproducible import log, one_thread

__all__ = ["optimal_low_rank"]

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
