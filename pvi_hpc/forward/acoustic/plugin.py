"""Acoustic full-waveform inversion as a forward problem."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final, Self

from pvi_hpc.data.prepare import Simulate, prepare_survey, survey_files, survey_geometry
from pvi_hpc.data.settings import SurveySettings
from pvi_hpc.data.survey import Survey, Wavelet
from pvi_hpc.data.survey_file import SurveyFile
from pvi_hpc.data.wavelets import for_solver, max_frequency, peak_frequency
from pvi_hpc.errors import ConfigError, Finding, error, ok
from pvi_hpc.forward.acoustic.checks import (
    check_free_surface,
    check_grid,
    check_sampling,
    check_section,
    check_time_step,
    check_wavelet,
)
from pvi_hpc.forward.acoustic.history.storage_choice import Choice, RunSize, choose_storage
from pvi_hpc.forward.acoustic.history.storage_request import StorageWish
from pvi_hpc.forward.acoustic.settings import AcousticSettings
from pvi_hpc.forward.acoustic.setup import AcousticSetup
from pvi_hpc.forward.acoustic.solver_settings import SolverSettings, decomposition
from pvi_hpc.forward.problem import Domain, SimulationCost, Solver
from pvi_hpc.forward.setup import SimulationSetup
from pvi_hpc.forward.weighting import Weighting

if TYPE_CHECKING:
    from mpi4py import MPI

__all__ = ["AcousticProblem"]

#: Share of the wavelet's largest amplitude below which a frequency does not count.
NEGLIGIBLE_AMPLITUDE: Final = 0.01
#: Cells that one core advances by one step [1/s]; assumed.
ASSUMED_THROUGHPUT: Final = 2.5e8
#: A misfit and its gradient cost as much as this many forward simulations.
FORWARDS_PER_GRADIENT: Final = 3.0


class AcousticProblem:
    """Acoustic waves of constant density in 3D, or in a section; a `ForwardProblem`."""

    Options: ClassVar[type[AcousticSettings]] = AcousticSettings
    has_data = True
    has_positions = True
    has_noise_gradients = True
    weighs_data = True

    def __init__(self, options: AcousticSettings, domain: Domain) -> None:
        if domain.survey is None:
            raise ConfigError(
                "'survey' is missing; add it (see config/README.md): with 'forward.kind: "
                "acoustic' it names the traces, or a synthetic survey."
            )
        self.options, self.domain = options, domain
        self._survey: SurveySettings = domain.survey

    @classmethod
    def from_options(cls, options: AcousticSettings, domain: Domain) -> Self:
        """Return the problem; ConfigError where there is no section `survey`."""
        return cls(options, domain)

    @classmethod
    def solver(cls, setup: SimulationSetup, folder: Path, comm: "MPI.Comm | None") -> Solver:
        """Return the native solver with the survey's shots."""
        from pvi_hpc.forward.acoustic.acoustic_solver import AcousticSolver
        from pvi_hpc.forward.acoustic.shots import ShotSolver

        acoustic, survey = AcousticSetup.from_setup(setup), SurveyFile(setup.survey)
        ranks = 1 if comm is None else comm.size
        storage = _storage(acoustic, survey.most_receivers, ranks).storage
        waves = AcousticSolver(acoustic.solver, comm, storage)
        weighting = Weighting.of(setup.likelihood, survey.dt, survey.n_samples)
        kept = storage.describe(acoustic.n_steps)
        return ShotSolver(waves, acoustic, survey, kept, weighting)

    def inputs(self) -> list[str]:
        """Return the files of the survey, its wavelet and its true model."""
        return survey_files(self._survey)

    def geometry(self) -> Survey:
        """Return the survey, a synthetic one without data."""
        return survey_geometry(self._survey, self.options.steps_per_sample)

    def prepare(self, simulate: Simulate) -> Survey:
        """Return the survey with its data."""
        steps = self.options.steps_per_sample
        return prepare_survey(self._survey, self.domain.grid, steps, simulate)

    def check(self, survey: Survey) -> Iterator[Finding]:
        """Check grid, free surface, time step, sampling in space, and the wavelet."""
        if survey.n_samples < 2:
            text = f"a record needs at least 2 samples, got {survey.n_samples}."
            yield error("survey", text)
            return
        yield from check_grid(self.domain)
        yield from check_section(self.domain, survey)
        yield from check_free_surface(self.options, self.domain, survey)
        yield from check_time_step(self.options, self.domain, survey)
        yield from check_sampling(self.options, self.domain, survey)
        yield from check_wavelet(self.options, survey)

    def measure(self, survey: Survey) -> Iterator[Finding]:
        """Measure the gradient with the run's storage against the exact one."""
        # Imported here: it loads MPI.
        from pvi_hpc.forward.acoustic.history.storage_error import gradient_error

        setup = self._setup(survey)
        storage = _storage(setup, _most_receivers(survey), self.domain.ranks).storage
        wavelet = for_solver(survey.wavelet, setup.solver.dt, setup.n_steps, resample=True)
        measured = gradient_error(setup.solver, storage, wavelet, self.domain.model_range)
        bound = self.options.gradient.max_error
        text = (
            f"{storage.describe(setup.n_steps)}: relative error of the gradient {measured:.1e}"
        )
        if measured <= bound:
            yield ok("forward.gradient", f"{text}, at most {bound:.0e} allowed.")
        else:
            yield error(
                "forward.gradient.max_error",
                f"is {bound:.1e}, but {text}; set 'forward.gradient.every: "
                f"{max(1, storage.every // 2)}', or 'storage: checkpointed' for an exact one.",
            )

    def cost(self, survey: Survey) -> SimulationCost:
        """Return the cost of a shot; errors as `ForwardProblem.cost`."""
        setup, ranks = self._setup(survey), self.domain.ranks
        decomposition(setup.solver, ranks)
        choice = _storage(setup, _most_receivers(survey), ranks)
        limit = self.options.gradient.memory_gb_per_rank
        cells = 1
        for n in setup.solver.shape:
            cells *= n if n == 1 else n + 2 * self.options.n_pml
        forward = cells * setup.n_steps / ASSUMED_THROUGHPUT
        what = choice.storage.describe(setup.n_steps)
        return SimulationCost(
            memory=choice.memory,
            forward_seconds=forward,
            gradient_seconds=FORWARDS_PER_GRADIENT * forward,
            storage=f"keeps {what} ({choice.reason}); {choice.memory / 1e9:.2f} GB a rank of "
            f"at most {limit:g} GB.",
            basis=f"assumed {ASSUMED_THROUGHPUT:.2g} cells per core and second",
        )

    def setup(self, survey: SurveyFile, digest: str) -> SimulationSetup:
        """Return what the ranks need to know."""
        return self._setup(survey).to_setup(str(survey.path), digest)

    def _setup(self, survey: Survey | SurveyFile) -> AcousticSetup:
        options, fine = self.options, self.options.refinement.fine(self.domain.grid)
        solver = SolverSettings(
            shape=fine.shape,
            spacing=fine.spacing,
            dt=survey.dt / options.steps_per_sample,
            pml_velocity=self.domain.prior_range[1],
            pml_frequency=peak_frequency(survey.wavelet),
            n_pml=options.n_pml,
            order=options.order,
            free_surface=options.free_surface,
            dtype=options.precision,
            threads=self.domain.threads,
            density=self._survey.density_kg_m3,
        )
        steps = options.steps_per_sample
        n_steps = (survey.n_samples - 1) * steps + 1
        wish = self._wish(survey.wavelet)
        grid = self.domain.grid
        return AcousticSetup(grid, solver, n_steps, steps, wish, options.refinement)

    def _wish(self, wavelet: Wavelet) -> StorageWish:
        wanted = self.options.gradient
        return StorageWish(
            kind=wanted.storage,
            every=wanted.every,
            memory_gb=wanted.memory_gb_per_rank,
            f_max=max_frequency(wavelet, NEGLIGIBLE_AMPLITUDE),
            folder=wanted.scratch,
        )


def _storage(setup: AcousticSetup, receivers: int, ranks: int) -> Choice:
    return choose_storage(setup.solver, RunSize(setup.n_steps, receivers, ranks), setup.storage)


def _most_receivers(survey: Survey) -> int:
    return max(len(shot.receivers) for shot in survey.shots)
