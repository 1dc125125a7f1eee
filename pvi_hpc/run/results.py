"""A project's results in Python: survey, posterior, new draws, and simulations."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from pvi_hpc.config import Project, Run, load_project
from pvi_hpc.data.survey import Survey
from pvi_hpc.data.survey_file import SurveyFile, read_survey
from pvi_hpc.errors import ConfigError
from pvi_hpc.forward.problem import ShotResult, Want
from pvi_hpc.grid import Grid
from pvi_hpc.inference.amortised.posterior import Amortised
from pvi_hpc.inference.method import Method
from pvi_hpc.problem.forward import solver_here
from pvi_hpc.problem.problem import Problem
from pvi_hpc.run.amortised.load import load_learnt
from pvi_hpc.run.controller import Progress
from pvi_hpc.run.segment import newest_progress
from pvi_hpc.store.layout import ProjectPaths, RunPaths
from pvi_hpc.store.posterior_file import PosteriorSummary, read_posterior
from pvi_hpc.store.samples import iter_samples

__all__ = ["ProjectResults", "RunResults", "open_project"]

Model = NDArray[np.float32]


def open_project(folder: str | Path) -> "ProjectResults":
    """Return the results of a project.

    Parameters
    ----------
    folder
        Folder of the results, such as `results/demo`, anywhere on the disk.

    Raises
    ------
    ConfigError
        If it holds no project, or its configuration cannot be read.

    Examples
    --------
    >>> project = open_project("results/demo")  # doctest: +SKIP
    >>> psvi = project["psvi"]  # doctest: +SKIP
    >>> psvi.posterior.mean.shape  # doctest: +SKIP
    (20, 28, 28)
    >>> models = psvi.draw(10)  # doctest: +SKIP
    >>> traces = psvi.simulate(models[0], shots=[0])[0]  # doctest: +SKIP
    """
    paths = ProjectPaths(Path(folder))
    if not paths.config.exists():
        raise ConfigError(
            f"'{folder}' must be the folder of a project's results, such as 'results/demo', "
            f"but there is no '{paths.config}'; give the folder that 'pvi run' has made."
        )
    return ProjectResults(load_project(paths.config), paths)


@dataclass(frozen=True)
class ProjectResults:
    """Settings and files of a project; `project["psvi"]` is one of its runs."""

    settings: Project
    paths: ProjectPaths

    @property
    def runs(self) -> tuple[str, ...]:
        """Names of the runs."""
        return tuple(run.name for run in self.settings.resolved)

    @property
    def survey(self) -> Survey:
        """The survey with its data; SurveyError where it is not prepared yet."""
        return read_survey(self.paths.survey)

    def __getitem__(self, name: str) -> "RunResults":
        """Return the results of a run; ConfigError where there is none of that name."""
        if name not in self.runs:
            raise ConfigError(
                f"The run must be one of {', '.join(self.runs)}, got '{name}'; choose one."
            )
        return RunResults(self.settings.run(name), self.paths, self.paths.run(name))

    def __repr__(self) -> str:
        """Name the project and its runs."""
        return f"<project '{self.settings.name}' with runs {', '.join(self.runs)}>"


@dataclass(frozen=True)
class RunResults:
    """Results of one run, and what can be made from its newest checkpoint."""

    settings: Run
    project: ProjectPaths
    paths: RunPaths

    def __repr__(self) -> str:
        """Name the run and its family."""
        inference = self.settings.inference
        return f"<run '{self.settings.name}': {inference.method.kind}, {inference.family.kind}>"

    @property
    def grid(self) -> Grid:
        """Grid of the models."""
        return self.settings.grid.grid

    @property
    def posterior(self) -> PosteriorSummary:
        """Mean, sd, quantiles and prior of every cell, as `posterior.h5` holds them.

        Raises
        ------
        ResultFileError
            If the file is not there yet, or damaged.
        """
        return read_posterior(self.paths.posterior)

    def samples(self) -> Iterator[Model]:
        """Yield the saved posterior models `(nz, ny, nx)` [m/s], one in memory at a time."""
        return iter_samples(self.paths.samples)

    def draw(self, n: int, first: int = 0) -> Model:
        """Return posterior models `first` to `first + n`, `(n, nz, ny, nx)` [m/s].

        They come from the newest checkpoint. Model `i` is the same however many are drawn; the
        saved samples are the first ones.

        Raises
        ------
        CheckpointError
            If the run has no checkpoint that verifies.
        """
        return self._problem.models(self._method.sample(self._progress.state, n, first))

    def log_prob(self, models: ArrayLike) -> NDArray[np.float64]:
        """Return the posterior's log density `(S,)` at models `(S, nz, ny, nx)` [m/s].

        It is the density of the unknowns `theta` that the models belong to, in the coordinates
        of the run.

        Raises
        ------
        ConfigError
            If the shape is wrong, or the method has samples only.
        """
        given = np.asarray(models, dtype=np.float64)
        if given.ndim != 4 or given.shape[1:] != self.grid.shape:
            raise ConfigError(
                f"'models' must have shape (S, {', '.join(map(str, self.grid.shape))}), got "
                f"{given.shape}."
            )
        theta = self._problem.model_map.unknowns(torch.from_numpy(given))
        found = self._method.log_prob(self._progress.state, theta)
        if found is None:
            raise ConfigError(
                f"The method '{self.settings.inference.method.kind}' has samples and no "
                "density; use 'draw'."
            )
        return np.asarray(found.detach().numpy())

    def simulate(
        self, model: ArrayLike, shots: Sequence[int] | None = None
    ) -> list[NDArray[np.float32]]:
        """Return the data of a model `(nz, ny, nx)` [m/s], `(n_receivers, n_samples)` a shot.

        It runs in this process, without workers. `shots` are indices; None: all.
        """
        return list(self._simulated(model, shots, "traces").traces)

    def misfit_and_gradient(
        self, model: ArrayLike, shots: Sequence[int] | None = None
    ) -> tuple[float, NDArray[np.float64]]:
        """Return the misfit of a model and its derivative by the model, `(nz, ny, nx)` [s/m].

        It runs in this process, without workers. `shots` are indices; None: all. Weights are
        those of the run's `likelihood`, the noise sd that of the survey, not one inferred.
        """
        found = self._simulated(model, shots, "gradient")
        assert found.gradient is not None  # there is one rank
        return found.misfit, found.gradient

    def network(self) -> Amortised:
        """Return the network that `pvi learn` has trained: `network().posterior(data)`.

        Data are those of all shots one after another, `(d,)`, or `(K, d)` for K observations;
        values are those of the unknown cells in the order of the flattened grid.

        Raises
        ------
        CheckpointError
            If there is none, or its file is damaged.
        """
        return load_learnt(self.settings, self.paths.network)

    def _simulated(
        self, model: ArrayLike, shots: Sequence[int] | None, want: Want
    ) -> ShotResult:
        velocity = _model(model, self.grid)
        chosen = range(SurveyFile(self.project.survey).n_shots) if shots is None else shots
        with solver_here(self.settings, self.project.survey) as solver:
            solver.set_model(velocity)
            return solver.simulate(chosen, want)

    @cached_property
    def _problem(self) -> Problem:
        return Problem.build(self.settings, self.project.survey)

    @cached_property
    def _method(self) -> Method:
        return self._problem.method(None)

    @cached_property
    def _progress(self) -> Progress:
        return newest_progress(self._problem, self.project.survey, self.paths)


def _model(model: ArrayLike, grid: Grid) -> Model:
    given = np.ascontiguousarray(model, dtype=np.float32)
    if given.shape != grid.shape:
        raise ConfigError(f"'model' must have shape {grid.shape}, got {given.shape}.")
    return given
