"""Weights of a mixture from densities that have been evaluated: no new simulation."""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

__all__ = ["fit_weights"]

Array = NDArray[np.float64]

UPDATES: Final = 2000

#: Smallest logarithm of a weight: a component is never lost for good.
LOWEST: Final = -30.0


def fit_weights(log_p: Array, log_g: Array) -> Array:
    """Return the log weights `(K,)` of the largest ELBO.

    The ELBO `sum_k w_k E_k[log p - log sum_j w_j g_j]` is concave in the weights, and its
    entropy is no more curved than that of the weights: mirror ascent with step 1 never goes
    down (Bauschke, Bolte & Teboulle 2017). At the optimum all components that have a weight
    have the same expectation.

    Parameters
    ----------
    log_p
        Target at the draws of each component `(K, M)`; what is not finite does not count.
    log_g
        Density of component `j` at draw `i` of component `k`, `(K, K, M)` by `[j, k, i]`.
    """
    valid = np.isfinite(log_p) & np.isfinite(log_g).any(axis=0)
    counts = np.maximum(valid.sum(axis=1), 1)
    log_w = np.full(len(log_p), -np.log(len(log_p)))
    # The largest of each draw's densities is taken out, once for all weights.
    largest = np.where(valid, log_g.max(axis=0), 0.0)
    relative = np.where(valid, np.exp(np.where(valid, log_g - largest, 0.0)), 1.0)
    rest = np.where(valid, log_p - largest, 0.0)
    for _ in range(UPDATES):
        mixed = np.log(np.einsum("j,jkm->km", np.exp(log_w), relative))
        gains = np.where(valid, rest - mixed, 0.0).sum(axis=1) / counts
        moved = log_w + gains
        moved = np.maximum(moved - logsumexp(moved), LOWEST)
        if np.abs(moved - log_w).max() < 1e-10:
            break
        log_w = moved
    fitted: Array = log_w - logsumexp(log_w)
    return fitted
