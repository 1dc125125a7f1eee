"""Densities in the plane that no Gaussian fits, and the KL to them, integrated on a grid."""

from collections.abc import Callable, Mapping
from math import log
from typing import Final, TypeAlias

import torch
from torch import Tensor

__all__ = ["TARGETS", "banana", "plane_kl", "ring", "three_modes"]

#: Log density `(S,)` of `theta` `(S, 2)`.
LogDensity: TypeAlias = Callable[[Tensor], Tensor]

#: The grid: `POINTS` a side over a square of half width `HALF_WIDTH`.
HALF_WIDTH: Final = 12.0
POINTS: Final = 800


def banana(theta: Tensor) -> Tensor:
    """Return the log density of a parabola: `x ~ N(0, 2^2)`, `y ~ N(x^2 / 2 - 2, 0.5^2)`."""
    x, y = theta[:, 0], theta[:, 1]
    return -0.5 * (x / 2) ** 2 - 0.5 * ((y - 0.5 * x * x + 2) / 0.5) ** 2


def ring(theta: Tensor) -> Tensor:
    """Return the log density of a ring of radius 2 and width 0.3."""
    radius = ((theta * theta).sum(dim=1) + 1e-12).sqrt()
    return -0.5 * ((radius - 2) / 0.3) ** 2


def three_modes(theta: Tensor) -> Tensor:
    """Return the log density of three normal densities of sd 0.6, 3.5 apart."""
    means = theta.new_tensor([[2.0, 0.0], [-1.0, 1.8], [-1.0, -1.8]])
    squares = ((theta[:, None] - means) ** 2).sum(dim=2)
    return torch.logsumexp(-0.5 * squares / 0.6**2, dim=1)


TARGETS: Final[Mapping[str, LogDensity]] = {
    "banana": banana,
    "ring": ring,
    "three_modes": three_modes,
}


def plane_kl(log_q: LogDensity, log_p: LogDensity) -> tuple[float, float]:
    """Return `KL(q || p)` and `KL(p || q)` [nats] of densities in the plane.

    Both are normalised on the grid first, so that neither can be negative.
    """
    axis = torch.linspace(-HALF_WIDTH, HALF_WIDTH, POINTS, dtype=torch.float64)
    places, cell = torch.cartesian_prod(axis, axis), float(axis[1] - axis[0]) ** 2
    values = []
    for density in (log_q, log_p):
        value = torch.cat([density(part) for part in torch.split(places, 100_000)])
        values.append(value - value.logsumexp(dim=0) - log(cell))
    q, p = values
    forward = float(((q.exp() * (q - p)).nan_to_num(0.0)).sum()) * cell
    backward = float(((p.exp() * (p - q)).nan_to_num(0.0)).sum()) * cell
    return forward, backward
