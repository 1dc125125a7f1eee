"""Runs mpiexec for a worker and kills all of it the moment the worker is gone.

The worker holds the other end of this process's standard input: the kernel closes it
however the worker dies, also in the middle of a system call or of C code. Hydra gives each
rank a session of its own, so ranks are found as descendants, not by their session.
"""

import os
import select
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path

from pvi_hpc.execution.gang.processes import (
    WATCHED,
    ProcessId,
    become_subreaper,
    kill_descendants,
    leave_to_controller,
    signal_on_parent_death,
)
from pvi_hpc.execution.gang.scratch import remove_scratch

__all__ = ["main"]

POLL_S = 0.05
#: Launchers that reach other nodes, and their longest time to end ranks there [s].
REMOTE = ("srun", "mpirun")
REMOTE_S = 3.0


def main() -> None:
    """Run `keeper FOLDER COMMAND...`; exit as the command did, 128 + n for signal n."""
    folder, command = sys.argv[1], sys.argv[2:]
    # SIGTERM is the worker's business; it says so by closing the pipe.
    leave_to_controller()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    become_subreaper()
    watched = [ProcessId.of(os.getppid()), ProcessId.of(os.getpid())]
    names = [socket.gethostname(), *map(str, watched)]
    environment = {**os.environ, WATCHED: " ".join(names)}
    launcher = Path(command[0]).name
    child = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        env=environment,
        preexec_fn=partial(_prepare, launcher),
    )
    owner_gone = _wait(child)
    _ask_to_end(child, launcher)
    kill_descendants(os.getpid())
    if owner_gone:
        remove_scratch(Path(folder))
    code = child.wait()
    sys.exit(code if code >= 0 else 128 - code)


def _wait(child: subprocess.Popen[bytes]) -> bool:
    """Wait for the command or the worker to end; tell whether it was the worker."""
    while child.poll() is None:
        readable, _, _ = select.select([sys.stdin.fileno()], [], [], POLL_S)
        if readable and not os.read(sys.stdin.fileno(), 1):
            return True
    return False


def _ask_to_end(child: subprocess.Popen[bytes], launcher: str) -> None:
    """Let the site's launcher end ranks on other nodes, where nobody else can reach them."""
    if child.poll() is None and launcher in REMOTE:
        child.terminate()
        with suppress(subprocess.TimeoutExpired):
            child.wait(REMOTE_S)


def _prepare(launcher: str) -> None:
    """Give the launcher the usual signals, and one for the death of its keeper."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal_on_parent_death(signal.SIGTERM if launcher in REMOTE else signal.SIGKILL)


if __name__ == "__main__":
    main()
