"""Workers in jobs of a batch system: the scheduler here, a fleet of jobs there."""

import hashlib
import logging
import secrets
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final

from pvi_hpc.errors import SimulationError, StopRequestedError
from pvi_hpc.execution.cluster.encryption import make_security, start_scheduler
from pvi_hpc.execution.cluster.fleet import LONGEST_PAUSE_S, Fleet
from pvi_hpc.execution.cluster.job import FleetSettings
from pvi_hpc.execution.cluster.own_folders import make_own
from pvi_hpc.execution.cluster.queues import Queue, QueueSilentError
from pvi_hpc.execution.executor import RESOURCE, SCHEDULER_SETTINGS, Workplace
from pvi_hpc.execution.settings import ExecutionSettings

__all__ = ["BatchExecutor", "JobSettings", "run_prefix"]

log = logging.getLogger(__name__)

#: Time without a scheduler after which a worker ends [s]; a start from a slow disk is long.
DEATH_TIMEOUT_S: Final = 60
ON_WORKERS: Final = {
    "distributed.comm.require-encryption": True,
    # A controller that vanished with its node must be noticed in seconds; less Dask refuses.
    "distributed.comm.timeouts.tcp": "12s",
}
COMMAND: Final = "pvi_hpc.execution.cluster.dask_worker"
WORKER: Final = "pvi_hpc.execution.cluster.encryption.SealedWorker"


@dataclass(frozen=True)
class JobSettings:
    """Contents of one job script: its log, its cores, and dask-jobqueue's options."""

    log: Path
    cores: int
    options: dict[str, Any]


def run_prefix(folder: Path) -> str:
    """Return how the names of all worker jobs of a run begin, whoever submitted them."""
    digest = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()
    return f"pvi-{digest[:8]}-"


