"""Size of a body of slow, or of fast, rock.

The target function of Zhao, Curtis & Zhang (2022, Geophys. J. Int. 228(2)): the cells of a box
beyond a threshold that touch each other, the largest body of them or the one at a seed.
"""

from dataclasses import dataclass, replace
from typing import ClassVar, Final, Literal, Self

import numpy as np
from pydantic import Field
from scipy.ndimage import generate_binary_structure, label

from pvi_hpc.answers.questions.question import Model
from pvi_hpc.answers.questions.region import Region, region_of
from pvi_hpc.config.questions import QuestionSettings, ThresholdSettings
from pvi_hpc.errors import ConfigError
from pvi_hpc.grid import Cells
from pvi_hpc.plugins import Axes

__all__ = ["ConnectedVolume", "ConnectedVolumeSettings"]

#: Rank of the structuring element of SciPy in which cells touch by these.
TOUCH: Final = {"faces": 1, "edges": 2, "corners": 3}


class ConnectedVolumeSettings(ThresholdSettings):
    """Volume of a body of cells beyond a velocity that touch each other."""

    kind: Literal["connected_volume"]
    seed_m: Axes | None = Field(
        None, description="Place (z, y, x) in the body [m]; null: the largest body."
    )
    touch: Literal["faces", "edges", "corners"] = Field(
        "faces", description="Parts of cells that must touch for them to be of one body."
    )


@dataclass(frozen=True)
class ConnectedVolume:
    """Volume of the largest body, or of the one at a seed [m3]; 0 where there is none.

    On a grid of one cell along an axis it is an area [m2].
    """

    Options: ClassVar[type[QuestionSettings]] = ConnectedVolumeSettings

    region: Region
    threshold: float
    threshold_step: float
    below: bool
    #: The seed's cell in the box.
    seed: tuple[int, int, int] | None
    rank: int

    @classmethod
    def from_options(cls, options: ConnectedVolumeSettings, cells: Cells) -> Self:
        """Return the question on a grid.

        Raises
        ------
        ConfigError
            If the box holds no unknown cell, or the seed is no unknown cell in the box.
        """
        region = region_of(options.box, cells, options.name)
        seed = None if options.seed_m is None else _seed(options, options.seed_m, region, cells)
        below, step = options.below_m_s is not None, options.threshold_step_m_s
        return cls(region, options.threshold, step, below, seed, TOUCH[options.touch])

    @property
    def unit(self) -> str:
        """Unit of the volume."""
        return self.region.unit

    def at(self, threshold: float) -> Self:
        """Return the same question with another threshold [m/s]."""
        return replace(self, threshold=threshold)

    def answer(self, model: Model) -> float:
        """Return the volume of the body in a model."""
        inside = model[self.region.box]
        beyond = inside < self.threshold if self.below else inside > self.threshold
        found = beyond & self.region.active
        labels, bodies = label(found, structure=generate_binary_structure(3, self.rank))
        if self.seed is not None:
            its = labels[self.seed]
            cells = int((labels == its).sum()) if its else 0
        else:
            cells = int(np.bincount(labels.ravel())[1:].max()) if bodies else 0
        return cells * self.region.cell_size


def _seed(
    options: ConnectedVolumeSettings, seed: Axes, region: Region, cells: Cells
) -> tuple[int, int, int]:
    """Return the cell of the box whose centre is nearest to the seed."""
    relative = cells.grid.relative(np.array([seed]))[0] / cells.grid.spacing
    z, y, x = (round(r) - part.start for r, part in zip(relative, region.box, strict=True))
    place = z, y, x
    in_box = all(0 <= i < n for i, n in zip(place, region.active.shape, strict=True))
    if not in_box or not region.active[place]:
        raise ConfigError(
            f"'questions': 'seed_m' of '{options.name}' must be (z, y, x) of an unknown cell "
            f"in its box, got {list(seed)}; move it, or widen 'box'."
        )
    return place
