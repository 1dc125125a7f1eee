"""The workers a controller has, as Dask last saw them."""

import time
from contextlib import suppress
from typing import Any, Final

from pvi_hpc.errors import SimulationError
from pvi_hpc.execution.dispatch.task_times import TaskTimes
from pvi_hpc.execution.dispatch.tasks import ChunkTask
from pvi_hpc.execution.executor import Executor
from pvi_hpc.execution.ledger import Ledger

__all__ = ["WorkerPool"]

REFRESH_S: Final = 0.5
#: Time with too few workers after which workers are asked for again [s].
ASK_AGAIN_S: Final = 20.0


class WorkerPool:
    """Watches workers come and go, and gives up when all have been gone for too long."""

    def __init__(
        self,
        client: Any,
        executor: Executor,
        wanted: int,
        ledger: Ledger,
        patience_s: float | None = None,
    ) -> None:
        self.client, self.executor, self.wanted = client, executor, wanted
        self.ledger = ledger
        self.patience_s = executor.patience_s if patience_s is None else patience_s
        self.workers: set[str] = set()
        self.times = TaskTimes()
        self._names: dict[str, str] = {}
        self.library = self.storage = ""
        self._starts: dict[str, int] = {}
        self._refreshed = 0.0
        self._seen_any = self._seen_all = time.monotonic()

    @property
    def due(self) -> bool:
        """True if it is time to look at the workers again."""
        return time.monotonic() - self._refreshed > REFRESH_S

    def refresh(self) -> None:
        """Look which workers there are; note who has gone.

        Raises
        ------
        SimulationError
            If there has been none for `patience_s`, no more can be had, or the scheduler does
            not answer.
        """
        now = time.monotonic()
        if now - self._refreshed > 10 * REFRESH_S:
            self._seen_any = self._seen_all = now  # Nobody looked meanwhile.
        self._refreshed = now
        try:
            found = set(self.client.nthreads())
            if not found <= self._names.keys():
                # Much longer than the list of workers: only where there is a new one.
                known = self.client.scheduler_info(n_workers=-1)["workers"]
                self._names = {a: str(worker["name"]) for a, worker in known.items()}
                found = set(known)
        except (OSError, TimeoutError) as error:
            raise SimulationError(f"The Dask scheduler does not answer: {error}") from error
        if not found:
            self.executor.check()
        for worker in self.workers - found:
            self.ledger.record("worker_lost", worker=worker)
        for worker in found - self.workers:
            self.ledger.record("worker_joined", worker=worker)
        self.workers = found
        self._judge(now)

    def forget(self, worker: str) -> None:
        """Send nothing more to a worker that does not answer, until it is seen again."""
        self.workers.discard(worker)

    def lasts(self, worker: str, task: ChunkTask, ahead: int = 0) -> bool:
        """Tell whether a worker lives long enough for a task behind `ahead` others.

        Raises
        ------
        SimulationError
            If not even a new worker would.
        """
        needed = self.times.needed_s(task)
        if needed > self.executor.walltime_s:
            raise SimulationError(
                f"A task of {len(task.shots)} shots may take {needed:.0f} s, longer than "
                f"'execution.cluster.walltime' ({self.executor.walltime_s:.0f} s); raise it."
            )
        return self.executor.remaining_s(self._names.get(worker, "")) > needed * (ahead + 1)

    def retire(self, worker: str) -> None:
        """End a worker; what it holds goes to others first."""
        self.ledger.record("worker_retired", worker=worker)
        self.forget(worker)
        with suppress(OSError, TimeoutError, KeyError):
            self.client.retire_workers([worker])

    def saw(self, worker: str, starts: int) -> None:
        """Note how often a worker has started its gang."""
        if starts > self._starts.get(worker, 1):
            self.ledger.record("gang_restarted", worker=worker, starts=starts)
        self._starts[worker] = starts

    def check_library(self, library: str) -> None:
        """Raise if workers run different builds of the solver."""
        self.library = self.library or library
        if library != self.library:
            raise SimulationError(
                f"Workers run different builds of the solver, {self.library[:12]} and "
                f"{library[:12]}; install the same one on all nodes."
            )

    def note_storage(self, storage: str) -> None:
        """Note once how solvers keep runs for their gradients."""
        if storage != self.storage:
            self.storage = storage
            self.ledger.record("storage", kept=storage)

    def _judge(self, now: float) -> None:
        if len(self.workers) >= self.wanted:
            self._seen_all = now
        elif now - self._seen_all > ASK_AGAIN_S:
            self._seen_all = now
            self.executor.scale(self.wanted)
        if self.workers:
            self._seen_any = now
        elif now - self._seen_any > self.patience_s:
            raise SimulationError(
                f"All workers have been gone for {self.patience_s:g} s and none came back; "
                "see their logs, then 'pvi resume'."
            )