class BatchExecutor(ABC):
    """Starts a Dask scheduler in this process and keeps worker jobs in a queue.

    Subclasses name the queue and write the job script.
    """

    on_this_machine: ClassVar[bool] = False
    submits_jobs: ClassVar[bool] = True

    queue: Queue

    def __init__(self, execution: ExecutionSettings, place: Workplace) -> None:
        self.execution, self.place = execution, place
        self.patience_s = execution.cluster.queue_wait_s
        self.walltime_s = float(execution.cluster.walltime_s)
        # Tells the jobs of this controller from those of an earlier one.
        self.prefix = f"{run_prefix(place.folder)}{secrets.token_hex(3)}-"
        self.folder = place.folder.resolve() / "workers"
        self._cluster: Any = None
        self._client: Any = None
        self._fleet: Fleet | None = None
        self._reaper: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def job_script(self, settings: JobSettings) -> str:
        """Return the script of one worker job."""

    def start(self, workers: int) -> Any:
        """End what an earlier controller left, submit jobs, wait for `min_workers`."""
        cluster = self.execution.cluster
        self._cancel_leftovers_patiently()
        make_own(self.folder)
        security = make_security(self.folder / "private")
        self._security = security
        self._cluster, self._client = start_scheduler(security, cluster.interface)
        self._reaper = self._start_reaper()
        logs = Path(cluster.log_dir or self.folder / "logs").resolve()
        if not cluster.log_dir:
            make_own(logs)
        settings = FleetSettings(
            prefix=self.prefix,
            folder=self.folder,
            logs=logs,
            gangs=cluster.gangs,
            walltime_s=self.walltime_s,
            poll_s=cluster.poll_s,
            failed_starts=cluster.failed_starts,
        )
        self._fleet = Fleet(self.queue, self._script, settings, self.place.ledger)
        self._cluster.scheduler.add_plugin(self._fleet.roll)
        self._fleet.start(workers)
        self._wait()
        return self._client

    def scale(self, workers: int) -> None:
        """Ask for `workers` workers."""
        if self._fleet is not None:
            self._fleet.wanted = workers

    def check(self) -> None:
        """Raise what made the fleet give up, or that somebody asked to stop."""
        if self.place.stop():
            raise StopRequestedError("Asked to stop while there were no workers.")
        if self._fleet is not None and self._fleet.error:
            raise SimulationError(self._fleet.error)

    def remaining_s(self, name: str) -> float:
        """Return how long the job of a worker may still run [s]."""
        return self._fleet.remaining_s(name) if self._fleet is not None else float("inf")

    def close(self) -> None:
        """End the workers and cancel all jobs, also those that still wait."""
        fleet, self._fleet = self._fleet, None
        client, self._client = self._client, None
        cluster, self._cluster = self._cluster, None
        if fleet is not None:
            fleet.close()
        if client is not None:
            client.close()
        if cluster is not None:
            cluster.close(timeout=10)
        reaper, self._reaper = self._reaper, None
        if reaper is not None and reaper.stdin is not None:
            reaper.stdin.close()

    def _wait(self) -> None:
        wanted, start, told = self.execution.min_workers, time.monotonic(), 0.0
        while (n := len(self._client.scheduler_info(n_workers=-1)["workers"])) < wanted:
            self.check()
            now = time.monotonic()
            if now - start > self.patience_s:
                raise SimulationError(
                    f"{n} of {wanted} workers came up within 'execution.cluster.queue_wait_s', "
                    f"{self.patience_s:g} s. {self._describe()}"
                )
            if now - told > 60:
                log.info("%d of %d workers are up. %s", n, wanted, self._describe())
                told = now
            time.sleep(0.5)

    def _describe(self) -> str:
        return self._fleet.describe() if self._fleet is not None else ""

    def leftovers(self) -> list[str]:
        """Return the ids of worker jobs of this run that are still there, and not ending."""
        prefix = run_prefix(self.place.folder)
        found = [job for job in self.queue.jobs() if job.name.startswith(prefix)]
        return [job.id for job in found if job.state != "ending"]

    def cancel_leftovers(self) -> int:
        """Cancel all worker jobs of this run, by their names; return how many."""
        prefix = run_prefix(self.place.folder)
        old = [job for job in self.queue.jobs() if job.name.startswith(prefix)]
        self.queue.cancel(job.id for job in old)
        for job in old:
            self.place.ledger.record("job_cancelled", job=job.id, name=job.name)
        self.place.ledger.flush_if_possible()  # The jobs are gone all the same.
        return len(old)

    def _cancel_leftovers_patiently(self) -> None:
        """Ask as long as a run waits for workers, where the batch system does not answer."""
        start = time.monotonic()
        while True:
            try:
                self.cancel_leftovers()
                return
            except QueueSilentError as error:
                if time.monotonic() - start > self.patience_s:
                    raise
                log.warning("The batch system is asked again: %s", error)
            self.check()
            time.sleep(min(self.execution.cluster.poll_s, LONGEST_PAUSE_S))

    def _start_reaper(self) -> "subprocess.Popen[bytes] | None":
        module, kind = type(self.queue).__module__, type(self.queue).__name__
        command = [sys.executable, "-m", "pvi_hpc.execution.cluster.reaper", f"{module}:{kind}"]
        return subprocess.Popen(
            [*command, self.prefix],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def _script(self, name: str, job_log: Path) -> str:
        cluster, execution = self.execution.cluster, self.execution
        gang_cores = execution.ranks * execution.threads
        cores = cluster.cores or cluster.gangs * gang_cores
        options = {
            "scheduler": self._cluster.scheduler_address,
            "name": name,
            "job_name": name,
            "queue": cluster.queue,
            # Two threads a worker, whatever the cores: one for its gang, one for sums.
            "cores": 2 * cluster.gangs,
            "processes": cluster.gangs,
            "memory": cluster.memory,
            "walltime": cluster.walltime,
            "death_timeout": DEATH_TIMEOUT_S,
            "interface": cluster.interface,
            "protocol": "tls://",
            "security": self._security,
            # The shell must not stand between the batch system's signals and the worker.
            "python": f"exec {sys.executable}",
            "worker_command": COMMAND,
            "worker_extra_args": [
                *(f"--nworkers={cluster.gangs}", "--nanny"),
                *("--worker-class", WORKER, "--resources", f"{RESOURCE}=1"),
            ],
            "job_script_prologue": [*_settings(), *cluster.prologue],
        }
        return self.job_script(JobSettings(job_log, cores, options))


def _settings() -> list[str]:
    """Return the settings of Dask that a worker must share, as shell lines."""
    lines = []
    for name, value in {**SCHEDULER_SETTINGS, **ON_WORKERS}.items():
        key = name.replace(".", "__").replace("-", "_").upper()
        lines.append(f"export DASK_{key}={value}")
    return [*lines, "ulimit -c 0"]
