"""Quantities that a calibration of a survey ranks: cells by depth, block means, volumes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pvi_hpc.diagnostics.calibration import Calibration, Inversion
from pvi_hpc.grid import Cells
from pvi_hpc.priors.prior import Prior

__all__ = ["CELLS", "QUANTITIES", "Quantities"]

Models = NDArray[np.floating]

CELLS: Final = "cells"
#: Names of what is ranked, in this order.
QUANTITIES: Final = (
    CELLS, "upper third", "middle third", "lower third", "block means", "volumes",
)  # fmt: skip
#: Number of blocks along each axis.
BLOCKS: Final = (3, 3, 3)
#: Prior probabilities of velocities that bound volumes: of slow, of faster and of fast rock.
BOUNDS: Final = (0.2, 0.5, 0.8)


@dataclass(frozen=True)
class Quantities:
    """Numbers drawn from models: every one is ranked among those of the posterior draws.

    Parameters
    ----------
    thirds
        Unknown cells in each third of the depths, three arrays of indices.
    blocks
        Unknown cells in each block, indices.
    bounds
        Velocities that each cell stays below with the probabilities `BOUNDS`, `(3, n)` [m/s].
    """

    thirds: tuple[NDArray[np.intp], ...]
    blocks: tuple[NDArray[np.intp], ...]
    bounds: NDArray[np.float64]

    @classmethod
    def of(cls, cells: Cells, prior: Prior) -> "Quantities":
        """Return the quantities of the unknown cells of a grid."""
        depths = np.array_split(np.unique(cells.depth), 3)
        thirds = tuple(np.flatnonzero(np.isin(cells.depth, part)) for part in depths)
        blocks = []
        for _, box in cells.grid.boxes(BLOCKS):
            inside = np.zeros(cells.grid.shape, dtype=bool)
            inside[box] = True
            blocks.append(np.flatnonzero(inside[cells.active]))
        bounds = np.stack([prior.quantile(p) for p in BOUNDS])
        return cls(thirds, tuple(block for block in blocks if len(block)), bounds)

    def values(self, name: str, models: Models) -> Models:
        """Return a quantity `(S, k)` of the unknown cells of models `(S, n)` [m/s].

        Means are in m/s, volumes in shares of all cells.
        """
        if name == CELLS:
            return models
        if name.endswith("third"):
            return models[:, self.thirds[QUANTITIES.index(name) - 1]]
        if name == "block means":
            means = [models[:, b].mean(axis=1, dtype=np.float64) for b in self.blocks]
            return np.stack(means, axis=1)
        slow, middle, fast = self.bounds
        volumes = [models < slow, models > middle, models > fast]
        return np.stack([v.mean(axis=1) for v in volumes], axis=1)

    def calibrations(self, inversions: Sequence[Inversion]) -> dict[str, Calibration]:
        """Return the calibration of every quantity; a third without depths is left out."""
        found = {}
        for name in QUANTITIES:
            pairs = [
                (self.values(name, i.truth[None])[0], self.values(name, i.draws))
                for i in inversions
            ]
            if pairs[0][0].size:
                found[name] = Calibration.of(pairs)
        return found
