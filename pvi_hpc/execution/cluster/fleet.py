"""Keeps as many worker jobs alive as are wanted.

The queue is asked what there is; Dask's count alone would never miss a job that died before
its worker came up. A thread of its own looks, so that jobs are replaced while the controller
computes.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pvi_hpc.errors import LedgerError, SimulationError
from pvi_hpc.execution.cluster.job import FleetSettings, Job, drop_logs
from pvi_hpc.execution.cluster.queues import Queue, QueuedJob, QueueSilentError
from pvi_hpc.execution.cluster.worker_roll import Roll
from pvi_hpc.execution.ledger import Ledger

__all__ = ["Fleet", "FleetSettings"]

log = logging.getLogger(__name__)

#: Longest delay until a queue lists a new job [s].
GRACE_S: Final = 5.0
#: Longest time that a job may run without any worker before it counts as failed [s].
SILENCE_S: Final = 180.0
#: Longest pause after failed starts [s].
LONGEST_PAUSE_S: Final = 60.0
#: Lead of a job's successor: a share of the walltime, and at most this time [s].
LEAD: Final = 0.1
LONGEST_LEAD_S: Final = 900.0


@dataclass
class Fleet:
    """The worker jobs of one controller.

    Parameters
    ----------
    queue
        Batch system to which jobs are submitted.
    script
        Name and log of a job to its script.
    settings
        Names, places and limits.
    ledger
        Told of each job before it can do anything.
    """

    queue: Queue
    script: Callable[[str, Path], str]
    settings: FleetSettings
    ledger: Ledger
    wanted: int = 0
    error: str = ""
    silence: str = ""
    roll: Roll = field(default_factory=Roll)
    jobs: dict[str, Job] = field(default_factory=dict)
    _number: int = 0
    _failed: int = 0
    _silent: int = 0
    _unsure: dict[str, Path] = field(default_factory=dict)
    _next_try: float = 0.0
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self, wanted: int) -> None:
        """Submit the first jobs and keep watch; `LedgerError` if that cannot be noted."""
        self.wanted = wanted
        for folder in (self.settings.folder, self.settings.logs):
            folder.mkdir(parents=True, exist_ok=True)
        self._try_to_fill(time.monotonic())
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop watching and cancel all jobs."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=2 * self.settings.poll_s + 120)
        try:
            self.queue.cancel(list(self.jobs))
        except SimulationError as error:
            log.warning("Worker jobs could not be cancelled now: %s", error)
        for job in self.jobs.values():
            self.ledger.record("job_cancelled", job=job.id, name=job.name)
        self.ledger.flush_if_possible()
        drop_logs(self.settings.logs, len(self.jobs))

    def remaining_s(self, worker: str) -> float:
        """Return how long the job of a worker may still run [s], on the safe side."""
        for job in list(self.jobs.values()):
            if worker == job.name or worker.startswith(f"{job.name}-"):
                return self._remaining(job, time.monotonic())
        return float("inf")

    def describe(self) -> str:
        """Say how the jobs stand."""
        parts = [job.describe() for job in list(self.jobs.values())]
        said = f" The batch system does not answer: {self.silence}" if self.silence else ""
        return f"Worker jobs: {', '.join(parts) or 'none'}.{said}"

    def _watch(self) -> None:
        while not self._stop.wait(self.settings.poll_s):
            try:
                self.step(time.monotonic())
            except Exception as error:  # A fleet that nobody steers must be known.
                log.exception("The watch over the worker jobs failed")
                self.error = f"The watch over the worker jobs failed: {error}"
                return

    def step(self, now: float) -> None:
        """Look at the queue once, and replace what is missing."""
        try:
            listed = {job.id: job for job in self.queue.jobs()}
        except SimulationError as error:
            self.silence = str(error)  # No news: nothing is believed to have ended.
            log.warning("The queue cannot be asked: %s", error)
            return
        self.silence = ""
        self._adopt(listed.values(), now)
        for job in list(self.jobs.values()):
            self._update(job, listed.get(job.id), now)
        if now >= self._next_try:
            try:
                self._try_to_fill(now)
            except (LedgerError, OSError) as error:  # Tried again once there is room.
                log.warning("No worker job can be submitted now: %s", error)
        self.ledger.flush_if_possible()

    def _try_to_fill(self, now: float) -> None:
        """Submit what is missing; later again if the batch system refuses or is silent."""
        try:
            self._fill(now)
        except LedgerError:
            raise
        except QueueSilentError as error:
            self._silent += 1
            self._next_try = now + min(2.0 ** (self._silent - 1), LONGEST_PAUSE_S)
            self.silence = str(error)
            log.warning("No worker job can be submitted now: %s", error)
        except SimulationError as error:
            self._failed_start(str(error), now)
        else:
            self._silent = 0

    def _adopt(self, listed: Iterable[QueuedJob], now: float) -> None:
        """Take jobs that were submitted although the batch system did not say so."""
        for seen in listed:
            if seen.name in self._unsure and seen.state != "ending":
                self._keep(seen.id, seen.name, self._unsure.pop(seen.name), now)

    def _update(self, job: Job, seen: QueuedJob | None, now: float) -> None:
        if seen is None or seen.state == "ending":
            if job.listed or now - job.submitted > GRACE_S + self.settings.poll_s:
                self._ended(job, now)
            return
        job.listed, job.state, job.reason = True, seen.state, seen.reason
        if seen.state == "pending":
            job.not_yet = now
        elif seen.state == "broken":
            self._cancel(job, f"The batch system will not start it: {seen.reason}.", now)
        elif job.running is None:
            job.running = now
        elif self.roll.knows(job.name) and not job.came_up:
            self._came_up(job)
        elif now - max(job.running, self.roll.last_seen(job.name)) > SILENCE_S:
            self._cancel(job, f"It ran {SILENCE_S:g} s without a worker.", now)

    def _cancel(self, job: Job, why: str, now: float) -> None:
        try:
            self.queue.cancel([job.id])
        except SimulationError as error:
            log.warning("Job %s cannot be cancelled now: %s", job.id, error)
            return
        job.reason = why
        self._ended(job, now)

    def _ended(self, job: Job, now: float) -> None:
        del self.jobs[job.id]
        came_up = self.roll.knows(job.name)
        self.ledger.record("job_ended", job=job.id, name=job.name, came_up=came_up)
        if came_up:
            self._came_up(job)
            return
        seconds = now - (job.running or job.submitted)
        self._failed_start(
            f"Job {job.id} ({job.name}) ended after {seconds:.0f} s. {job.reason}\n"
            f"{job.end_of_log()}",
            now,
        )

    def _came_up(self, job: Job) -> None:
        job.came_up, self._failed, self.error = True, 0, ""

    def _failed_start(self, what: str, now: float) -> None:
        self._failed += 1
        self._next_try = now + min(2.0 ** (self._failed - 1), LONGEST_PAUSE_S)
        self.ledger.record("job_failed", message=what)
        log.warning("A worker job failed to start (%d in a row): %s", self._failed, what)
        if self._failed >= self.settings.failed_starts:
            self.error = (
                f"{self._failed} worker jobs in a row ended before their workers were up. The "
                f"last: {what}\nCorrect 'execution.cluster' (queue, memory, prologue, "
                "interface); 'pvi doctor' tests it. Then: pvi resume"
            )

    def _fill(self, now: float) -> None:
        """Submit what is missing, and cancel what is too much."""
        lead = min(LEAD * self.settings.walltime_s, LONGEST_LEAD_S)
        lasting = [j for j in self.jobs.values() if self._remaining(j, now) > lead]
        missing = -(-self.wanted // self.settings.gangs) - len(lasting)
        # Where starts fail, one at a time finds out when they no longer do.
        for _ in range(min(missing, 1) if self._failed else missing):
            self._submit(now)
        # Those that still wait are the first to go.
        for job in sorted(lasting, key=lambda j: -j.submitted)[: max(0, -missing)]:
            self.queue.cancel([job.id])

    def _submit(self, now: float) -> None:
        self._number += 1
        name = f"{self.settings.prefix}{self._number}"
        job_log = self.settings.logs / f"{name}.log"
        path = self.settings.folder / "private" / "worker.sh"
        path.write_text(self.script(name, job_log))
        path.chmod(0o700)
        # The name first: a job whose id never arrived is found by it.
        self.ledger.record("job_named", name=name)
        self.ledger.flush()
        try:
            number = self.queue.submit(path)
        except QueueSilentError:
            self._unsure[name] = job_log
            raise
        # Known from now on, also where the disk has no room for its id.
        self._keep(number, name, job_log, now)
        self.ledger.flush()
        drop_logs(self.settings.logs, len(self.jobs))

    def _keep(self, number: str, name: str, job_log: Path, now: float) -> None:
        self.jobs[number] = Job(number, name, job_log, now, not_yet=now)
        self.ledger.record("job_submitted", job=number, name=name)

    def _remaining(self, job: Job, now: float) -> float:
        if job.running is None and not self.roll.knows(job.name):
            return float("inf")
        return job.not_yet + self.settings.walltime_s - now
