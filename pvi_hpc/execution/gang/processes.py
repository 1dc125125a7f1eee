"""Processes told apart by pid and time of birth, and whole trees of them killed (Linux)."""

import ctypes
import os
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

__all__ = ["ProcessId", "become_subreaper", "kill_descendants", "signal_on_parent_death"]

PR_SET_PDEATHSIG: Final = 1
PR_SET_CHILD_SUBREAPER: Final = 36


@dataclass(frozen=True)
class ProcessId:
    """A pid and its start time in clock ticks since boot: never reused before a reboot."""

    pid: int
    birth: int

    def __str__(self) -> str:
        return f"{self.pid}:{self.birth}"

    @classmethod
    def of(cls, pid: int) -> Self:
        """Return the identity of a process; its birth is 0 if it does not run."""
        return cls(pid, _read(pid)[1])

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what `str` made."""
        pid, birth = text.split(":")
        return cls(int(pid), int(birth))

    @property
    def alive(self) -> bool:
        """Whether it runs; a zombie does not."""
        return self.birth != 0 and _read(self.pid)[1] == self.birth


def become_subreaper() -> None:
    """Become the parent of all descendants whose own parent dies."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def signal_on_parent_death(number: int = signal.SIGKILL) -> None:
    """Ask the kernel for a signal when the thread that started this process ends."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(number), 0, 0, 0)


def kill_descendants(pid: int, patience: float = 5.0) -> bool:
    """Kill all descendants of `pid`, also those born meanwhile; tell whether none is left."""
    deadline = time.monotonic() + patience
    while victims := _descendants(pid):
        for victim in victims:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(victim, signal.SIGKILL)
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True


def _descendants(pid: int) -> list[int]:
    parents = {int(p.name): 0 for p in Path("/proc").iterdir() if p.name.isdigit()}
    parents = {child: _read(child)[0] for child in parents}
    found, front = [], {pid}
    while front:
        front = {child for child, parent in parents.items() if parent in front}
        found += [child for child in front if _read(child)[1]]
    return found


def _read(pid: int) -> tuple[int, int]:
    """Return parent and birth of a process; (0, 0) of one that is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0, 0
    state, parent, *rest = text[text.rindex(")") + 2 :].split()
    # A zombie keeps its parent: its children may still run.
    return int(parent), 0 if state in "ZXx" else int(rest[17])
