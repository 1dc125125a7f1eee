"""Workers on this machine."""

import math
import tempfile
from pathlib import Path
from typing import Any, ClassVar

from pvi_hpc.execution.executor import RESOURCE, Workplace
from pvi_hpc.execution.gang.scratch import DASK, name_semaphores, owned
from pvi_hpc.execution.settings import ExecutionSettings

__all__ = ["LocalExecutor"]


class LocalExecutor:
    """Scheduler and nannies of Dask in this process, workers as its children.

    A nanny replaces a worker that dies; with this process all workers end. Only who can read
    this user's private folder can speak to any of them.
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
        # It brings Dask, which takes a second; a check only asks what this class is.
        from pvi_hpc.execution.cluster.encryption import make_security, start_scheduler

        self._temporary = tempfile.TemporaryDirectory(prefix=owned(DASK))
        name_semaphores()
        folder = Path(self._temporary.name)
        nanny = {
            "nthreads": 2,
            "memory_limit": None,
            "resources": {RESOURCE: 1},
            "local_directory": str(folder),
        }
        self._cluster, self._client = start_scheduler(
            make_security(folder / "private"), None, [nanny] * workers
        )
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
            cluster.close(timeout=30)
        if self._temporary is not None:
            self._temporary.cleanup()
            self._temporary = None
