"""Where workers come from: one small protocol, one entry point an implementation."""

from typing import Any, Final, Protocol

from pvi_hpc.plugins import load_plugin

__all__ = ["RESOURCE", "SCHEDULER_SETTINGS", "Executor", "load_executor"]

#: Every worker offers one of it, so that one chunk at a time runs on its gang, and has a
#: second thread for sums and summaries.
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
    "distributed.comm.retry.count": 2,
    "distributed.comm.timeouts.connect": "30s",
    "distributed.comm.timeouts.tcp": "60s",
}


class Executor(Protocol):
    """Starts and keeps Dask workers of two threads and one `RESOURCE` each."""

    def start(self, workers: int) -> Any:
        """Start `workers` workers and return a `distributed.Client` of them."""

    def scale(self, workers: int) -> None:
        """Ask for `workers` workers, also in place of lost ones."""

    def close(self) -> None:
        """End all workers; safe to call twice."""


def load_executor(name: str) -> Executor:
    """Return a new executor of the kind that the configuration names.

    Raises
    ------
    ConfigError
        If nothing of that name is installed.
    """
    executor: Executor = load_plugin("pvi_hpc.executors", name, "execution.executor")()
    return executor
