"""Base of forward problems that a user brings: checks, cost, and the measured gradient."""

import hashlib
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

import numpy as np

from pvi_hpc.data.prepare import Simulate
from pvi_hpc.data.survey import Survey
from pvi_hpc.data.survey_file import SurveyFile
from pvi_hpc.errors import Finding, PviError, SolverError, SurveyError, error, ok, warning
from pvi_hpc.forward.comparison import DataMisfit
from pvi_hpc.forward.external.observed import observed_survey
from pvi_hpc.forward.external.settings import ExternalSettings
from pvi_hpc.forward.external.solver import ExternalSolver, Simulation
from pvi_hpc.forward.problem import Domain, SimulationCost, Solver
from pvi_hpc.forward.setup import SimulationSetup
from pvi_hpc.forward.weighting import Weighting
from pvi_hpc.numerics.random import keyed_rng

if TYPE_CHECKING:
    from mpi4py import MPI

__all__ = ["ExternalProblem", "refuse_changed", "refuse_ranks"]

#: Step along the random direction of `measure`, as a share of the prior's range.
STEP: Final = 1e-3
#: A gradient costs as much as this many simulations without one, where it is returned.
SIMULATIONS_PER_GRADIENT: Final = 2.0
#: Room that the files of a simulation need beside models and gradients [bytes].
ROOM: Final = 2**20


