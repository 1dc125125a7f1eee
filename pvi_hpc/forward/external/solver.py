"""A solver around any simulation: compare with data, pull back, or take differences."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from pvi_hpc.data.survey import Shot, Survey
from pvi_hpc.data.survey_file import SurveyFile
from pvi_hpc.errors import NonFiniteError, SolverError
from pvi_hpc.forward.comparison import NOTHING, DataMisfit
from pvi_hpc.forward.external.results import number_of, numbers_of
from pvi_hpc.forward.problem import ShotResult, Want

__all__ = ["ExternalSolver", "Linearised", "Result", "Simulation"]

Array = NDArray[np.float64]

#: Largest change of the model in a difference of data, as a share of its largest value.
CHANGE: Final = 1e-4


@dataclass(frozen=True)
class Result:
    """Result of one simulation of one shot.

    Parameters
    ----------
    value
        Misfit or log-likelihood, or simulated data `(n,)`.
    gradient
        Derivative of that number by the model `(nz, ny, nx)`; or, of data, a function from a
        derivative by the data `(n,)` to one by the model. None if it was not asked for.
    """

    value: Any
    gradient: Any = None


class Value(NamedTuple):
    """The misfit of one shot, and its squares summed over each group of data."""

    misfit: float
    sums: Array = NOTHING


class Simulation(Protocol):
    """A function or a program that simulates one shot of one model."""

    def run(self, model: Array, shot: int, *, gradient: bool) -> Result:
        """Simulate shot number `shot` of a model `(nz, ny, nx)` float64.

        Raises
        ------
        SolverError
            If it fails.
        """
        ...

    def close(self) -> None:
        """End all that runs."""


@runtime_checkable
class Linearised(Simulation, Protocol):
    """Capability of a simulation that knows the derivative of its data."""

    def derivative(self, model: Array, direction: Array, shot: int) -> Array:
        """Return the derivative of the data `(n,)` along a change of the model."""
        ...


class ExternalSolver:
    """Misfits and gradients from any simulation; a `Solver` for one rank.

    Parameters
    ----------
    simulation
        Simulates one shot.
    survey
        Data to compare with; shots without data where simulations give the misfit.
    difference
        Half a central difference, in units of the model; None: simulations give gradients.
    sign
        -1 where simulations give the log-likelihood, 1 where they give the misfit.
    misfit
        Comparison of simulated with observed data, where there are data.
    """

    storage = ""

    def __init__(
        self,
        simulation: Simulation,
        survey: Survey | SurveyFile,
        difference: float | None = None,
        sign: int = 1,
        misfit: DataMisfit | None = None,
    ) -> None:
        self.simulation, self.survey = simulation, survey
        self.difference, self.sign = difference, sign
        self.misfit = misfit or DataMisfit()
        self.model: Array = np.empty((0, 0, 0))
        self.direction: Array = np.empty((0, 0, 0))

    def set_model(self, model: NDArray[Any]) -> None:
        """Set the model `(nz, ny, nx)`."""
        if not np.isfinite(model).all():
            raise NonFiniteError("The model holds NaN or infinite values.")
        self.model = np.asarray(model, dtype=np.float64)

    def set_direction(self, direction: NDArray[Any]) -> None:
        """Set the change of the model `(nz, ny, nx)` of `products`."""
        self.direction = np.asarray(direction, dtype=np.float64)

    def set_precisions(self, precisions: Sequence[float]) -> None:
        """Set the factor of the squares of each group of data; empty: 1 for all."""
        self.misfit.precisions = tuple(precisions)

    def close(self) -> None:
        """End all that runs."""
        self.simulation.close()

    def simulate(self, shots: Sequence[int], want: Want) -> ShotResult:
        """Simulate shots; misfits and gradients are summed over them in their order.

        Raises
        ------
        NonFiniteError
            If data, misfit or gradient are not finite.
        BadResultError
            If they do not have the shape that they must have.
        SolverError
            If a simulation fails.
        """
        misfit, traces, sums = 0.0, [], NOTHING
        gradient: Array | None = None
        for index in shots:
            shot = _shot(self.survey, index)
            if want == "traces":
                data = self._data(self.simulation.run(self.model, index, gradient=False), shot)
                traces.append(data.astype(np.float32))
                continue
            value, part = self._differentiate(index, shot, gradient=want == "gradient")
            misfit += value.misfit
            sums = sums + value.sums if len(sums) else value.sums
            if part is not None:
                gradient = part if gradient is None else gradient + part
        return ShotResult(misfit, gradient, tuple(traces), tuple(sums.tolist()))

    def noise_gradients(self, shot: int, keys: Sequence[int]) -> ShotResult:
        """Return the gradients of noise in one shot; as `NoiseSolver`.

        One simulation serves all of them; `SolverError` where simulations cannot pull a
        derivative by the data back to the model.
        """
        its = _shot(self.survey, shot)
        if self.difference is not None or not its.data.size:
            raise SolverError("Gradients of noise need the gradient of data, in a function.")
        result = self.simulation.run(self.model, shot, gradient=True)
        self._data(result, its)
        noises = (self.misfit.noise(its, 1, key, shot)[:, 0] for key in keys)
        pulled = [self._gradient(result.gradient(noise), its) for noise in noises]
        return ShotResult(gradient=np.stack(pulled))

    def products(self, shots: Sequence[int]) -> ShotResult:
        """Return the Gauss-Newton product of shots with the direction; as `ProductSolver`.

        Where a simulation does not know the derivative of its data, two more along the
        direction tell it by their difference. `SolverError` as `noise_gradients`.
        """
        total: Array | None = None
        for index in shots:
            shot = _shot(self.survey, index)
            if self.difference is not None or not shot.data.size:
                raise SolverError("Products need the gradient of data, in a function.")
            result = self.simulation.run(self.model, index, gradient=True)
            self._data(result, shot)
            weighed = self.misfit.weigh(self._change(index, shot)[:, None], shot)
            pulled = self._gradient(result.gradient(weighed[:, 0]), shot)
            total = pulled if total is None else total + pulled
        return ShotResult(gradient=total)

    def _change(self, index: int, shot: Shot) -> Array:
        """Return the derivative of the data `(n,)` of a shot along the direction."""
        if isinstance(self.simulation, Linearised):
            return self.simulation.derivative(self.model, self.direction, index)
        size = float(np.abs(self.direction).max())
        if not size:
            return np.zeros(len(shot.receivers))
        half = CHANGE * float(np.abs(self.model).max()) / size
        ends = [
            self._data(self.simulation.run(model, index, gradient=False), shot)[:, 0]
            for model in (
                self.model + half * self.direction,
                self.model - half * self.direction,
            )
        ]
        return np.asarray((ends[0] - ends[1]) / (2 * half))

    def _differentiate(
        self, index: int, shot: Shot, *, gradient: bool
    ) -> tuple["Value", Array | None]:
        """Return the misfit of a shot and its gradient, if that is asked for."""
        if not gradient:
            return self._misfit(self.model, index, shot), None
        if self.difference is not None:
            value = self._misfit(self.model, index, shot)
            return value, self._differences(index, shot, self.difference)
        result = self.simulation.run(self.model, index, gradient=True)
        if not shot.data.size:
            value = Value(self.sign * number_of(result.value, shot))
            return value, self.sign * self._gradient(result.gradient, shot)
        compared = self.misfit.compare(self._data(result, shot), shot)
        pulled = result.gradient(compared.derivative[:, 0])
        return Value(compared.misfit, compared.sums), self._gradient(pulled, shot)

    def _misfit(self, model: Array, index: int, shot: Shot) -> "Value":
        result = self.simulation.run(model, index, gradient=False)
        if not shot.data.size:
            return Value(self.sign * number_of(result.value, shot))
        compared = self.misfit.compare(self._data(result, shot), shot)
        return Value(compared.misfit, compared.sums)

    def _differences(self, index: int, shot: Shot, half: float) -> Array:
        """Return the gradient from central differences, two simulations a cell."""
        gradient = np.empty(self.model.shape)
        for cell in np.ndindex(self.model.shape):
            ends = []
            for change in (half, -half):
                model = self.model.copy()
                model[cell] += change
                ends.append(self._misfit(model, index, shot).misfit)
            gradient[cell] = (ends[0] - ends[1]) / (2 * half)
        return gradient

    def _data(self, result: Result, shot: Shot) -> Array:
        """Return simulated data as `(n, 1)`, checked."""
        data = numbers_of(result.value, "data", (len(shot.receivers),), shot)
        return data[:, None]

    def _gradient(self, gradient: Any, shot: Shot) -> Array:
        return numbers_of(gradient, "gradient", self.model.shape, shot)


def _shot(survey: Survey | SurveyFile, index: int) -> Shot:
    return survey.shots[index] if isinstance(survey, Survey) else survey.shot(index)
