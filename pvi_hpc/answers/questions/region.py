"""Cells of the box that a question is about."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pvi_hpc.config.questions import BoxSettings
from pvi_hpc.errors import ConfigError
from pvi_hpc.grid import Cells

__all__ = ["Region", "region_of"]


@dataclass(frozen=True)
class Region:
    """A box of cells, and those of it that are unknown.

    Parameters
    ----------
    box
        Its slices along z, y and x.
    active
        Unknown cells of the box `(kz, ky, kx)`; water and other fixed cells do not count.
    cell_size
        Length, area or volume of a cell, over the axes with more than one cell.
    unit
        Its unit: `m`, `m2` or `m3`.
    """

    box: tuple[slice, slice, slice]
    active: NDArray[np.bool_]
    cell_size: float
    unit: str


def region_of(box: BoxSettings, cells: Cells, question: str) -> Region:
    """Return the region of a box on a grid.

    Raises
    ------
    ConfigError
        If it holds no unknown cell; `question` is the name of the question.
    """
    grid = cells.grid
    found = []
    for axis, span in enumerate(box.spans):
        places = grid.axis(axis)
        low, high = (places[0], places[-1]) if span is None else span
        slack = 1e-6 * grid.spacing[axis]  # a coordinate that is a cell's, but for rounding
        inside = np.flatnonzero((places >= low - slack) & (places <= high + slack))
        if not len(inside):
            raise ConfigError(
                f"'questions': the box of '{question}' must hold the centre of a cell along "
                f"{'zyx'[axis]}, where they go from {places[0]:g} to {places[-1]:g} m every "
                f"{grid.spacing[axis]:g} m, got '{'zyx'[axis]}_m: [{low:g}, {high:g}]'; move "
                "or widen it."
            )
        found.append(slice(int(inside[0]), int(inside[-1]) + 1))
    z, y, x = found
    active = cells.active[z, y, x]
    if not active.any():
        raise ConfigError(
            f"'questions': the box of '{question}' must hold an unknown cell, but all cells of "
            "it are above 'prior.fixed_above_m'; move it down."
        )
    lengths = [h for h, n in zip(grid.spacing, grid.shape, strict=True) if n > 1]
    unit = {0: "cells", 1: "m"}.get(len(lengths), f"m{len(lengths)}")
    return Region((z, y, x), active, float(np.prod(lengths)), unit)
