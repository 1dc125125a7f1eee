"""Entries of the prior's precision on a stencil, from products with it.

Cells so far apart that the precision couples no cell to two of them are probed together
(Curtis, Powell & Reid 1974, J. Inst. Math. Appl. 13): each product then holds the columns of
all of them, exactly.
"""

from collections.abc import Callable
from itertools import product
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pvi_hpc.errors import ConfigError
from pvi_hpc.families.gaussian.stencil import Stencil
from pvi_hpc.grid import apart_from_middle

__all__ = ["at_offset", "prior_entries"]

Array = NDArray[np.float64]

#: Furthest neighbours along an axis that a sparse precision may couple.
REACH: Final = 4
#: Size of an entry further out, relative to the largest, that counts as rounding.
ROUNDING: Final = 1e-9


def prior_entries(
    stencil: Stencil, precision: Callable[[Tensor], Tensor]
) -> tuple[Tensor, Tensor]:
    """Return the diagonal `(n,)` and the couplings `(K, nz, ny, nx)` of a precision.

    Raises
    ------
    ConfigError
        If it couples cells further than four along an axis.
    """
    shape = stencil.active.shape
    diagonal = torch.zeros(shape, dtype=torch.float64)
    couplings = torch.zeros(stencil.shape, dtype=torch.float64)
    _check_reach(stencil, precision)
    sizes = [min(2 * REACH + 1, n) for n in shape]
    for first in product(*(range(size) for size in sizes)):
        places = tuple(slice(a, None, size) for a, size in zip(first, sizes, strict=True))
        cells = torch.zeros(shape, dtype=torch.float64)
        cells[places] = 1
        found = stencil.scatter(precision(stencil.gather(cells[None])))[0]
        diagonal[places] = found[places]
        for k, offset in enumerate(stencil.offsets):
            if max(map(abs, offset)) <= REACH:
                couplings[k][places] = torch.from_numpy(at_offset(found.numpy(), offset))[
                    places
                ]
    return stencil.gather(diagonal[None])[0], _without_holes(stencil, couplings)


def _check_reach(stencil: Stencil, precision: Callable[[Tensor], Tensor]) -> None:
    """Raise ConfigError if the precision of a cell in the middle reaches too far."""
    middle, apart = apart_from_middle(stencil.active)
    one = torch.zeros(1, len(apart), dtype=torch.float64)
    one[0, middle] = 1
    column = precision(one)[0].abs().numpy()
    far = (apart > REACH).any(axis=1)
    if column[far].max(initial=0.0) > ROUNDING * column.max():
        raise ConfigError(
            "'start.hessian.kind: noise' in 'inference.coordinates: field' needs a prior whose "
            f"precision couples cells at most {REACH} apart along an axis, got one that "
            "reaches further; choose 'prior.kind: whittle_matern', or coordinates 'whitened'."
        )


def at_offset(values: Array, offset: tuple[int, ...]) -> Array:
    """Return at each cell the value at `offset` from it, zero where that leaves the grid."""
    out = np.zeros_like(values)
    axes = list(zip(offset, values.shape, strict=True))
    here = tuple(slice(max(0, -o), max(0, n - max(0, o))) for o, n in axes)
    there = tuple(slice(max(0, o), max(0, n + min(0, o))) for o, n in axes)
    out[here] = values[there]
    return out


def _without_holes(stencil: Stencil, couplings: Tensor) -> Tensor:
    """Return couplings that are zero at cells which are not unknown."""
    return couplings * torch.from_numpy(stencil.active.astype(np.float64))
