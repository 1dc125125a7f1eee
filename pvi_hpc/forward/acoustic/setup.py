"""The acoustic part of a simulation's setup: solver, time steps and storage."""

from dataclasses import asdict, dataclass, field
from typing import Any

from pvi_hpc.forward.acoustic.history.storage_request import StorageWish
from pvi_hpc.forward.acoustic.solver_settings import SolverSettings
from pvi_hpc.forward.refinement import Refinement
from pvi_hpc.forward.setup import SimulationSetup
from pvi_hpc.grid import Grid

__all__ = ["AcousticSetup"]


@dataclass(frozen=True)
class AcousticSetup:
    """Settings of acoustic simulations.

    Parameters
    ----------
    grid
        Grid of the models.
    solver
        Settings of the wave solver, on its own grid; its `dt` is the data's interval /
        `steps_per_sample`.
    n_steps
        Time steps of one simulation.
    steps_per_sample
        Time steps of one data sample.
    storage
        Request for the storage of runs, for their gradients; the ranks resolve it.
    refinement
        The solver's grid, relative to that of the models.
    """

    grid: Grid
    solver: SolverSettings
    n_steps: int
    steps_per_sample: int
    storage: StorageWish = field(default_factory=lambda: StorageWish("full"))
    refinement: Refinement = field(default_factory=Refinement)

    def to_setup(self, survey: str, survey_hash: str) -> SimulationSetup:
        """Return the value that travels to the workers."""
        solver, storage = asdict(self.solver), asdict(self.storage)
        threads, folder = solver.pop("threads"), storage.pop("folder")
        physics = {
            "solver": solver,
            "n_steps": self.n_steps,
            "steps_per_sample": self.steps_per_sample,
            "storage": storage,
            "refine": self.refinement.factors,
        }
        return SimulationSetup(
            kind="acoustic",
            grid=self.grid,
            survey=survey,
            survey_hash=survey_hash,
            physics=physics,
            place={"scratch": folder},
            threads=threads,
            scratch=32 * self.grid.size,
        )

    @classmethod
    def from_setup(cls, setup: SimulationSetup) -> "AcousticSetup":
        """Return the settings that `to_setup` put there."""
        physics: dict[str, Any] = dict(setup.physics)
        tree = physics.pop("solver")
        for name in ("shape", "spacing"):
            tree[name] = tuple(tree[name])
        solver = SolverSettings(**tree, threads=setup.threads)
        storage = StorageWish(**physics.pop("storage"), folder=setup.place["scratch"])
        refinement = Refinement(tuple(physics.pop("refine")))
        return cls(setup.grid, solver, **physics, storage=storage, refinement=refinement)
