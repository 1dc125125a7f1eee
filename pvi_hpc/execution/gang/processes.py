"""Processes told apart by pid and time of birth, and whole trees of them killed (Linux)."""

import ctypes
import os
import signal
import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

__all__ = [
    "LEFT_TO_CONTROLLER",
    "WATCHED",
    "ProcessId",
    "become_subreaper",
    "kill_descendants",
    "leave_to_controller",
    "signal_on_parent_death",
    "watch_owner",
]

LEFT_TO_CONTROLLER: Final = (signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


def leave_to_controller() -> None:
    """Ignore them in this process and what it starts; call it in the main thread."""
    for number in LEFT_TO_CONTROLLER:
        signal.signal(number, signal.SIG_IGN)


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
        """True if the process runs; a zombie does not."""
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


#: Environment variable: host, then the processes this one must not outlive.
WATCHED: Final = "PVI_GANG_WATCHED"
PERIOD_S: Final = 0.25


def watch_owner() -> None:
    """Start watching; on a host other than the worker's, the launcher must do it."""
    host, *processes = os.environ.get(WATCHED, "").split() or [""]
    if host != socket.gethostname():
        return
    signal_on_parent_death()
    watched = [ProcessId.parse(text) for text in processes]
    threading.Thread(target=_watch, args=(watched,), daemon=True).start()


def _watch(watched: list[ProcessId]) -> None:
    while all(process.alive for process in watched):
        time.sleep(PERIOD_S)
    # Not sys.exit: the main thread may be in C, or waiting for ranks that are gone.
    os._exit(1)
