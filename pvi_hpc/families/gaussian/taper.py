"""Products of gradients with each other, tapered with the distance between cells.

`H = sum_k g_k g_k^T` of few gradients has couplings of distant cells that more of them would
not show. A taper `R` of the distance removes them (localisation, Houtekamer & Mitchell 2001,
Monthly Weather Review 129), and the Schur product of `H` and `R`, both positive semi-definite,
is so too.
"""

from functools import cached_property
from math import pi, sqrt
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pvi_hpc.families.gaussian.stencil import Stencil
from pvi_hpc.numerics.reproducible import one_thread

__all__ = ["Taper"]

#: Distance between nodes, and that of the outermost ones beyond the cells, in sds.
APART: Final = 0.8
BEYOND: Final = 1.6
#: Numbers of the fields that are worked on at once, 1 MB of float64.
CACHE: Final = 2**17


class Taper:
    """A Gaussian taper of the distance between the `active` cells, `sd` in cells.

    `R = F F^T`: each cell is a sum over nodes, far fewer than cells where `sd` is some cells,
    and what is summed goes back the same way.
    """

    def __init__(self, active: NDArray[np.bool_], sd: float) -> None:
        self.active, self.sd = active, sd
        self._cells = Stencil(active, (1, 1, 1))

    def couple(self, rows: Tensor, x: Tensor) -> Tensor:
        """Return `sum_k diag(g_k) R diag(g_k) x` `(n,)`, `rows` `(K, n)` the gradients.

        Computed in the precision of `rows`, in one thread.
        """
        out = torch.zeros(x.shape, dtype=torch.float64)
        with one_thread():
            for some in torch.split(rows, self._at_once):
                nodes = self._to_nodes(self._cells.scatter(some * x.to(rows.dtype)))
                tapered = self._cells.gather(self._from_nodes(nodes))
                out += (tapered * some).sum(dim=0)
        return out

    @property
    def _at_once(self) -> int:
        """Gradients whose fields stay in a cache."""
        return max(1, CACHE // self.active.size)

    def _to_nodes(self, field: Tensor) -> Tensor:
        """Return sums `(K, mz, my, mx)` at nodes of a field `(K, nz, ny, nx)`."""
        along_z, along_y, along_x = (its.to(field.dtype) for its in self._along)
        k, _, ny, nx = field.shape
        found = (along_z.T @ field.flatten(2)).view(k, -1, ny, nx)
        return along_y.T @ (found @ along_x)

    def _from_nodes(self, nodes: Tensor) -> Tensor:
        """Return the field `(K, nz, ny, nx)` of `nodes`: the transpose."""
        along_z, along_y, along_x = (its.to(nodes.dtype) for its in self._along)
        found = along_y @ nodes @ along_x.T
        return (along_z @ found.flatten(2)).view(len(nodes), -1, *found.shape[2:])

    @cached_property
    def _along(self) -> list[Tensor]:
        """The factor of the taper along each axis, `(cells, nodes)`.

        The product of two Gaussians of sd `sd / sqrt(2)` around nodes, summed over them, is
        the taper to 0.1 % where nodes are 0.8 sd apart.
        """
        out = []
        for n in self.active.shape:
            step, beyond = APART * self.sd, BEYOND * self.sd
            nodes = torch.arange(-beyond, n - 1 + beyond + step, step, dtype=torch.float64)
            places = torch.arange(n, dtype=torch.float64)
            near = torch.exp(-(((places[:, None] - nodes) / self.sd) ** 2))
            out.append(near * (step / self.sd * sqrt(2 / pi)) ** 0.5)
        return out
