"""Sources of workers: one small protocol, one entry point for each implementation."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final, Protocol, runtime_checkable

from pvi_hpc.execution.ledger import Ledger
from pvi_hpc.execution.settings import ExecutionSettings
from pvi_hpc.plugins import load_plugin

__all__ = [
    "RESOURCE",
    "SCHEDULER_SETTINGS",
    "Executor",
    "LeavesJobs",
    "Workplace",
    "executor_class",
    "load_executor",
    "never",
]

#: Resource that every worker offers once, so that one chunk at a time runs on its gang; the
#: worker has a second thread for sums and summaries.
RESOURCE: Final = "gang"

SCHEDULER_SETTINGS: Final = {
    # The controller places every chunk itself.
    "distributed.scheduler.work-stealing": False,
    # Tasks that merely waited on a worker that died are not to blame.
    "distributed.scheduler.allowed-failures": 10,
    "distributed.scheduler.worker-ttl": None,
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.memory.terminate": False,
    "distributed.admin.tick.limit": "60s",
    # Each connection keeps so many of its last messages, with the tasks in them: by default
    # 1000, which are 3 MB for every worker.
    "distributed.admin.low-level-log-length": 10,
    "distributed.comm.retry.count": 2,
    "distributed.comm.timeouts.connect": "30s",
    "distributed.comm.timeouts.tcp": "60s",
}


def never() -> bool:
    """Return False: nobody asks to stop."""
    return False


@dataclass(frozen=True)
class Workplace:
    """Folders of an executor's files, and the ledger in which it notes events.

    `folder` is that of the run, on a disk that all nodes share. `stop` tells whether somebody
    asked the controller to stop: waiting for workers may take days.
    """

    folder: Path
    ledger: Ledger
    stop: Callable[[], bool] = never


class Executor(Protocol):
    """Starts and keeps Dask workers of two threads and one `RESOURCE` each.

    Made of `(ExecutionSettings, Workplace)`.
    """

    #: Whether all workers share the cores and the memory of the controller's machine.
    on_this_machine: ClassVar[bool]
    #: Whether workers run in jobs of their own, which ask a batch system for cores and memory.
    submits_jobs: ClassVar[bool]

    #: Time that a run without workers waits for one [s].
    patience_s: float
    #: Longest life of a worker [s].
    walltime_s: float

    def start(self, workers: int) -> Any:
        """Start `workers` workers and return a `distributed.Client` of them.

        Raises
        ------
        SimulationError
            If workers cannot be had.
        """

    def scale(self, workers: int) -> None:
        """Ask for `workers` workers, also in place of lost ones."""

    def check(self) -> None:
        """Say why there are no workers; called again and again while that is so.

        Raises
        ------
        SimulationError
            If workers cannot be had.
        StopRequestedError
            If somebody asked to stop.
        """

    def remaining_s(self, name: str) -> float:
        """Return how long the worker of that name may still run [s]."""

    def close(self) -> None:
        """End all workers; safe to call twice."""


@runtime_checkable
class LeavesJobs(Protocol):
    """Capability of an executor whose jobs can outlive a controller that was killed."""

    def leftovers(self) -> list[str]:
        """Return the ids of worker jobs of this run that are still there, and not ending."""
        ...

    def cancel_leftovers(self) -> int:
        """Cancel all worker jobs of this run, whoever submitted them; return how many."""
        ...


def executor_class(execution: ExecutionSettings) -> type[Executor]:
    """Return the executor that the configuration names, without making it.

    Raises
    ------
    ConfigError
        If nothing of that name is installed.
    """
    kind: type[Executor] = load_plugin(
        "pvi_hpc.executors", execution.executor, "execution.executor"
    )
    return kind


def load_executor(execution: ExecutionSettings, place: Workplace) -> Executor:
    """Return a new executor of the kind that the configuration names.

    Raises
    ------
    ConfigError
        If nothing of that name is installed.
    """
    make: Any = executor_class(execution)
    executor: Executor = make(execution, place)
    return executor
