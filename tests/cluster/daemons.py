"""Common base of a private Slurm and a private Grid Engine: real daemons in a folder."""

import os
import random
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

__all__ = ["Cluster", "alive", "busyness", "free_ports", "stop_process", "wait_until"]

#: Below the ports that the kernel hands out to connections, so that none is taken meanwhile.
PORTS = range(20000, 31000)


class Cluster:
    """A batch system whose every file lies in one folder; a context manager.

    `programs` must be installed, and the daemons run as root.
    """

    name = ""
    programs: Sequence[str] = ()

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @classmethod
    def lacks(cls) -> str:
        """Say what is missing for it to start here; empty if nothing is."""
        missing = [name for name in cls.programs if shutil.which(name) is None]
        if missing:
            remedy = "run scripts/install-clusters.sh"
            return f"{cls.name} lacks {', '.join(missing)}: {remedy}"
        if os.geteuid() != 0:
            return f"the daemons of {cls.name} need root"
        return ""

    @property
    def environment(self) -> dict[str, str]:
        """Variables that make commands talk to these daemons and to no others."""
        raise NotImplementedError

    def start(self) -> None:
        """Start the daemons and wait until jobs can run."""
        raise NotImplementedError

    def stop(self) -> None:
        """Cancel all jobs and end the daemons; safe to call twice."""
        raise NotImplementedError

    def jobs(self) -> dict[str, str]:
        """Return the state of every job that waits or runs, by its id."""
        raise NotImplementedError

    def cancel(self, *jobs: str) -> None:
        """Cancel jobs."""
        raise NotImplementedError

    def submit(self, script: Path, *options: str) -> str:
        """Submit a job script and return the job's id."""
        raise NotImplementedError

    def command(self, *words: str, stdin: str | None = None) -> str:
        """Run a command of the batch system and return what it printed."""
        done = subprocess.run(
            words,
            env={**os.environ, **self.environment},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(words)}: code {done.returncode}\n{done.stderr}")
        return done.stdout


def free_ports(n: int) -> list[int]:
    """Return `n` ports that nobody listens on."""
    found: list[int] = []
    for port in random.Random(os.getpid() + time.time_ns()).sample(PORTS, len(PORTS)):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("", port))
            found.append(port)
        if len(found) == n:
            return found
    raise RuntimeError(f"No {n} free ports between {PORTS.start} and {PORTS.stop}.")


def busyness() -> float:
    """Return how many processes wait for each core, at least 1: so much longer all takes."""
    return max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def wait_until(condition: Callable[[], object], patience_s: float, what: str) -> float:
    """Wait for a condition; return how long [s], or raise saying what did not come.

    `patience_s` is that of an idle machine; a busy one gets more.
    """
    start = time.monotonic()
    while not condition():
        waited = time.monotonic() - start
        if waited > patience_s * busyness():
            raise TimeoutError(f"{what} did not happen within {waited:.0f} s.")
        time.sleep(0.1)
    return time.monotonic() - start


def alive(pid: int) -> bool:
    """Tell whether a process runs; a zombie that nobody has reaped does not."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(")")[2].split()[0] not in "ZXx"


def stop_process(pid_file: Path, patience_s: float = 20.0) -> None:
    """End a daemon by its pid file, gently, then not."""
    if not pid_file.exists() or not (text := pid_file.read_text().strip()):
        return
    pid = int(text)
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.kill(pid, number)
        with suppress(TimeoutError):
            wait_until(lambda: not alive(pid), patience_s, f"The end of process {pid}")
            break
    pid_file.unlink(missing_ok=True)
