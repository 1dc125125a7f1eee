"""A batch system, as far as worker jobs need it: submit, list, cancel."""

import os
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, Protocol

from pvi_hpc.errors import SimulationError

__all__ = ["Queue", "QueuedJob", "State", "call", "clean_environment"]

#: State of a job; `broken` means that the batch system will never start it.
State = Literal["pending", "running", "ending", "broken"]

#: Longest wait for an answer of a batch system, which is asked again later [s].
TIMEOUT_S: Final = 60.0
#: Variables that tell a job or a step about itself; they are wrong in any other job.
PRIVATE: Final = ("SLURM_", "SBATCH_", "PMI_", "PMIX_", "OMPI_", "PRTE_")
KEPT: Final = frozenset({"SLURM_CONF"})


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
        """Submit a job script; return the job's id; `SimulationError` if it is refused."""
        ...

    def jobs(self) -> list[QueuedJob]:
        """Return this user's jobs; `SimulationError` if the batch system does not answer."""
        ...

    def cancel(self, ids: Iterable[str]) -> None:
        """Cancel jobs; those that are gone do not matter."""
        ...


def call(command: Sequence[str], *, check: bool = True) -> str:
    """Run a command of a batch system and return what it printed.

    Raises
    ------
    SimulationError
        With what the command said, if it fails, is missing or does not return.
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
        raise SimulationError(
            f"'{command[0]}' did not return within {TIMEOUT_S:g} s."
        ) from error
    if check and done.returncode:
        said = (done.stderr.strip() or done.stdout.strip())[-1000:]
        raise SimulationError(f"'{' '.join(command)}' failed ({done.returncode}): {said}")
    return done.stdout


def clean_environment() -> dict[str, str]:
    """Return this process's environment without what a surrounding job says of itself."""
    return {
        name: value
        for name, value in os.environ.items()
        if name in KEPT or not name.startswith(PRIVATE)
    }
