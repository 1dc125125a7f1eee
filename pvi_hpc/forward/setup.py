"""Everything a worker must know to simulate a shot, as one small JSON value."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from pvi_hpc.grid import Grid

__all__ = ["SimulationSetup"]


@dataclass(frozen=True)
class SimulationSetup:
    """The forward problem of a run, for the ranks of its workers.

    Parameters
    ----------
    kind
        Entry point of `pvi_hpc.forward_problems` that makes the solver.
    grid
        Grid of the models.
    survey, survey_hash
        Path of the internal survey file (`pvi_hpc.data.survey_file`), and its SHA-256.
    physics
        The kind's own settings that change the result, as JSON.
    place
        The kind's own settings that do not, such as a folder, as JSON.
    threads
        Threads of one rank; does not change the result.
    scratch
        Room that a gang needs in its folder on the node [bytes].
    likelihood
        What was set in the section `likelihood`, as JSON; empty: every sample of a live trace
        counts, with the noise sd of its trace.
    """

    kind: str
    grid: Grid
    survey: str
    survey_hash: str
    physics: Mapping[str, Any] = field(default_factory=dict)
    place: Mapping[str, Any] = field(default_factory=dict)
    threads: int = 1
    scratch: int = 0
    likelihood: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> str:
        """Return a text that `from_json` reads back."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "SimulationSetup":
        """Read what `to_json` wrote."""
        tree = json.loads(text)
        grid = Grid(**{name: tuple(value) for name, value in tree.pop("grid").items()})
        return cls(grid=grid, **tree)

    def fingerprint(self) -> str:
        """Return the hash of all that changes a simulation's result."""
        tree = asdict(self)
        for name in ("survey", "place", "threads", "scratch"):
            del tree[name]
        return hashlib.sha256(json.dumps(tree, sort_keys=True).encode()).hexdigest()[:16]
