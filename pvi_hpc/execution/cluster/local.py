"""Workers on this machine."""

import logging
import math
import tempfile
from typing import Any, ClassVar

import dask
from distributed import Client, LocalCluster

from pvi_hpc.execution.executor import RESOURCE, SCHEDULER_SETTINGS, Workplace
from pvi_hpc.execution.gang.scratch import DASK, owned
from pvi_hpc.execution.settings import ExecutionSettings

__all__ = ["LocalExecutor"]


class LocalExecutor:
    """Workers on this machine, as children of the controller's process.

    They are a Dask LocalCluster. A nanny replaces a worker that dies; with this process all
    workers end.
    """

    on_this_machine: ClassVar[bool] = True
    submits_jobs: ClassVar[bool] = False

    patience_s = 120.0
    walltime_s = math.inf

    def __init__(
        self, execution: ExecutionSettings | None = None, place: Workplace | None = None
    ) -> None:
        self._cluster: Any = None
        self._client: Any = None
        self._temporary: tempfile.TemporaryDirectory[str] | None = None

    def start(self, workers: int) -> Any:
        """Start the workers and wait for them."""
        self._temporary = tempfile.TemporaryDirectory(prefix=owned(DASK))
        with dask.config.set(SCHEDULER_SETTINGS):
            self._cluster = LocalCluster(
                n_workers=workers,
                threads_per_worker=2,
                processes=True,
                host="127.0.0.1",
                dashboard_address="127.0.0.1:0",
                memory_limit=None,
                resources={RESOURCE: 1},
                local_directory=self._temporary.name,
                silence_logs=logging.CRITICAL,
            )
            self._client = Client(self._cluster, set_as_default=False)
        self._client.wait_for_workers(workers, timeout=120)
        return self._client

    def scale(self, workers: int) -> None:
        """Ask for `workers` workers."""
        if self._cluster is not None:
            self._cluster.scale(workers)

    def check(self) -> None:
        """Pass: nannies replace workers without end."""

    def remaining_s(self, name: str) -> float:
        """Return infinity: this machine has no walltime."""
        return math.inf

    def close(self) -> None:
        """End the workers; their gangs end with them."""
        client, self._client = self._client, None
        cluster, self._cluster = self._cluster, None
        if client is not None:
            client.close()
        if cluster is not None:
            cluster.close(timeout=10)
        if self._temporary is not None:
            self._temporary.cleanup()
            self._temporary = None
