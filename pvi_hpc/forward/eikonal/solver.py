"""Misfits and gradients of travel times; a `Solver` for one rank."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pvi_hpc.data.survey import Shot, Survey
from pvi_hpc.errors import SolverError
from pvi_hpc.forward.comparison import NOTHING, DataMisfit
from pvi_hpc.forward.eikonal.times import Rays, TravelTimes
from pvi_hpc.forward.problem import ShotResult, Want
from pvi_hpc.forward.refinement import Refinement
from pvi_hpc.grid import Grid

__all__ = ["EikonalSolver", "rays_of"]

Array = NDArray[np.float64]

#: Travel times are traces of one sample.
ONE: Final = 1


def rays_of(shot: Shot) -> Rays:
    """Return source and receivers of a shot."""
    return Rays(shot.source, shot.receivers)


class EikonalSolver:
    """Travel times of a survey on a grid finer than the models', and their adjoint.

    Parameters
    ----------
    grid
        Grid of the models, velocities [m/s].
    refinement
        Nodes of times relative to its cells; velocities between these are linear.
    survey
        Sources, receivers and times.
    threads
        Number of threads; sources are dealt out to them.
    misfit
        Comparison of simulated with observed times.
    """

    storage = ""

    def __init__(
        self,
        grid: Grid,
        refinement: Refinement,
        survey: Survey,
        threads: int = 1,
        misfit: DataMisfit | None = None,
    ) -> None:
        self.refinement, self.survey, self.threads = refinement, survey, threads
        self.misfit = misfit or DataMisfit()
        self._fine = refinement.fine(grid)
        self._slowness: Array = np.empty(self._fine.shape)
        self._last: tuple[tuple[int, ...], TravelTimes] | None = None

    def set_model(self, model: NDArray[Any]) -> None:
        """Set velocities `(nz, ny, nx)` [m/s].

        Raises
        ------
        SolverError
            If one is not positive and finite.
        """
        if not (np.isfinite(model) & (model > 0)).all():
            wrong = model[~(np.isfinite(model) & (model > 0))]
            raise SolverError(f"A velocity must be positive and finite, got {wrong[0]} m/s.")
        self._slowness = 1 / self.refinement.refine(model)

    def set_precisions(self, precisions: Sequence[float]) -> None:
        """Set the factor of the squares of each group of data; empty: 1 for all."""
        self.misfit.precisions = tuple(precisions)

    def close(self) -> None:
        """Nothing runs between calls."""

    def simulate(self, shots: Sequence[int], want: Want) -> ShotResult:
        """Simulate shots, all at once; misfits are summed in their order.

        Raises
        ------
        NonFiniteError
            If a misfit is not finite.
        """
        its_times = self._of(shots)
        times = its_times.times(self._slowness)
        if want == "traces":
            return ShotResult(traces=tuple(t[:, None].astype(np.float32) for t in times))
        misfit, sums, derivatives = 0.0, NOTHING, []
        for index, found in zip(shots, times, strict=True):
            compared = self.misfit.compare(found[:, None], self.survey.shots[index])
            misfit += compared.misfit
            sums = sums + compared.sums if len(sums) else compared.sums
            derivatives.append(compared.derivative[:, 0])
        gradient = self._pull(its_times, derivatives) if want == "gradient" else None
        return ShotResult(misfit, gradient, (), tuple(sums.tolist()))

    def noise_gradients(self, shot: int, keys: Sequence[int]) -> ShotResult:
        """Return the gradients of noise in one shot; as `NoiseSolver`."""
        its_times, its = self._of([shot]), self.survey.shots[shot]
        its_times.times(self._slowness)
        noises = (self.misfit.noise(its, ONE, key, shot)[:, 0] for key in keys)
        return ShotResult(gradient=np.stack([self._pull(its_times, [n]) for n in noises]))

    def _of(self, shots: Sequence[int]) -> TravelTimes:
        """Return the times of some shots; the last asked for are kept."""
        key = tuple(shots)
        if self._last is None or self._last[0] != key:
            rays = [rays_of(self.survey.shots[i]) for i in key]
            self._last = key, TravelTimes(self._fine, rays, self.threads)
        return self._last[1]

    def _pull(self, its_times: TravelTimes, derivatives: list[Array]) -> Array:
        """Return the derivative by velocities of the model, of one by times."""
        by_slowness = its_times.pull(derivatives)
        return self.refinement.transpose(-by_slowness * self._slowness**2)
