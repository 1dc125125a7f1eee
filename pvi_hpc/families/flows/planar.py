"""Planar flows (Rezende & Mohamed 2015, arXiv 1505.05770): `y = x + u tanh(w . x + b)`."""

from math import e, log
from typing import ClassVar, Final, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.distributions import Transform
from torch.nn.functional import softplus
from zuko.lazy import LazyTransform

from pvi_hpc.families.flows.flow import Flow
from pvi_hpc.families.flows.layer_transform import LayerTransform
from pvi_hpc.families.flows.options import LayerOptions
from pvi_hpc.numerics.random import keyed_rng
from pvi_hpc.plugins import Settings

__all__ = ["Planar", "PlanarTransform"]

#: `softplus(SHIFT) = 1`.
SHIFT: Final = log(e - 1)

#: Halvings of an interval at most `2 |c|` wide, to the last bit of float64.
HALVINGS: Final = 64

#: `1 + w . u` stays above this, so that the inverse keeps half of its digits at least.
MARGIN: Final = 1e-3


class Planar(Flow):
    """Planar flow: a chain of layers that each bend space along one direction.

    Parameters of a layer are `u`, `w` `(n,)` and `b` `()`.
    """

    Options: ClassVar[type[Settings]] = LayerOptions

    @classmethod
    def from_options(cls, active: NDArray[np.bool_], options: LayerOptions) -> Self:
        """Return the family of the `active` cells of a grid `(nz, ny, nx)`."""
        n = int(active.sum())
        return cls(n, [_PlanarLayer(n, options.seed, i) for i in range(options.layers)])


class _PlanarLayer(LazyTransform):
    """`w` is a fixed direction plus a parameter: with both zero nothing would ever move."""

    def __init__(self, n: int, seed: int, index: int) -> None:
        super().__init__()
        self.u, self.w, self.b = (nn.Parameter(torch.zeros(s)) for s in ((n,), (n,), ()))
        direction = keyed_rng(seed, "planar", index).standard_normal(n) / np.sqrt(n)
        self.register_buffer("direction", torch.from_numpy(direction))

    def forward(self, c: Tensor | None = None) -> Transform:
        return PlanarTransform(self.u, self.w + self.direction.to(self.w), self.b)


class PlanarTransform(LayerTransform):
    r"""`y = x + u' tanh(w . x + b)`, with `u` `(n,)` moved along `w` so that it is invertible.

    It is where `c = w . u' > -1`; `c = softplus(w . u + log(e - 1)) - 1`, so that `u = 0` is
    the identity. The inverse solves the monotone equation `t + c tanh(t) = w . y + b`.
    """

    def __init__(self, u: Tensor, w: Tensor, b: Tensor) -> None:
        super().__init__()
        product = (w * u).sum()
        self.c = (softplus(product + SHIFT) - 1) * (1 - MARGIN)
        self.u = u + (self.c - product) * w / (w * w).sum()
        self.w, self.b = w, b

    def call_and_ladj(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the image of `x` `(..., n)` and the log determinant `(...)`."""
        bend = torch.tanh(self._argument(x))
        y = x + bend[..., None] * self.u
        return y, torch.log1p(self.c * (1 - bend * bend))

    def _inverse(self, y: Tensor) -> Tensor:
        t = _solve(self.c, self._argument(y))
        return y - torch.tanh(t)[..., None] * self.u

    def _argument(self, x: Tensor) -> Tensor:
        return (x * self.w).sum(dim=-1) + self.b


def _solve(c: Tensor, s: Tensor) -> Tensor:
    """Return `t` with `t + c tanh(t) = s`, differentiable by `c` and `s`.

    Halving, then a step of Newton's method, which polishes and carries the gradient.
    """
    with torch.no_grad():
        low, high = s - c.abs(), s + c.abs()
        for _ in range(HALVINGS):
            middle = 0.5 * (low + high)
            below = middle + c * torch.tanh(middle) < s
            low, high = torch.where(below, middle, low), torch.where(below, high, middle)
        t = 0.5 * (low + high)
        slope = 1 + c * (1 - torch.tanh(t) ** 2)
    return t - (t + c * torch.tanh(t) - s) / slope
