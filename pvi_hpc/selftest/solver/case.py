"""The small problem that `pvi solver test` puts to the solver: the user's own grid, cut."""

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pvi_hpc.checks.run import refuse
from pvi_hpc.config.project import Run
from pvi_hpc.data.wavelets import peak_frequency
from pvi_hpc.errors import ConfigError
from pvi_hpc.forward.acoustic.acoustic_solver import SolverSettings
from pvi_hpc.forward.acoustic.checks import check_grid, check_time_step
from pvi_hpc.forward.acoustic.settings import AcousticSettings
from pvi_hpc.forward.acoustic.stability import max_time_step
from pvi_hpc.priors import prior_bounds
from pvi_hpc.problem.forward import RunDomain, survey_geometry

__all__ = ["DELAY", "VerifyCase"]

Array = NDArray[np.float64]
#: Fewest cells beside a source that leave room for a test.
FEWEST: Final = 24
#: The wavelet peaks after this many periods: its start is then below 1e-7 of its peak, and
#: radiates nothing that the grid cannot carry.
DELAY: Final = 1.5


@dataclass(frozen=True)
class VerifyCase:
    """A grid, a range of velocities and a Ricker wavelet.

    Parameters
    ----------
    settings
        In float64: tests of exactness mean nothing in float32.
    slowest, fastest
        Range of velocities [m/s].
    peak
        Peak frequency of the wavelet [Hz].
    steps
        Time steps of a simulation.
    """

    settings: SolverSettings
    slowest: float
    fastest: float
    peak: float
    steps: int

    @classmethod
    def default(cls, cells: int, steps: int, **changes: Any) -> "VerifyCase":
        """Return a case that depends on no configuration: 20 m cells, 2 to 4 km/s."""
        spacing = (20.0, 20.0, 20.0)
        settings = SolverSettings(
            shape=(cells, cells + 2, cells + 5),
            spacing=spacing,
            dt=0.8 * max_time_step(4000.0, spacing, order=changes.get("order", 8)),
            pml_velocity=4000.0,
            pml_frequency=8.0,
            dtype="float64",
        )
        return cls(replace(settings, **changes), 2000.0, 4000.0, 8.0, steps)

    @classmethod
    def of_run(cls, run: Run, cells: int, steps: int) -> "VerifyCase":
        """Return the case of a run: its spacing, time step, layer and velocities.

        No axis keeps more than `cells` cells, so that the tests end within minutes.

        Raises
        ------
        ConfigError
            If it is not acoustic, or its time step exceeds the stability limit of its
            order in space.
        """
        options = run.forward
        if not isinstance(options, AcousticSettings):
            raise ConfigError(
                f"'forward.kind' must be 'acoustic' for a test of the solver, got "
                f"'{options.kind}'; choose another configuration."
            )
        survey = survey_geometry(run)
        domain = RunDomain(run)
        faults = [*check_grid(domain), *check_time_step(options, domain, survey)]
        refuse(faults, "a test of the solver")
        peak = peak_frequency(survey.wavelet)
        slowest, fastest = prior_bounds(run.prior, run.cells)
        shape = tuple(min(n, max(cells, FEWEST)) for n in run.grid.shape)
        settings = SolverSettings(
            shape=(shape[0], shape[1], shape[2]),
            spacing=run.grid.grid.spacing,
            dt=survey.dt / options.steps_per_sample,
            pml_velocity=fastest,
            pml_frequency=peak,
            n_pml=options.n_pml,
            order=options.order,
            free_surface=options.free_surface,
            dtype="float64",
        )
        return cls(settings, slowest, fastest, peak, steps)

    def homogeneous(self) -> "VerifyCase":
        """Return the case without a free surface, for comparison with the whole space."""
        return replace(self, settings=replace(self.settings, free_surface=False))

    def model(self, rng: np.random.Generator) -> Array:
        """Return a rough model `(nz, ny, nx)` [m/s], within the range of velocities."""
        share = rng.uniform(0.05, 0.95, self.settings.shape)
        model: Array = self.slowest + share * (self.fastest - self.slowest)
        return model

    @property
    def extended(self) -> NDArray[np.bool_]:
        """Axes of more than one cell `(3,)`, true; y of a section is false."""
        return np.array(self.settings.shape) > 1

    def cut(self, cells: int) -> tuple[int, int, int]:
        """Return a shape of so many cells along each axis, one where the case has one."""
        z, y, x = np.where(self.extended, cells, 1).tolist()
        return z, y, x

    def extent(self) -> Array:
        """Return the size of the grid `(3,)` [m]."""
        extent: Array = (np.array(self.settings.shape) - 1) * np.array(self.settings.spacing)
        return extent

    def points(self, rng: np.random.Generator, n: int) -> Array:
        """Return points `(n, 3)` [m] between the cells, some close to an edge."""
        return rng.uniform(0.06, 0.97, (n, 3)) * self.extent()

    def inner_points(self, rng: np.random.Generator, n: int) -> Array:
        """Return points `(n, 3)` [m] whose weights do not reach into the layer."""
        margin = 5 * np.array(self.settings.spacing) * self.extended
        inside: Array = margin + rng.uniform(0, 1, (n, 3)) * (self.extent() - 2 * margin)
        return inside

    def wavelet(self, shift: float | Array = 0.0) -> Array:
        """Return the wavelet `(steps,)`, later by `shift` [s], `(..., 1)` for several."""
        t = np.arange(self.steps) * self.settings.dt - DELAY / self.peak - shift
        u = (np.pi * self.peak * t) ** 2
        wavelet: Array = (1 - 2 * u) * np.exp(-u)
        return wavelet
