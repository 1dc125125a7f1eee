"""Depth of an interface, at which the velocity first passes a threshold."""

from dataclasses import dataclass, replace
from typing import ClassVar, Literal, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from pvi_hpc.answers.questions.question import Model
from pvi_hpc.answers.questions.region import Region, region_of
from pvi_hpc.config.questions import QuestionSettings, ThresholdSettings
from pvi_hpc.errors import ConfigError
from pvi_hpc.grid import Cells

__all__ = ["InterfaceDepth", "InterfaceDepthSettings"]


class InterfaceDepthSettings(ThresholdSettings):
    """Depth, from the top of a box down, at which the velocity first passes a threshold."""

    kind: Literal["interface_depth"]


@dataclass(frozen=True)
class InterfaceDepth:
    """Depth of an interface [m], the mean over the columns of a box.

    In a column it is where the velocity, linear between the centres of cells, first passes the
    threshold on its way down. A column that begins beyond it, or never passes it, has no
    interface; a model of which more than half of the columns have none has no answer.
    """

    Options: ClassVar[type[QuestionSettings]] = InterfaceDepthSettings

    region: Region
    depths: NDArray[np.float64]
    threshold: float
    threshold_step: float
    below: bool
    unit: ClassVar[str] = "m"

    @classmethod
    def from_options(cls, options: InterfaceDepthSettings, cells: Cells) -> Self:
        """Return the question on a grid; ConfigError if a column has fewer than two cells."""
        region = region_of(options.box, cells, options.name)
        depths = cells.grid.axis(0)[region.box[0]]
        if len(depths) < 2:
            raise ConfigError(
                f"'questions': the box of '{options.name}' must hold two depths or more, got "
                f"one, at {depths[0]:g} m; widen 'z_m'."
            )
        below = options.below_m_s is not None
        return cls(region, depths, options.threshold, options.threshold_step_m_s, below)

    def at(self, threshold: float) -> Self:
        """Return the same question with another threshold [m/s]."""
        return replace(self, threshold=threshold)

    def answer(self, model: Model) -> float:
        """Return the mean depth of the interface in a model [m]; NaN where there is none."""
        found = self._passed(model)
        if found is None:
            return float("nan")
        share = -found.before / (found.after - found.before)
        return float((self.depths[found.above] + share * self._step(found)).mean())

    def gradient(self, model: Model) -> NDArray[np.float64]:
        """Return the derivative of the mean depth [s]; as `HasGradient`.

        In each column it is by the two cells that the interface lies between.
        """
        found = self._passed(model)
        assert found is not None  # the model has an answer
        sign = -1.0 if self.below else 1.0
        scale = (
            sign * self._step(found) / (len(found.chosen) * (found.after - found.before) ** 2)
        )
        inside = np.zeros((len(self.depths), self.region.active[0].size))
        inside[found.above, found.chosen] = -scale * found.after
        inside[found.above + 1, found.chosen] = scale * found.before
        derivative = np.zeros(model.shape)
        derivative[self.region.box] = inside.reshape(self.region.active.shape)
        return derivative

    def _passed(self, model: Model) -> "_Passed | None":
        """Return where columns pass the threshold; None where too few do."""
        sign = -1.0 if self.below else 1.0
        excess = sign * (model[self.region.box].astype(np.float64) - self.threshold)
        columns = excess.reshape(len(self.depths), -1)
        passed = (columns[:-1] <= 0) & (columns[1:] > 0)
        has = passed.any(axis=0) & (columns[0] <= 0)
        if 2 * has.sum() < len(has):
            return None
        above, chosen = passed.argmax(axis=0)[has], np.flatnonzero(has)
        return _Passed(above, chosen, columns[above, chosen], columns[above + 1, chosen])

    def _step(self, found: "_Passed") -> NDArray[np.float64]:
        """Return the distance of the two cells that each interface lies between [m]."""
        return np.asarray(self.depths[found.above + 1] - self.depths[found.above])


class _Passed(NamedTuple):
    """Cells above an interface, their columns `(k,)`, and the excess on either side of it."""

    above: NDArray[np.intp]
    chosen: NDArray[np.intp]
    before: NDArray[np.float64]
    after: NDArray[np.float64]
