"""Radial flows (Rezende & Mohamed 2015, arXiv 1505.05770): stretching around a point."""

from typing import ClassVar, Self

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

__all__ = ["Radial", "RadialTransform"]


class Radial(Flow):
    """Radial flow: a chain of layers that each stretch space around one point.

    Parameters of a layer are `centre` `(n,)`, `reach` and `gain` `()`.
    """

    Options: ClassVar[type[Settings]] = LayerOptions

    @classmethod
    def from_options(cls, active: NDArray[np.bool_], options: LayerOptions) -> Self:
        """Return the family of the `active` cells of a grid `(nz, ny, nx)`."""
        n = int(active.sum())
        return cls(n, [_RadialLayer(n, options.seed, i) for i in range(options.layers)])


class _RadialLayer(LazyTransform):
    """The centre is a fixed draw of N(0, I) plus a parameter, so that layers differ."""

    def __init__(self, n: int, seed: int, index: int) -> None:
        super().__init__()
        shapes: tuple[tuple[int, ...], ...] = ((n,), (), ())
        self.centre, self.reach, self.gain = (nn.Parameter(torch.zeros(s)) for s in shapes)
        draw = keyed_rng(seed, "radial", index).standard_normal(n)
        self.register_buffer("origin", torch.from_numpy(draw))

    def forward(self, c: Tensor | None = None) -> Transform:
        centre = self.centre + self.origin.to(self.centre)
        return RadialTransform(centre, self.reach, self.gain)


class RadialTransform(LayerTransform):
    """`y = x + b (x - x0) / (a + r)`, `r = |x - x0|`, `a = softplus(reach) > 0`.

    `b = softplus(reach + gain) - a > -a` makes it invertible, and `gain = 0` the identity.
    The inverse is the positive root of a quadratic in `r`.
    """

    def __init__(self, centre: Tensor, reach: Tensor, gain: Tensor) -> None:
        super().__init__()
        self.centre = centre
        self.a = softplus(reach)
        self.b = softplus(reach + gain) - self.a

    def call_and_ladj(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the image of `x` `(..., n)` and the log determinant `(...)`."""
        away = x - self.centre
        r = _length(away)
        h = self.b / (self.a + r)
        across = torch.log1p(h) * (x.shape[-1] - 1)
        along = torch.log1p(self.a * self.b / (self.a + r) ** 2)
        return x + h[..., None] * away, across + along

    def _inverse(self, y: Tensor) -> Tensor:
        away = y - self.centre
        s = _length(away)
        p = self.a + self.b - s
        root = (p * p + 4 * self.a * s).sqrt()
        # This is the one of the two forms of the root that does not cancel.
        r = torch.where(p > 0, 2 * self.a * s / (p + root), 0.5 * (root - p))
        return self.centre + away / (1 + self.b / (self.a + r))[..., None]


def _length(x: Tensor) -> Tensor:
    # The root has no derivative at zero; the smallest positive number gives it one.
    return ((x * x).sum(dim=-1) + torch.finfo(x.dtype).tiny).sqrt()
