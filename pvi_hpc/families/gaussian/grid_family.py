"""Base of Gaussian families with couplings on a stencil: parameters, options and start."""

from abc import abstractmethod
from typing import ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pvi_hpc.families.capabilities import PrecisionPart
from pvi_hpc.families.family import Parameters
from pvi_hpc.families.gaussian.gaussian import GaussianFamily
from pvi_hpc.families.gaussian.options import StencilOptions, default_size, fitting_size
from pvi_hpc.families.gaussian.stencil import Stencil
from pvi_hpc.plugins import Settings

__all__ = ["GridFamily", "stencil_of"]


class GridFamily(GaussianFamily):
    """Parameters `mu`, `log_sd` `(n,)` and `coefficients` `(K, nz, ny, nx)`.

    One array for each offset of the stencil; zero, and staying so, where a coupling would leave
    the grid or touch a fixed cell.
    """

    Options: ClassVar[type[Settings]] = StencilOptions

    def __init__(self, stencil: Stencil) -> None:
        super().__init__(int(stencil.active.sum()))
        self.stencil = stencil
        # K couplings that move at random then change a cell's sd as much as its log_sd does.
        # With the full step and a 5 x 5 x 5 stencil L^{-1} grows without bound.
        self.step_scales = {"coefficients": max(1, len(stencil.offsets)) ** -0.5}

    @property
    def column_size(self) -> int:
        """Numbers in a column of the sparse factor."""
        return 1 + len(self.stencil.offsets)

    @classmethod
    def from_options(cls, active: NDArray[np.bool_], options: StencilOptions) -> Self:
        """Return the family of the `active` cells of a grid `(nz, ny, nx)`.

        Raises
        ------
        ConfigError
            If the stencil is larger than the grid.
        """
        return cls(stencil_of(active, options))

    @property
    def reads(self) -> PrecisionPart:
        """Part of a precision that `informed` reads."""
        return "couplings"

    @property
    def reach(self) -> tuple[int, int, int]:
        """Box of the couplings of a precision that `informed` reads, `(kz, ky, kx)`.

        It holds the differences of all pairs of cells within one stencil of the same cell.
        """
        kz, ky, kx = self.stencil.size
        return 2 * kz - 1, 2 * ky - 1, 2 * kx - 1

    @property
    def couplings(self) -> Stencil:
        """Neighbours that a cell is coupled to."""
        return self.stencil

    def independent(self, mean: Tensor, log_sd: Tensor) -> Parameters:
        """Return the parameters of independent cells, `mean` and `log_sd` `(n,)`."""
        coefficients = torch.zeros(self.stencil.shape, dtype=mean.dtype)
        return {**super().independent(mean, log_sd), "coefficients": coefficients}

    @abstractmethod
    def natural(self, parameters: Parameters, gradients: Parameters) -> Parameters:
        """Return the natural gradient of what has the gradients `gradients`."""


def stencil_of(active: NDArray[np.bool_], options: StencilOptions) -> Stencil:
    """Return the stencil that the options describe.

    Raises
    ------
    ConfigError
        If the stencil is larger than the grid.
    """
    size = options.stencil or default_size(active.shape)
    return Stencil(active, fitting_size(size, active.shape), options.mask)
