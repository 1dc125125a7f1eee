"""Keeps as many worker jobs alive as are wanted.

The queue is asked what there is; Dask's count alone would never miss a job that died before
its worker came up. A thread of its own looks, so that jobs are replaced while the controller
computes.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pvi_hpc.errors import LedgerError, SimulationError
from pvi_hpc.execution.cluster.job import Job, drop_logs
from pvi_hpc.execution.cluster.queues import Queue, QueuedJob
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


@dataclass(frozen=True)
class FleetSettings:
    """Names and places of the jobs, and the limits of `execution.cluster`."""

    prefix: str
    folder: Path
    logs: Path
    gangs: int
    walltime_s: float
    poll_s: float
    failed_starts: int


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
    roll: Roll = field(default_factory=Roll)
    jobs: dict[str, Job] = field(default_factory=dict)
    _number: int = 0
    _failed: int = 0
    _next_try: float = 0.0
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self, wanted: int) -> None:
        """Submit the first jobs and keep watch; `SimulationError` if they are refused."""
        self.wanted = wanted
        for folder in (self.settings.folder, self.settings.logs):
            folder.mkdir(parents=True, exist_ok=True)
        self._fill(time.monotonic())
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
        self._write_ledger()
        drop_logs(self.settings.logs, len(self.jobs))

    def remaining_s(self, worker: str) -> float:
        """Return how long the job of a worker may still run [s], on the safe side."""
        for job in list(self.jobs.values()):
            if worker == job.name or worker.startswith(f"{job.name}-"):
                return self._remaining(job, time.monotonic())
        return float("inf")

    def describe(self) -> str:
        """Say how the jobs stand."""
        parts = [
            f"{j.id} {j.state}{f' ({j.reason})' if j.reason not in ('', 'None') else ''}"
            for j in list(self.jobs.values())
        ]
        return f"Worker jobs: {', '.join(parts) or 'none'}."

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
            # No answer is no news: nothing is believed to have ended.
            log.warning("The queue cannot be asked: %s", error)
            return
        for job in list(self.jobs.values()):
            self._update(job, listed.get(job.id), now)
        if now >= self._next_try:
            try:
                self._fill(now)
            except (LedgerError, OSError) as error:
                # Not the job's fault; once there is room, the next look submits it.
                log.warning("No worker job can be submitted now: %s", error)
            except SimulationError as error:
                self._failed_start(str(error), now)
        self._write_ledger()

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
        number = self.queue.submit(path)
        # Known from now on, also where the disk has no room for its id.
        self.jobs[number] = Job(number, name, job_log, now, not_yet=now)
        self.ledger.record("job_submitted", job=number, name=name)
        self.ledger.flush()
        drop_logs(self.settings.logs, len(self.jobs))

    def _write_ledger(self) -> None:
        try:
            self.ledger.flush()
        except LedgerError as error:  # It keeps its lines for the next time.
            log.warning("%s", error)

    def _remaining(self, job: Job, now: float) -> float:
        if job.running is None and not self.roll.knows(job.name):
            return float("inf")
        return job.not_yet + self.settings.walltime_s - now
