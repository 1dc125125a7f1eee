"""The forward problem of a run, made from its settings."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pvi_hpc.config import Run
from pvi_hpc.data import prepare
from pvi_hpc.data.settings import SurveySettings
from pvi_hpc.data.survey import Survey
from pvi_hpc.data.survey_file import SurveyFile, file_hash
from pvi_hpc.errors import ConfigError, PviError
from pvi_hpc.forward.problem import (
    ForwardProblem,
    KnowsTruth,
    NoiseGradients,
    Solver,
    load_problem,
    plugin_of,
)
from pvi_hpc.forward.setup import SimulationSetup
from pvi_hpc.grid import Grid

__all__ = [
    "RunDomain",
    "forward_problem",
    "has_products",
    "refuse_without_products",
    "simulation_setup",
    "solver_here",
    "survey_geometry",
    "true_model",
]


@dataclass(frozen=True)
class RunDomain:
    """Settings of a run as its forward problem asks for them; a `Domain`."""

    run: Run

    @property
    def grid(self) -> Grid:
        """Grid of the models."""
        return self.run.grid.grid

    @property
    def survey(self) -> SurveySettings | None:
        """Section `survey` of the configuration; None where there is none."""
        return self.run.survey

    @property
    def ranks(self) -> int:
        """MPI ranks of a gang."""
        return self.run.execution.ranks

    @property
    def threads(self) -> int:
        """Threads of a rank."""
        return self.run.execution.threads

    @property
    def shots_per_task(self) -> int:
        """Largest number of shots that a gang simulates in one task."""
        return self.run.execution.shots_per_task

    @property
    def timeout_s(self) -> float:
        """Longest duration of a task [s]."""
        return self.run.execution.timeout_s

    @property
    def prior_range(self) -> tuple[float, float]:
        """Lowest and highest value that the prior allows anywhere [m/s]."""
        # Imported here, as below: these load torch, which the workflow does not need.
        from pvi_hpc.priors import prior_bounds

        return prior_bounds(self.run.prior, self.run.cells)

    @cached_property
    def model_range(self) -> tuple[float, float]:
        """Range of the prior, with the starting model where its cells are fixed [m/s]."""
        low, high = self.prior_range
        if self.run.prior.fixed_above_m is None:
            return low, high
        from pvi_hpc.problem.starting_model import starting_model

        try:
            model = starting_model(self.run)
        except PviError:  # `check_start` reports it.
            return low, high
        fixed = model[~self.run.cells.active]
        return min(low, fixed.min(initial=low)), max(high, fixed.max(initial=high))


def forward_problem(run: Run) -> ForwardProblem:
    """Return the forward problem of a run; no file is read.

    Raises
    ------
    ConfigError
        If there is no such kind, or its settings contradict each other.
    """
    return load_problem(run.forward, RunDomain(run))


def has_products(run: Run) -> bool:
    """Tell whether simulations pull changes of their data back, and so have products."""
    problem = forward_problem(run)
    return isinstance(problem, NoiseGradients) and problem.has_noise_gradients


def refuse_without_products(run: Run) -> None:
    """Raise ConfigError where simulations cannot pull changes of their data back."""
    if not has_products(run):
        raise ConfigError(
            "'questions': 'linear_response' needs simulations that pull any change of their "
            f"data back to the model, which 'forward.kind: {run.forward.kind}' with these "
            "settings does not; return data and their gradient, or remove 'linear_response'."
        )


def survey_geometry(run: Run) -> Survey:
    """Return the survey of a run without simulating; errors as `ForwardProblem.geometry`."""
    return forward_problem(run).geometry()


def true_model(run: Run) -> NDArray[np.float32] | None:
    """Return the model `(nz, ny, nx)` [m/s] that the data were made from, None if unknown."""
    problem = forward_problem(run) if run.survey is None else None
    if isinstance(problem, KnowsTruth):
        return problem.true_model()
    return prepare.true_model(run.survey, run.grid.grid)


def simulation_setup(run: Run, survey: str | Path) -> SimulationSetup:
    """Return what workers need to simulate the shots of a prepared survey file.

    Raises
    ------
    SurveyError
        If the file is missing or not a survey file.
    """
    setup = forward_problem(run).setup(SurveyFile(survey), file_hash(survey))
    return replace(setup, likelihood=run.likelihood.lasting())


@contextmanager
def solver_here(run: Run, survey: Path) -> Iterator[Solver]:
    """Yield the solver of a run and a prepared survey file in this process, on one rank."""
    alone = run.execution.model_copy(update={"ranks": 1})
    setup = simulation_setup(run.model_copy(update={"execution": alone}), survey)
    with tempfile.TemporaryDirectory(prefix="pvi-simulate-") as folder:
        solver = plugin_of(setup.kind).solver(setup, Path(folder), None)
        try:
            yield solver
        finally:
            solver.close()
