"""A coupling flow for fields: the conditioners are convolutions on the 3D grid.

RealNVP (Dinh et al. 2017, arXiv 1605.08803) with checkerboards: the black cells shape shift
and scale of the white ones, then the other way round. Blocks of 1, 2, 4, ... cells, and
convolutions dilated alike, carry correlations further than the neighbouring cell. The number
of parameters does not depend on the grid, except for `mu` and `log_sd`.
"""

from typing import ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.distributions import Transform
from zuko.lazy import LazyTransform
from zuko.transforms import CouplingTransform, DependentTransform, MonotonicAffineTransform

from pvi_hpc.errors import ConfigError
from pvi_hpc.families.flows.flow import Flow
from pvi_hpc.families.flows.options import FieldOptions
from pvi_hpc.plugins import Settings

__all__ = ["Convolutional"]


class Convolutional(Flow):
    """RealNVP flow for fields: convolutions couple the colours of checkerboards."""

    Options: ClassVar[type[Settings]] = FieldOptions

    @classmethod
    def from_options(cls, active: NDArray[np.bool_], options: FieldOptions) -> Self:
        """Return the family of the `active` cells of a grid `(nz, ny, nx)`.

        ConfigError if a block is as large as the grid.
        """
        layers: list[LazyTransform] = []
        for block in options.blocks:
            black = _checkerboard(active, block)
            layers += [
                _FieldCoupling(active, colour, block, options.channels)
                for colour in (black, ~black)
            ]
        return cls(int(active.sum()), layers, options.seed)


def _checkerboard(active: NDArray[np.bool_], block: int) -> NDArray[np.bool_]:
    """Return which active cells `(n,)` are black, in blocks of `block` cells a side."""
    z, y, x = np.indices(active.shape) // block
    black: NDArray[np.bool_] = ((z + y + x) % 2 == 0)[active]
    if black.all() or not black.any():
        raise ConfigError(
            "'inference.family.options.blocks' of 'convolutional' must leave cells of both "
            f"colours on the grid {active.shape}, got {block}; choose smaller blocks."
        )
    return black


class _FieldCoupling(LazyTransform):
    """Affine in the cells that are not `known`, by convolutions of those that are."""

    def __init__(
        self, active: NDArray[np.bool_], known: NDArray[np.bool_], block: int, channels: int
    ) -> None:
        super().__init__()
        self.shape = active.shape
        cells = np.flatnonzero(active)
        self.register_buffer("known", torch.from_numpy(known))
        self.register_buffer("origin", torch.from_numpy(cells[known]))
        self.register_buffer("target", torch.from_numpy(cells[~known]))
        # An axis of one cell needs no neighbours.
        nz, ny, nx = (size > 1 for size in active.shape)
        kernel = 1 + 2 * nz, 1 + 2 * ny, 1 + 2 * nx
        padding = block * nz, block * ny, block * nx
        self.network = nn.Sequential(
            nn.Conv3d(2, channels, kernel, padding=padding, dilation=block),
            nn.SiLU(),
            nn.Conv3d(channels, channels, 1),
            nn.SiLU(),
            nn.Conv3d(channels, 2, 1),
        )

    def forward(self, c: Tensor | None = None) -> Transform:
        coupling: Transform = CouplingTransform(self._condition, self.known)
        return coupling

    def _condition(self, x: Tensor) -> Transform:
        """Return the transform of the other cells, given the known ones `x` `(S, k)`.

        The second channel says where cells are known: not at the edges.
        """
        field = x.new_zeros(len(x), 2, int(np.prod(self.shape)))
        field[:, 0, self.origin] = x
        field[:, 1, self.origin] = 1
        out = self.network(field.view(len(x), 2, *self.shape)).flatten(2)
        shift, scale = out[:, 0, self.target], out[:, 1, self.target]
        affine: Transform = DependentTransform(MonotonicAffineTransform(shift, scale), 1)
        return affine
