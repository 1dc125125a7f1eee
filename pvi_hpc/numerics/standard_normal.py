"""The standard normal density, of `eps` and of `theta` under its prior."""

from math import log, pi
from typing import Final

from torch import Tensor

from pvi_hpc.numerics.reproducible import row_sums

__all__ = ["HALF_LOG_2PI", "log_density"]

HALF_LOG_2PI: Final = 0.5 * log(2 * pi)


def log_density(x: Tensor) -> Tensor:
    """Return `log N(x; 0, I)` `(S,)` of `x` `(S, n)`, without gradient (it is `-x`)."""
    x = x.detach()
    return -0.5 * row_sums(x * x) - x.shape[1] * HALF_LOG_2PI
