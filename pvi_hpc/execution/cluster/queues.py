"""A batch system, as far as worker jobs need it: submit, list, cancel."""

import os
import re
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, Protocol

from pvi_hpc.errors import SimulationError

__all__ = [
    "Queue",
    "QueueSilentError",
    "QueuedJob",
    "State",
    "call",
    "clean_environment",
    "job_id",
]

#: State of a job; `broken` means that the batch system will never start it.
State = Literal["pending", "running", "ending", "broken"]

#: Longest wait for an answer of a batch system, which is asked again later [s].
TIMEOUT_S: Final = 60.0
#: Variables that tell a job or a step about itself; they are wrong in any other job.
PRIVATE: Final = ("SLURM_", "SBATCH_", "PMI_", "PMIX_", "OMPI_", "PRTE_")
KEPT: Final = frozenset({"SLURM_CONF"})
#: What Slurm's and Grid Engine's commands say where their daemon is busy, restarted or away.
SILENCE: Final = re.compile(
    r"timed? ?out|unable to contact|can't connect|connect failure|connection (failure|refused|"
    r"reset)|zero bytes|temporarily|standby|commlib|no message|no answer|munge|"
    r"authentication credential|unable to send",
    re.IGNORECASE,
)


class QueueSilentError(SimulationError):
    """The batch system gave no answer; what it was asked for may have been done or not."""


@dataclass(frozen=True)
class QueuedJob:
    """A job that the batch system lists; `reason` is why it waits."""

    id: str
    name: str
    state: State
    reason: str = ""


class Queue(Protocol):
    """One batch system."""

    def submit(self, script: Path) -> str:
        """Submit a job script; return the job's id.

        `SimulationError` if it is refused, `QueueSilentError` if nobody knows.
        """
        ...

    def jobs(self) -> list[QueuedJob]:
        """Return this user's jobs; `QueueSilentError` if the batch system does not answer."""
        ...

    def cancel(self, ids: Iterable[str]) -> None:
        """Cancel jobs; those that are gone do not matter."""
        ...


def call(command: Sequence[str], *, check: bool = True) -> str:
    """Run a command of a batch system and return what it printed.

    Raises
    ------
    SimulationError
        With what the command said, if it fails or is missing.
    QueueSilentError
        If it does not return, or says that its daemon does not answer.
    """
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            env=clean_environment(),
            stdin=subprocess.DEVNULL,
            check=False,
        )
    except FileNotFoundError as error:
        raise SimulationError(
            f"There is no '{command[0]}' in PATH; load the batch system's commands, or set "
            "'execution.executor' to another one."
        ) from error
    except subprocess.TimeoutExpired as error:
        raise QueueSilentError(
            f"'{command[0]}' did not return within {TIMEOUT_S:g} s."
        ) from error
    if check and done.returncode:
        said = (done.stderr.strip() or done.stdout.strip())[-1000:]
        kind = QueueSilentError if SILENCE.search(said) else SimulationError
        raise kind(f"'{' '.join(command)}' failed ({done.returncode}): {said}")
    return done.stdout


def job_id(said: str, pattern: str) -> str:
    """Return the id, group 1 of `pattern`, in what a command that submits printed.

    Sites let their commands print more lines, before it or after.

    Raises
    ------
    QueueSilentError
        If there is none: the job may be there all the same.
    """
    found = [re.fullmatch(pattern, line.strip()) for line in said.splitlines()]
    ids = [match[1] for match in found if match]
    if not ids:
        raise QueueSilentError(f"A job was submitted, but its id was not printed: {said!r}")
    return ids[-1]


def clean_environment() -> dict[str, str]:
    """Return this process's environment without what a surrounding job says of itself."""
    return {
        name: value
        for name, value in os.environ.items()
        if name in KEPT or not name.startswith(PRIVATE)
    }
