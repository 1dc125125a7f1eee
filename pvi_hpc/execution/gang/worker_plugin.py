"""Gives every Dask worker its gang, and ends the gang with the worker."""

import signal
from typing import Any

from distributed import WorkerPlugin, get_worker

from pvi_hpc.execution.gang.gang import Gang, GangSettings
from pvi_hpc.execution.gang.processes import leave_to_controller
from pvi_hpc.execution.gang.scratch import sweep
from pvi_hpc.forward.setup import SimulationSetup

__all__ = ["GangPlugin", "worker_gang"]

NAME = "pvi-gang"


class GangPlugin(WorkerPlugin):  # type: ignore[misc]
    """Owns the gang of one worker; the gang starts with its first task."""

    name = NAME

    def __init__(self, setup: SimulationSetup, settings: GangSettings) -> None:
        self.setup_of_run, self.settings = setup, settings
        self.gang: Gang | None = None

    def setup(self, worker: Any) -> None:
        """Clear up after dead processes of this node and make the gang."""
        leave_to_controller()
        # The nanny ends a worker by a message, and the end of the nanny is the worker's.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        sweep()
        self.gang = Gang(self.setup_of_run, self.settings)

    def teardown(self, worker: Any) -> None:
        """End the gang."""
        if self.gang is not None:
            self.gang.close()


def worker_gang() -> Gang:
    """Return the gang of the worker that runs this task."""
    gang: Gang = get_worker().plugins[NAME].gang
    return gang
