"""`pvi`, with gangs that can fail on purpose and a record of every iteration's state.

`PVI_RECORD` names a file; it gets `start I` when a controller begins after iteration I, and
`I DIGEST` after each iteration, where the digest is of all that a checkpoint's state holds.
"""

import functools
import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

import pvi_hpc.execution.dask_simulator
import pvi_hpc.run.controller
from pvi_hpc.cli import main
from pvi_hpc.run.controller import Controller

DaskSimulator = pvi_hpc.execution.dask_simulator.DaskSimulator


class FaultySimulator(DaskSimulator):
    """The simulator of runs, whose gangs can fail on purpose."""

    n_made = 0

    def __init__(self, *arguments: Any, **options: Any) -> None:
        FaultySimulator.n_made += 1
        super().__init__(*arguments, **options, gang_module="faulty_gang")


def digest(tree: Any) -> str:
    """Return a hash of the bits of nested mappings of arrays and numbers."""
    found = hashlib.sha256()

    def walk(value: Any) -> None:
        if isinstance(value, Mapping):
            for name in sorted(value):
                found.update(name.encode())
                walk(value[name])
        elif isinstance(value, list | tuple):
            for item in value:
                walk(item)
        else:
            found.update(np.asarray(value).tobytes())

    walk(tree)
    return found.hexdigest()[:16]


def record(line: str) -> None:
    """Append a line in one write."""
    with Path(os.environ["PVI_RECORD"]).open("a") as file:
        file.write(f"{line}\n")


def recorded(iterate: Any) -> Any:
    """Wrap `Controller._iterate`."""
    begun = set()

    @functools.wraps(iterate)
    def wrapper(self: Any, progress: Any) -> Any:
        assert FaultySimulator.n_made, "This run uses gangs that cannot fail on purpose."
        if id(self) not in begun:
            begun.add(id(self))
            record(f"start {progress.state.iteration}")
        progress = iterate(self, progress)
        record(f"{progress.state.iteration} {digest(progress.state.to_tree())}")
        return progress

    return wrapper


if __name__ == "__main__":
    # Iterations of the suite take a third of a second. As those of real runs, which take far
    # longer than a checkpoint, each of them gets one.
    pvi_hpc.run.controller.CHECKPOINT_SHARE = 1e9
    # Code that imports it late finds this one.
    pvi_hpc.execution.dask_simulator.DaskSimulator = FaultySimulator
    Controller._iterate = recorded(Controller._iterate)
    main()
