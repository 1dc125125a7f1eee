"""Everything a worker must know to simulate a shot, as one small JSON value."""

import hashlib
import json
from dataclasses import asdict, dataclass, field

from pvi_hpc.forward.acoustic.storage_request import StorageWish
from pvi_hpc.grid import Grid

__all__ = ["SimulationSetup"]


@dataclass(frozen=True)
class SimulationSetup:
    """The forward problem of a run.

    Parameters
    ----------
    survey
        Path of the internal survey file (`pvi_hpc.data.survey_file`).
    survey_hash
        SHA-256 of that file.
    grid
        Grid of the models.
    dt
        Time step of the solver [s]: the data's interval / `steps_per_sample`.
    n_steps
        Time steps of one simulation.
    steps_per_sample
        Every so many time steps are one data sample.
    order
        Order of accuracy of the solver in space.
    n_pml
        Absorbing cells on every side.
    free_surface
        Pressure-free top instead of an absorbing one.
    precision
        float32 or float64.
    pml_velocity
        Fixed velocity that the absorbing layers are tuned to [m/s].
    pml_frequency
        Peak frequency that they are tuned to [Hz].
    threads
        OpenMP threads of one rank; does not change the result.
    density
        Density of the medium [kg/m^3]: the scale of particle velocities.
    storage
        Storage of runs for their gradients; resolved by the ranks themselves.
    """

    survey: str
    survey_hash: str
    grid: Grid
    dt: float
    n_steps: int
    steps_per_sample: int
    order: int
    n_pml: int
    free_surface: bool
    precision: str
    pml_velocity: float
    pml_frequency: float
    threads: int = 1
    density: float = 1000.0
    storage: StorageWish = field(default_factory=lambda: StorageWish("full"))

    def to_json(self) -> str:
        """Return a text that `from_json` reads back."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "SimulationSetup":
        """Read what `to_json` wrote."""
        tree = json.loads(text)
        grid = Grid(**{name: tuple(value) for name, value in tree.pop("grid").items()})
        return cls(grid=grid, storage=StorageWish(**tree.pop("storage")), **tree)

    def fingerprint(self) -> str:
        """Return the hash of all that changes a simulation's result."""
        tree = asdict(self)
        del tree["survey"], tree["threads"], tree["storage"]["folder"]
        return hashlib.sha256(json.dumps(tree, sort_keys=True).encode()).hexdigest()[:16]
