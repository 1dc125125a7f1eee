"""Products of gradients with each other, tapered with the distance between cells.

`H = sum_k g_k g_k^T` of few gradients has couplings of distant cells that more of them would
not show. A taper `R` of the distance removes them (localisation, Houtekamer & Mitchell 2001,
Monthly Weather Review 129), and the Schur product of `H` and `R`, both positive semi-definite,
is so too.
"""

from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pvi_hpc.families.gaussian.stencil import Stencil
from pvi_hpc.numerics.reproducible import one_thread

__all__ = ["Taper"]


class Taper:
    """A Gaussian taper of the distance between the `active` cells, `sd` in cells."""

    def __init__(self, active: NDArray[np.bool_], sd: float) -> None:
        self.active, self.sd = active, sd
        self._cells = Stencil(active, (1, 1, 1))

    def couple(self, rows: Tensor, x: Tensor) -> Tensor:
        """Return `sum_k diag(g_k) R diag(g_k) x` `(n,)`, `rows` `(K, n)` the gradients.

        Computed in the precision of `rows`, in one thread.
        """
        along_z, along_y, along_x = (its.to(rows.dtype) for its in self._along)
        with one_thread():
            field = along_y @ (self._cells.scatter(rows * x.to(rows.dtype)) @ along_x)
            tapered = self._cells.gather(along_z @ field.flatten(2))
            return (tapered * rows).sum(dim=0).double()

    @cached_property
    def _along(self) -> list[Tensor]:
        """The taper along each axis, `(n, n)`."""
        out = []
        for n in self.active.shape:
            places = torch.arange(n, dtype=torch.float64)
            out.append(torch.exp(-0.5 * ((places[:, None] - places) / self.sd) ** 2))
        return out
