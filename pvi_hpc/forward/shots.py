"""Work of a gang on shots: simulate, compare with the data, and differentiate."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from pvi_hpc.data.survey import Component, Shot
from pvi_hpc.data.survey_file import SurveyFile
from pvi_hpc.data.wavelets import for_solver
from pvi_hpc.errors import NonFiniteError, SurveyError
from pvi_hpc.forward.setup import SimulationSetup

__all__ = ["ShotResult", "Solver", "Want", "simulate_shots"]

Array = NDArray[Any]
Want = Literal["gradient", "misfit", "traces"]


class Solver(Protocol):
    """A forward problem on a grid; every method is called by every rank."""

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

    def gradient(self, adjoint_source: Array) -> NDArray[np.float64] | None:
        """Return d/dc of `sum(adjoint_source * traces)` on rank 0, None elsewhere."""

    def close(self) -> None:
        """Release all memory."""


@dataclass(frozen=True)
class ShotResult:
    """Result of a chunk of shots.

    `gradient` is on rank 0 only, and only if it was asked for; `traces` are
    `(n_rec, n_samples)` float32, one a shot, if they were asked for.
    """

    misfit: float = 0.0
    gradient: NDArray[np.float64] | None = None
    traces: tuple[NDArray[np.float32], ...] = ()


class Comparison(NamedTuple):
    """A misfit and its derivative by the traces at the data's samples."""

    misfit: float
    derivative: NDArray[np.float64]


def simulate_shots(
    solver: Solver, setup: SimulationSetup, survey: SurveyFile, shots: Sequence[int], want: Want
) -> ShotResult:
    """Simulate `shots` in that order with the model that the solver holds.

    Misfits and gradients are summed over the shots in float64.

    Raises
    ------
    NonFiniteError
        If traces, misfit or gradient are not finite.
    """
    wavelet = for_solver(survey.wavelet, setup.dt, setup.n_steps, resample=True)
    misfit, gradient, traces = 0.0, None, []
    for index in shots:
        shot = survey.shot(index)
        simulated = solver.forward(
            setup.grid.relative(shot.source),
            wavelet,
            setup.grid.relative(shot.receivers),
            store=want == "gradient",
            component=survey.component,
        )
        if not np.isfinite(simulated).all():
            raise NonFiniteError(f"The simulated traces of shot {shot.id} are not finite.")
        sampled = simulated[:, :: setup.steps_per_sample][:, : survey.n_samples]
        if want == "traces":
            traces.append(np.ascontiguousarray(sampled, dtype=np.float32))
            continue
        compared = compare(sampled, shot)
        misfit += compared.misfit
        if want == "gradient":
            adjoint_source = np.zeros(simulated.shape)
            adjoint_source[:, :: setup.steps_per_sample][:, : survey.n_samples] = (
                compared.derivative
            )
            part = solver.gradient(adjoint_source)
            gradient = part if gradient is None or part is None else gradient + part
    # After the loop: only rank 0 has gradients, and no rank may leave the others alone.
    if gradient is not None and not np.isfinite(gradient).all():
        raise NonFiniteError(f"The gradient of shots {list(shots)} is not finite.")
    return ShotResult(misfit, gradient, tuple(traces))


def compare(simulated: Array, shot: Shot) -> Comparison:
    """Return ``0.5 * sum(((simulated - data) / noise_sd)**2)`` and its derivative.

    A trace whose `noise_sd` is infinite is left out.

    Raises
    ------
    SurveyError
        If the shot has no data to compare with.
    """
    if shot.data.shape != simulated.shape:
        raise SurveyError(
            f"Shot {shot.id} has data of shape {shot.data.shape}, the simulation gives "
            f"{simulated.shape}: the survey file does not belong to this setup."
        )
    used = np.isfinite(shot.noise_sd)
    inv_sd = np.where(used, 1 / shot.noise_sd, 0.0)[:, None]
    data = np.where(used[:, None], shot.data, 0.0)
    residual = np.where(used[:, None], simulated, 0.0).astype(np.float64) - data
    scaled = residual * inv_sd
    misfit = 0.5 * float(np.sum(scaled**2))
    if not np.isfinite(misfit):
        raise NonFiniteError(f"The misfit of shot {shot.id} is not finite.")
    return Comparison(misfit, scaled * inv_sd)