class ExternalProblem(ABC):
    """Forward problem of a user; the kinds say how one simulation is done."""

    kind: ClassVar[str]
    Options: ClassVar[type[Any]]
    has_positions = False
    weighs_data = True

    def __init__(self, options: Any, domain: Domain) -> None:
        self.options, self.domain = options, domain

    @classmethod
    def from_options(cls, options: Any, domain: Domain) -> Self:
        """Return the problem; nothing is imported or started."""
        return cls(options, domain)

    @classmethod
    def solver(cls, setup: SimulationSetup, folder: Path, comm: "MPI.Comm | None") -> Solver:
        """Return the solver of one rank.

        Raises
        ------
        SolverError
            If there are more ranks, or what the user brings cannot be used.
        """
        refuse_ranks(setup, comm)
        options = cls.Options.model_validate(dict(setup.place["options"]))
        refuse_changed(setup)
        simulation = cls.simulation(options, setup, folder)
        low, high = setup.physics["prior_range"]
        survey = cls.observed(Path(setup.survey))
        weighting = Weighting.of(setup.likelihood, survey.dt, survey.n_samples)
        return _solver(options, simulation, survey, high - low, weighting)

    @classmethod
    @abstractmethod
    def simulation(cls, options: Any, setup: SimulationSetup, folder: Path) -> Simulation:
        """Return what simulates one shot; `folder` is empty and this process's own."""

    @classmethod
    def observed(cls, path: Path) -> Survey | SurveyFile:
        """Return the data that simulations are compared with, from the survey's file."""
        return SurveyFile(path)

    @classmethod
    def first_simulation(cls, options: Any, setup: SimulationSetup, folder: Path) -> Simulation:
        """Return what simulates before the inversion, where no worker limits its time."""
        return cls.simulation(options, setup, folder)

    @abstractmethod
    def sources(self) -> list[Path]:
        """Return the files whose content is part of the forward problem."""

    @property
    def has_data(self) -> bool:
        """True where simulations give data."""
        return bool(self.options.returns == "data")

    @property
    def has_noise_gradients(self) -> bool:
        """True where a derivative by the data can be pulled back to the model."""
        return self.has_data and self.options.gradient != "differences"

    def inputs(self) -> list[str]:
        """Return data files and sources."""
        settings: ExternalSettings = self.options
        data = [settings.data, settings.noise_sd]
        return [str(f) for f in (*data, *self._files()) if isinstance(f, (str, Path))]

    def geometry(self) -> Survey:
        """Return the observed data; the hashes of the sources are attributes."""
        return observed_survey(self.options, {"kind": self.kind, **self._hashes()})

    def prepare(self, simulate: Simulate) -> Survey:
        """Return the observed data; nothing is simulated."""
        return self.geometry()

    def check(self, survey: Survey) -> Iterator[Finding]:
        """Check what can be checked without a simulation."""
        if self.domain.ranks != 1:
            yield error(
                "execution.ranks",
                f"must be 1 with 'forward.kind: {self.kind}', got {self.domain.ranks}; give "
                "cores to one simulation by 'execution.threads'.",
            )
        yield from self._check_time(survey)
        if self.options.gradient == "differences":
            cells = self.domain.grid.size
            yield warning(
                "forward.gradient",
                f"is 'differences': a gradient takes {2 * cells + 1} simulations, two for each "
                f"of {cells} cells; return gradients if you can.",
            )

    def measure(self, survey: Survey) -> Iterator[Finding]:
        """Compare the gradient of the first shot with a difference along a random direction."""
        if self.options.gradient == "differences" or self.options.max_error is None:
            return
        try:
            slope, difference = self._slopes(survey)
        except PviError as fault:
            yield error("forward", f"the first simulation failed: {fault}")
            return
        scale = max(abs(slope), abs(difference))
        wrong = abs(slope - difference) / scale if scale else 0.0
        text = (
            f"derivative of the misfit along a random direction {slope:.4g}, by differences "
            f"{difference:.4g}: relative error {wrong:.1e}"
        )
        if wrong <= self.options.max_error:
            yield ok("forward.gradient", f"{text}, at most {self.options.max_error:g} allowed.")
            return
        yield error(
            "forward.max_error",
            f"is {self.options.max_error:g}, but {text}; correct the gradient (its sign, its "
            "scale, the order of its axes (z, y, x)), or raise the bound where the misfit is "
            "not smooth.",
        )

    def cost(self, survey: Survey) -> SimulationCost:
        """Return the cost as the settings tell it."""
        settings = self.options
        forward = settings.seconds * self.domain.threads
        times = SIMULATIONS_PER_GRADIENT
        if settings.gradient == "differences":
            times = 1.0 + 2.0 * self.domain.grid.size
        return SimulationCost(
            memory=int(settings.memory_gb * 1e9),
            forward_seconds=forward,
            gradient_seconds=times * forward,
            storage=f"a simulation takes {settings.memory_gb:g} GB ('forward.memory_gb').",
            basis=f"{settings.seconds:g} s a simulation, as 'forward.seconds' says",
        )

    def setup(self, survey: SurveyFile, digest: str) -> SimulationSetup:
        """Return what the rank needs to know."""
        return self._setup(str(survey.path), digest)

    def _setup(self, survey: str, digest: str) -> SimulationSetup:
        return SimulationSetup(
            kind=self.kind,
            grid=self.domain.grid,
            survey=survey,
            survey_hash=digest,
            physics={
                "options": self.options.model_dump(
                    mode="json", exclude=set(self.options.operational)
                ),
                "prior_range": self.domain.prior_range,
            },
            place={
                "launched_in": str(Path.cwd()),
                "options": self.options.model_dump(mode="json"),
                "hashes": {str(Path(p).absolute()): h for p, h in self._hashes().items()},
            },
            threads=self.domain.threads,
            scratch=32 * self.domain.grid.size + ROOM,
        )

    def _files(self) -> list[Path]:
        return [*self.sources(), *map(Path, self.options.files)]

    def _hashes(self) -> dict[str, str]:
        """Return the hash of each file that is part of the problem, by its path.

        Raises
        ------
        SurveyError
            If one is missing, or no file.
        """
        return {str(path): _hash(path) for path in self._files()}

    def _check_time(self, survey: Survey) -> Iterator[Finding]:
        """Compare the duration of a task, as the settings tell it, with its time limit."""
        one = self.cost(survey).gradient_seconds / self.domain.threads
        task = one * min(self.domain.shots_per_task, len(survey.shots))
        if task > self.domain.timeout_s:
            yield error(
                "execution.timeout_s",
                f"must exceed the {task:.3g} s that a task takes with 'forward.seconds: "
                f"{self.options.seconds:g}' and 'execution.shots_per_task: "
                f"{self.domain.shots_per_task}', got {self.domain.timeout_s:g}; raise it, or "
                "correct 'forward.seconds'.",
            )

    def _slopes(self, survey: Survey) -> tuple[float, float]:
        """Return a directional derivative from the gradient, and from two misfits."""
        low, high = self.domain.prior_range
        rng = keyed_rng(1, "measured gradient")
        shape = self.domain.grid.shape
        centre = 0.5 * (low + high) + 0.01 * (high - low) * rng.standard_normal(shape)
        step = STEP * (high - low) * rng.standard_normal(shape)
        with tempfile.TemporaryDirectory(prefix="pvi-measure-") as name:
            simulation = self.first_simulation(self.options, self._setup("", ""), Path(name))
            solver = _solver(self.options, simulation, survey, high - low)
            try:
                solver.set_model(centre)
                gradient = solver.simulate([0], "gradient").gradient
                misfits = []
                for end in (centre + step, centre - step):
                    solver.set_model(end)
                    misfits.append(solver.simulate([0], "misfit").misfit)
            finally:
                solver.close()
        assert gradient is not None
        return float(np.sum(gradient * step)), 0.5 * (misfits[0] - misfits[1])


def _solver(
    options: Any,
    simulation: Simulation,
    survey: Survey | SurveyFile,
    span: float,
    weighting: Weighting | None = None,
) -> ExternalSolver:
    differences = options.gradient == "differences"
    return ExternalSolver(
        simulation,
        survey,
        difference=options.difference * span if differences else None,
        sign=-1 if options.returns == "log_likelihood" else 1,
        misfit=DataMisfit(weighting),
    )


def _hash(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise SurveyError(
            f"'{path}' is part of the forward problem and must be a file that can be read: "
            f"{error}; correct 'forward.files'."
        ) from error


def refuse_ranks(setup: SimulationSetup, comm: "MPI.Comm | None") -> None:
    """Raise SolverError where there is more than one rank."""
    if comm is not None and comm.size > 1:
        raise SolverError(
            f"'execution.ranks' must be 1 with 'forward.kind: {setup.kind}', got {comm.size}."
        )


def refuse_changed(setup: SimulationSetup) -> None:
    """Raise SolverError for files of the problem that have changed since the run began."""
    for name, expected in setup.place["hashes"].items():
        if _hash(Path(name)) != expected:
            raise SolverError(
                f"'{name}' has changed since the survey of this run was prepared: restore it, "
                "or begin another run with the changed one."
            )
