"""The worker jobs of a fleet: where they go, one of them, and the log that it leaves."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = ["FleetSettings", "Job", "drop_logs"]

#: Number of logs kept of jobs that have ended, and lines of one that a message quotes.
LOGS_KEPT: Final = 30
LOG_LINES: Final = 15


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
class Job:
    """A worker job that was submitted and has not ended."""

    id: str
    name: str
    log: Path
    submitted: float
    state: str = "pending"
    reason: str = ""
    #: Last time it was known not to run yet, and first time it was seen running.
    not_yet: float = 0.0
    running: float | None = None
    listed: bool = False
    came_up: bool = False

    def describe(self) -> str:
        """Return its id, how it stands and why."""
        why = "" if self.reason in ("", "None") else f" ({self.reason})"
        return f"{self.id} {self.state}{why}"

    def end_of_log(self) -> str:
        """Return the last lines of the log, to be quoted."""
        try:
            lines = self.log.read_text(errors="replace").splitlines()[-LOG_LINES:]
        except OSError:
            return f"It left no log in {self.log}."
        return "\n".join([f"End of its log {self.log}:", *lines])


def drop_logs(folder: Path, running: int) -> None:
    """Keep the newest logs in a folder, and those of the jobs that run."""
    found = sorted(folder.glob("pvi-*.log"), key=lambda p: p.stat().st_mtime)
    for path in found[: -LOGS_KEPT - running]:
        path.unlink(missing_ok=True)
