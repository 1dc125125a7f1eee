"""Travel-time tomography: `forward: {kind: eikonal, picks: ..., stations: ...}`."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from pvi_hpc.data.survey import Survey
from pvi_hpc.data.survey_file import read_survey
from pvi_hpc.errors import Finding, SolverError, error, ok
from pvi_hpc.forward.comparison import DataMisfit
from pvi_hpc.forward.eikonal.observed import survey_of_times, true_velocity
from pvi_hpc.forward.eikonal.settings import EikonalSettings
from pvi_hpc.forward.eikonal.solver import EikonalSolver
from pvi_hpc.forward.eikonal.times import STATE_BYTES
from pvi_hpc.forward.external.problem import ExternalProblem, refuse_changed, refuse_ranks
from pvi_hpc.forward.external.solver import Simulation
from pvi_hpc.forward.problem import SimulationCost, Solver
from pvi_hpc.forward.setup import SimulationSetup
from pvi_hpc.forward.weighting import Weighting

if TYPE_CHECKING:
    from mpi4py import MPI

__all__ = ["EikonalProblem"]

#: Duration of one node without and with a gradient [s].
NODE_S: Final = 2e-7
NODE_GRADIENT_S: Final = 2.5e-7
#: Room of a process, and of a node for the fields that all sources share [bytes].
ROOM: Final = 200e6
FIELD_BYTES: Final = 64


class EikonalProblem(ExternalProblem):
    """First-arrival times by fast marching; the gradient is the adjoint of exactly these."""

    kind = "eikonal"
    Options: ClassVar[type[EikonalSettings]] = EikonalSettings
    has_positions = True

    @classmethod
    def solver(cls, setup: SimulationSetup, folder: Path, comm: "MPI.Comm | None") -> Solver:
        """Return the solver of one rank; SolverError if there are more, or a file changed."""
        refuse_ranks(setup, comm)
        options = cls.Options.model_validate(dict(setup.place["options"]))
        refuse_changed(setup)
        survey = read_survey(Path(setup.survey))
        misfit = DataMisfit(Weighting.of(setup.likelihood, survey.dt, survey.n_samples))
        return EikonalSolver(setup.grid, options.refinement, survey, setup.threads, misfit)

    @classmethod
    def simulation(cls, options: Any, setup: SimulationSetup, folder: Path) -> Simulation:
        """Shots are simulated together, never one by one."""
        raise SolverError("'forward.kind: eikonal' simulates all shots of a task together.")

    def sources(self) -> list[Path]:
        """Return the tables of picks and stations, and the file of the true model."""
        options: EikonalSettings = self.options
        model = None if options.synthetic is None else options.synthetic.model
        given = [options.picks, options.stations, getattr(model, "file", None)]
        return [Path(name) for name in given if name is not None]

    def inputs(self) -> list[str]:
        """Return the same files."""
        return [str(path) for path in self.sources()]

    def geometry(self) -> Survey:
        """Return the survey; synthetic times are computed, which takes less than a second."""
        attributes = {"kind": self.kind, **self._hashes()}
        return survey_of_times(self.options, self.domain.grid, attributes)

    def true_model(self) -> NDArray[np.float32] | None:
        """Return the model `(nz, ny, nx)` [m/s] of synthetic times; None: unknown."""
        if self.options.synthetic is None:
            return None
        model = true_velocity(self.options.synthetic.model, self.domain.grid)
        return model.astype(np.float32)

    def check(self, survey: Survey) -> Iterator[Finding]:
        """Check that velocities are positive and that the grid has an axis."""
        yield from super().check(survey)
        if max(self.domain.grid.shape) == 1:
            yield error("grid.shape", "must have an axis of more than one cell, got one cell.")
            return
        low = self.domain.prior_range[0]
        if not low > 0:
            yield error(
                "prior.lower_m_s",
                f"must be positive with 'forward.kind: eikonal', or the prior allows {low:g} "
                "m/s, where nothing arrives; set the lowest velocity that rocks may have.",
            )
        fine = self.options.refinement.fine(self.domain.grid)
        spacing = max(h for h, n in zip(fine.spacing, fine.shape, strict=True) if n > 1)
        yield ok(
            "forward",
            f"{survey.n_traces} times from {len(survey.shots)} sources, computed at "
            f"{fine.size} nodes, up to {spacing:g} m apart.",
        )

    def cost(self, survey: Survey) -> SimulationCost:
        """Return the cost of one source."""
        nodes = self.options.refinement.fine(self.domain.grid).size
        shots = min(self.domain.shots_per_task, len(survey.shots))
        return SimulationCost(
            memory=int(ROOM + nodes * (FIELD_BYTES + shots * STATE_BYTES)),
            forward_seconds=NODE_S * nodes,
            gradient_seconds=NODE_GRADIENT_S * nodes,
            storage="keeps the stencil of every node.",
            basis=f"assumed {NODE_GRADIENT_S * 1e9:g} ns a node and source",
        )
