"""The acoustic solver on the ranks of a gang: simulate, compare with data, differentiate."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pvi_hpc.data.survey import Component, Shot
from pvi_hpc.data.survey_file import SurveyFile
from pvi_hpc.data.wavelets import for_solver
from pvi_hpc.errors import NonFiniteError
from pvi_hpc.forward.acoustic.acoustic_solver import BornTraces
from pvi_hpc.forward.acoustic.setup import AcousticSetup
from pvi_hpc.forward.comparison import NOTHING, DataMisfit
from pvi_hpc.forward.problem import ShotResult, Want
from pvi_hpc.forward.weighting import Weighting

__all__ = ["ShotSolver", "WaveSolver"]

Array = NDArray[Any]


class WaveSolver(Protocol):
    """Waves on a grid; `pvi_hpc.forward.acoustic.acoustic_solver` is one."""

    def set_model(self, velocity: Array) -> None:
        """Set the speed `(nz, ny, nx)` [m/s]."""

    def forward(
        self,
        source: Array,
        wavelet: Array,
        receivers: Array,
        *,
        store: bool = False,
        component: Component = "pressure",
    ) -> Array:
        """Return traces `(n_rec, nt)`; positions relative to cell `(0, 0, 0)` [m]."""

    def born(
        self,
        source: Array,
        wavelet: Array,
        receivers: Array,
        direction: Array,
        *,
        store: bool = False,
        component: Component = "pressure",
    ) -> BornTraces:
        """Return traces and their derivative along a change of speed `(nz, ny, nx)`."""

    def gradient(self, adjoint_source: Array) -> NDArray[np.float64] | None:
        """Return d/dc of `sum(adjoint_source * traces)` on rank 0, None elsewhere."""

    def close(self) -> None:
        """Release all memory."""


class ShotSolver:
    """Simulates the shots of a survey with the model that a wave solver holds; a `Solver`.

    Parameters
    ----------
    waves
        The wave solver.
    setup
        Grid, time steps and sampling.
    survey
        Sources, receivers and the data to compare with.
    storage
        Storage of a run for its gradient, in words.
    weighting
        Weights of the data; None: all are 1.
    """

    def __init__(
        self,
        waves: WaveSolver,
        setup: AcousticSetup,
        survey: SurveyFile,
        storage: str = "",
        weighting: Weighting | None = None,
    ) -> None:
        self.waves, self.setup, self.survey = waves, setup, survey
        self.storage, self.misfit = storage, DataMisfit(weighting)
        self.direction: Array = np.empty((0, 0, 0))
        self.wavelet = for_solver(survey.wavelet, setup.solver.dt, setup.n_steps, resample=True)

    def set_model(self, model: Array) -> None:
        """Set the speed `(nz, ny, nx)` [m/s], on the grid of the models."""
        refinement = self.setup.refinement
        self.waves.set_model(model if refinement.is_none else refinement.refine(model))

    def set_direction(self, direction: Array) -> None:
        """Set the change of speed `(nz, ny, nx)` [m/s] of `products`, on the models' grid."""
        refinement = self.setup.refinement
        self.direction = direction if refinement.is_none else refinement.refine(direction)

    def set_precisions(self, precisions: Sequence[float]) -> None:
        """Set the factor of the squares of each group of data; empty: 1 for all."""
        self.misfit.precisions = tuple(precisions)

    def close(self) -> None:
        """Release all memory."""
        self.waves.close()

    def simulate(self, shots: Sequence[int], want: Want) -> ShotResult:
        """Simulate shots; misfits and gradients are summed over them in float64.

        Raises
        ------
        NonFiniteError
            If traces, misfit or gradient are not finite.
        """
        misfit, gradient, traces, sums = 0.0, None, [], NOTHING
        n_samples, every = self.survey.n_samples, self.setup.steps_per_sample
        for index in shots:
            shot = self.survey.shot(index)
            simulated = self._forward(shot, store=want == "gradient")
            sampled = simulated[:, ::every][:, :n_samples]
            if want == "traces":
                traces.append(np.ascontiguousarray(sampled, dtype=np.float32))
                continue
            compared = self.misfit.compare(sampled, shot)
            misfit += compared.misfit
            sums = sums + compared.sums if len(sums) else compared.sums
            if want == "gradient":
                part = self._pulled(compared.derivative, simulated.shape)
                gradient = part if gradient is None or part is None else gradient + part
        # After the loop: only rank 0 has gradients, and no rank may leave the others alone.
        if gradient is not None and not np.isfinite(gradient).all():
            raise NonFiniteError(f"The gradient of shots {list(shots)} is not finite.")
        return ShotResult(misfit, gradient, tuple(traces), tuple(sums.tolist()))

    def noise_gradients(self, shot: int, keys: Sequence[int]) -> ShotResult:
        """Return the gradients of noise in one shot; as `NoiseSolver`.

        One forward run is stored for all of them; each costs an adjoint run.
        """
        its = self.survey.shot(shot)
        simulated = self._forward(its, store=True)
        noises = (self.misfit.noise(its, self.survey.n_samples, key, shot) for key in keys)
        parts = [self._pulled(noise, simulated.shape) for noise in noises]
        found = [part for part in parts if part is not None]
        gradients = np.stack(found) if found else None
        if gradients is not None and not np.isfinite(gradients).all():
            raise NonFiniteError(f"A gradient of noise in shot {its.id} is not finite.")
        return ShotResult(gradient=gradients)

    def products(self, shots: Sequence[int]) -> ShotResult:
        """Return the Gauss-Newton product of shots with the direction; as `ProductSolver`.

        A shot costs a Born run, which is as long as two forward runs, and an adjoint run.
        """
        total = None
        for index in shots:
            shot = self.survey.shot(index)
            born = self.waves.born(
                *self._places(shot), self.direction, store=True, component=self.survey.component
            )
            if not np.isfinite(born.linearised).all():
                raise NonFiniteError(f"The linearised traces of shot {shot.id} are not finite.")
            change = born.linearised[:, :: self.setup.steps_per_sample]
            weighed = self.misfit.weigh(change[:, : self.survey.n_samples], shot)
            part = self._pulled(weighed, born.linearised.shape)
            total = part if total is None or part is None else total + part
        if total is not None and not np.isfinite(total).all():
            raise NonFiniteError(f"The product of shots {list(shots)} is not finite.")
        return ShotResult(gradient=total)

    def _places(self, shot: Shot) -> tuple[Array, Array, Array]:
        """Return source, wavelet and receivers as the waves take them."""
        grid = self.setup.grid
        return grid.relative(shot.source), self.wavelet, grid.relative(shot.receivers)

    def _forward(self, shot: Shot, *, store: bool) -> Array:
        """Return the traces `(n_rec, nt)` at every time step."""
        simulated = self.waves.forward(
            *self._places(shot), store=store, component=self.survey.component
        )
        if not np.isfinite(simulated).all():
            raise NonFiniteError(f"The simulated traces of shot {shot.id} are not finite.")
        return simulated

    def _pulled(self, by_data: Array, shape: tuple[int, ...]) -> NDArray[np.float64] | None:
        """Return a derivative by the data, pulled back to the models' cells, on rank 0."""
        adjoint_source = np.zeros(shape)
        adjoint_source[:, :: self.setup.steps_per_sample][:, : self.survey.n_samples] = by_data
        by_cell, refinement = self.waves.gradient(adjoint_source), self.setup.refinement
        if by_cell is None or refinement.is_none:
            return by_cell
        return refinement.transpose(by_cell)
