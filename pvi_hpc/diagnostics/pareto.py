"""Pareto k-hat: does the approximation cover the target, along directions one cares about?

Vehtari et al. (2024), JMLR 25(72); the smoothing is ArviZ's. In all directions together k-hat
says nothing: an sd that is 1 % too small everywhere looks hopeless with a million unknowns.
Along a line or in a small subspace through the mean, `theta = mean + D s`, it says whether the
tails of `q` there are as heavy as the target's.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pvi_hpc.errors import ConfigError
from pvi_hpc.numerics.random import keyed_rng

__all__ = ["KHat", "k_hat_along", "pareto_k"]

Array = NDArray[np.float64]
LogDensity = Callable[[Tensor], Tensor]  # theta (S, n) -> (S,)

#: Largest k-hat at which importance weights can be trusted (Vehtari et al. 2024).
RELIABLE: Final = 0.7
#: Largest difference of log weights that is rounding.
EQUAL: Final = 1e-9
#: Fewest draws that have a tail to which a distribution can be fitted.
MIN_DRAWS: Final = 25
#: Most directions of a subspace: beyond it k-hat says as little as in the full space.
MAX_DIRECTIONS: Final = 20


@dataclass(frozen=True)
class KHat:
    """k-hat of one subspace, and the share of the draws that the weights leave in effect."""

    k: float
    efficiency: float
    draws: int

    @property
    def reliable(self) -> bool:
        """True if `q` may be used in this subspace, at least after re-weighting."""
        return self.k < RELIABLE


def pareto_k(log_weights: Array) -> KHat:
    """Return k-hat of the log importance weights `(S,)` of draws.

    A weight of minus infinity is that of a draw that the target excludes.

    Raises
    ------
    ConfigError
        If fewer than 25 weights are finite, or one is NaN or plus infinity.
    """
    finite = np.isfinite(log_weights)
    possible = finite | np.isneginf(log_weights)
    if log_weights.ndim != 1 or finite.sum() < MIN_DRAWS or not possible.all():
        raise ConfigError(
            f"'log_weights' must be one axis of at least {MIN_DRAWS} finite numbers (others "
            f"may be -inf), got shape {log_weights.shape} with {int(finite.sum())} finite and "
            f"{int((~possible).sum())} NaN or +inf."
        )
    if finite.all() and np.ptp(log_weights) < EQUAL:  # no tail to fit
        return KHat(0.0, 1.0, len(log_weights))
    import arviz

    smoothed, k = arviz.psislw(log_weights)  # type: ignore[no-untyped-call]
    weights = np.exp(np.asarray(smoothed))
    efficiency = 1 / float(np.sum((weights / weights.sum()) ** 2)) / len(weights)
    return KHat(float(k), efficiency, len(weights))


def k_hat_along(
    log_p: LogDensity,
    log_q: LogDensity,
    mean: Tensor,
    directions: Tensor,
    *,
    draws: int = 400,
    seed: int = 1,
) -> KHat:
    """Return k-hat of `q` against `p` in the subspace `mean + directions^T s`.

    Parameters
    ----------
    log_p, log_q
        Log densities up to constants, `(S, n)` to `(S,)`; `log_p` is called `draws` times.
    mean
        Mean of `q` `(n,)`.
    directions
        Rows that span the subspace `(k, n)`: weights of a mean over a volume, or unit vectors
        of a block of cells.
    draws
        Number of draws of `s`, from `q` restricted to the subspace where that is Gaussian.
    seed
        Seed of the draws.

    Raises
    ------
    ConfigError
        If the directions are too many, dependent, or of the wrong length.
    """
    basis = _basis(directions, len(mean))
    root = _root_of_slice(log_q, mean, basis)
    z = keyed_rng(seed, "k_hat").standard_normal((draws, len(basis)))
    theta = mean + torch.from_numpy(z @ root.T) @ basis
    by_slice = -0.5 * np.sum(z**2, axis=1)  # log density of the draws themselves
    log_weights = log_p(theta).detach().numpy() - by_slice
    return pareto_k(log_weights - log_weights.max())


def _basis(directions: Tensor, n: int) -> Tensor:
    if directions.ndim != 2 or directions.shape[1] != n or len(directions) > MAX_DIRECTIONS:
        raise ConfigError(
            f"'directions' must have shape (k, {n}) with k at most {MAX_DIRECTIONS}, got "
            f"{tuple(directions.shape)}; more of them together say nothing."
        )
    lengths = torch.linalg.vector_norm(directions.double(), dim=1)
    if not (torch.isfinite(lengths) & (lengths > 0)).all():
        raise ConfigError(
            "'directions' must be finite and not zero, got lengths "
            f"{[float(x) for x in lengths]}; does a mask hold no cell?"
        )
    q, r = torch.linalg.qr(directions.double().T)
    if (r.diagonal().abs() < 1e-10 * lengths).any():
        raise ConfigError("'directions' must be linearly independent; remove the copies.")
    basis: Tensor = q.T
    return basis


def _root_of_slice(log_q: LogDensity, mean: Tensor, basis: Tensor) -> Array:
    """Return a square root `(k, k)` of the covariance of `q` restricted to the subspace.

    From the curvature of `log_q` at its mean, by differences: exact for a Gaussian.
    """
    k = len(basis)
    pairs = [(i, j) for i in range(k) for j in range(i, k)]
    scale = _scales(log_q, mean, basis)
    points = [mean]
    for i, j in pairs:
        points += [
            mean + sign * (scale[i] * basis[i] + scale[j] * basis[j]) for sign in (1, -1)
        ]
    points += [mean + sign * scale[i] * basis[i] for i in range(k) for sign in (1, -1)]
    values = log_q(torch.stack(points)).detach().numpy()
    centre, crossed, single = values[0], values[1 : 1 + 2 * len(pairs)], values[-2 * k :]
    lone = 2 * centre - single.reshape(k, 2).sum(axis=1)
    precision = np.empty((k, k))
    for (i, j), (plus, minus) in zip(pairs, crossed.reshape(-1, 2), strict=True):
        both = 2 * centre - plus - minus
        product = lone[i] if i == j else 0.5 * (both - lone[i] - lone[j])
        precision[i, j] = precision[j, i] = product / float(scale[i] * scale[j])
    try:
        inverse_root = np.linalg.cholesky(precision)
    except np.linalg.LinAlgError as error:
        raise ConfigError(
            "'log_q' must have a maximum at 'mean' in these directions; it curves upwards."
        ) from error
    return np.ascontiguousarray(np.linalg.inv(inverse_root).T)


def _scales(log_q: LogDensity, mean: Tensor, basis: Tensor) -> Tensor:
    """Return steps `(k,)` at which `log_q` has fallen by about a half."""
    scale = torch.ones(len(basis), dtype=torch.float64)
    for _ in range(3):
        points = torch.cat(
            [mean[None], mean + scale[:, None] * basis, mean - scale[:, None] * basis]
        )
        values = log_q(points).detach().double()
        fall = values[0] - 0.5 * (values[1 : 1 + len(basis)] + values[1 + len(basis) :])
        scale = scale / torch.sqrt(2 * fall.clamp(min=1e-8))
    return scale
