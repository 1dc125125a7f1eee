"""The protocol of forward problems: what a run simulates, whatever the physics.

A forward problem is a plug-in, chosen by `forward.kind` among the entry points of
`pvi_hpc.forward_problems`. One object of it lives where a run is checked and controlled; the
MPI ranks of the workers make a `Solver` from the `SimulationSetup` that it hands out.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from pvi_hpc.data.prepare import Simulate
from pvi_hpc.data.settings import SurveySettings
from pvi_hpc.data.survey import Survey
from pvi_hpc.data.survey_file import SurveyFile
from pvi_hpc.errors import Finding
from pvi_hpc.forward.settings import ForwardSettings
from pvi_hpc.forward.setup import SimulationSetup
from pvi_hpc.grid import Grid
from pvi_hpc.plugins import load_plugin

if TYPE_CHECKING:  # MPI starts when it is imported; only ranks want it.
    from mpi4py import MPI

__all__ = [
    "Domain",
    "ForwardProblem",
    "KnowsTruth",
    "NoiseGradients",
    "ShotResult",
    "SimulationCost",
    "Solver",
    "Want",
    "load_problem",
    "plugin_of",
]

Array = NDArray[Any]

#: Result of a simulation: misfit and gradient, misfit alone, the simulated data, the gradients
#: of random noise in the data of one shot, or the product of the Gauss-Newton Hessian with a
#: direction.
Want = Literal["gradient", "misfit", "traces", "noise", "product"]


@dataclass(frozen=True)
class ShotResult:
    """Result of a chunk of shots.

    `gradient` is on rank 0 only, and only if it was asked for: `(nz, ny, nx)`, or one such for
    each key of noise, `(n_keys, nz, ny, nx)`; the product is there too. `traces` are
    `(n_receivers, n_samples)` float32, one array a shot, if they were asked for. `squares` are
    the sums of squared residuals, by the given noise sd, of each group of data whose noise has
    a factor of its own.
    """

    misfit: float = 0.0
    gradient: NDArray[np.float64] | None = None
    traces: tuple[NDArray[np.float32], ...] = ()
    squares: tuple[float, ...] = ()


class Solver(Protocol):
    """A forward problem on the MPI ranks of a gang; every method is called by every rank."""

    @property
    def storage(self) -> str:
        """Storage of a run for its gradient, in words; empty where nothing is stored."""
        ...

    def set_model(self, model: Array) -> None:
        """Set the model `(nz, ny, nx)`, given on every rank.

        Raises
        ------
        SolverError
            If the model cannot be simulated; another try would fail as well.
        """

    def simulate(self, shots: Sequence[int], want: Want) -> ShotResult:
        """Simulate `shots`, indices into the survey, in that order.

        Raises
        ------
        NonFiniteError
            If data, misfit or gradient are not finite.
        SolverError
            If a simulation fails in another way.
        """
        ...

    def close(self) -> None:
        """Release all memory and end all processes."""


class Domain(Protocol):
    """Settings of a run that its forward problem has to know."""

    @property
    def grid(self) -> Grid:
        """Grid of the models."""
        ...

    @property
    def survey(self) -> SurveySettings | None:
        """Section `survey` of the configuration; None where there is none."""
        ...

    @property
    def prior_range(self) -> tuple[float, float]:
        """Lowest and highest value that the prior allows anywhere [m/s]."""
        ...

    @property
    def model_range(self) -> tuple[float, float]:
        """Range of the prior, with the starting model where its cells are fixed [m/s]."""
        ...

    @property
    def ranks(self) -> int:
        """MPI ranks of a gang."""
        ...

    @property
    def threads(self) -> int:
        """Threads of a rank."""
        ...

    @property
    def shots_per_task(self) -> int:
        """Largest number of shots that a gang simulates in one task."""
        ...

    @property
    def timeout_s(self) -> float:
        """Longest duration of a task [s]."""
        ...


@dataclass(frozen=True)
class SimulationCost:
    """Cost of one simulation of one shot.

    Parameters
    ----------
    memory
        Memory of the largest rank, with all that a gradient stores [bytes].
    forward_seconds, gradient_seconds
        Core-seconds of a simulation without and with a gradient, all ranks together [s].
    storage
        Storage of a run for its gradient, in words.
    basis
        Origin of the seconds, in words, such as an assumed speed.
    """

    memory: int
    forward_seconds: float
    gradient_seconds: float
    storage: str
    basis: str


class ForwardProblem(Protocol):
    """A kind of forward problem; docs/reference/plugins.md shows how to write one."""

    #: Keys of the section `forward`; `kind` is one of them.
    Options: ClassVar[type[ForwardSettings]]

    @classmethod
    def from_options(cls, options: Any, domain: Domain) -> Self:
        """Return the forward problem of a run; `options` are a value of `Options`.

        Raises
        ------
        ConfigError
            If the settings contradict each other, or a section is missing.
        """
        ...

    @classmethod
    def solver(cls, setup: SimulationSetup, folder: Path, comm: "MPI.Comm | None") -> Solver:
        """Return the solver on these ranks; None: on this process alone.

        `folder` is an empty folder of this gang on this node, removed with the gang.
        """
        ...

    @property
    def has_data(self) -> bool:
        """True where simulations give data, and not only a log-likelihood."""
        ...

    @property
    def has_positions(self) -> bool:
        """True where shots and receivers have positions in the grid."""
        ...

    @property
    def weighs_data(self) -> bool:
        """True where the solver follows `SimulationSetup.likelihood`; missing: it does not."""
        ...

    def inputs(self) -> list[str]:
        """Return the files that the result depends on; the workflow watches them."""
        ...

    def geometry(self) -> Survey:
        """Return the survey without simulating anything; a synthetic one without data.

        Raises
        ------
        PviError
            If a file is missing, damaged, or does not fit the settings.
        """
        ...

    def prepare(self, simulate: Simulate) -> Survey:
        """Return the survey with its data; `simulate` makes those of a synthetic one."""
        ...

    def check(self, survey: Survey) -> Iterator[Finding]:
        """Check, in seconds and without simulating, that simulations can be right."""
        ...

    def measure(self, survey: Survey) -> Iterator[Finding]:
        """Measure, in minutes at most and once a run, that gradients are right."""
        ...

    def cost(self, survey: Survey) -> SimulationCost:
        """Return the cost of a simulation.

        Raises
        ------
        ConfigError
            If no setting of the storage fits the memory.
        PviError
            If the ranks cannot share the grid.
        """
        ...

    def setup(self, survey: SurveyFile, digest: str) -> SimulationSetup:
        """Return all that ranks need to know; `digest` is the hash of the survey's file."""
        ...


@runtime_checkable
class NoiseGradients(ForwardProblem, Protocol):
    """Capability of a forward problem whose solvers may be a `NoiseSolver`."""

    @property
    def has_noise_gradients(self) -> bool:
        """True where they are one."""
        ...


@runtime_checkable
class KnowsTruth(ForwardProblem, Protocol):
    """Capability of a forward problem that makes its data itself, in a known model."""

    def true_model(self) -> NDArray[np.float32] | None:
        """Return that model `(nz, ny, nx)`, None where the data are measured ones.

        It may only be drawn and scored, never used by an inversion.
        """
        ...


def plugin_of(kind: str) -> type[ForwardProblem]:
    """Return the forward problem called `kind`; ConfigError if there is none."""
    plugin: type[ForwardProblem] = load_plugin("pvi_hpc.forward_problems", kind, "forward.kind")
    return plugin


def load_problem(options: ForwardSettings, domain: Domain) -> ForwardProblem:
    """Return the forward problem of a run; errors as `ForwardProblem.from_options`."""
    return plugin_of(options.kind).from_options(options, domain)
