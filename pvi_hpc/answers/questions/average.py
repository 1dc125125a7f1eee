"""Mean velocity of a region."""

from typing import ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray

from pvi_hpc.answers.questions.question import Model
from pvi_hpc.answers.questions.region import Region, region_of
from pvi_hpc.config.questions import BoxSettings, QuestionSettings
from pvi_hpc.grid import Cells

__all__ = ["Average", "AverageSettings"]


class AverageSettings(QuestionSettings):
    """Mean velocity of the unknown cells in a box."""

    kind: Literal["average"]
    box: BoxSettings = BoxSettings()


class Average:
    """Mean velocity of the unknown cells in a box [m/s]."""

    Options: ClassVar[type[QuestionSettings]] = AverageSettings
    unit = "m/s"

    def __init__(self, region: Region) -> None:
        self.region = region

    @classmethod
    def from_options(cls, options: AverageSettings, cells: Cells) -> Self:
        """Return the question on a grid; ConfigError if the box holds no unknown cell."""
        return cls(region_of(options.box, cells, options.name))

    def answer(self, model: Model) -> float:
        """Return the mean velocity of a model in the region [m/s]."""
        return float(model[self.region.box][self.region.active].mean(dtype=np.float64))

    def gradient(self, model: Model) -> NDArray[np.float64]:
        """Return the weight of each cell; as `HasGradient`."""
        weights = np.zeros(model.shape)
        active = self.region.active
        weights[self.region.box] = active / active.sum()
        return weights
