"""Cancels the worker jobs of a controller that is gone, however it went.

Started with a pipe as standard input that the controller never writes to: its end is the
controller's end. Running jobs end by themselves when their scheduler is gone; this is for
those that still wait in the queue, and for submissions under way when the controller died.
"""

import os
import signal
import sys
import time
from importlib import import_module
from typing import Final

from pvi_hpc.errors import SimulationError
from pvi_hpc.execution.cluster.queues import Queue

__all__ = ["main", "reap"]

#: Longest duration of a submission [s].
WATCH_S: Final = 8.0
PAUSE_S: Final = 2.0


def main() -> None:
    """Run `reaper MODULE:QUEUE PREFIX`."""
    where, prefix = sys.argv[1:]
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while os.read(sys.stdin.fileno(), 1):
        pass
    module, _, kind = where.partition(":")
    reap(getattr(import_module(module), kind)(), prefix)


def reap(queue: Queue, prefix: str, watch_s: float = WATCH_S) -> None:
    """Cancel all jobs whose names begin with `prefix`, also those that come meanwhile."""
    deadline = time.monotonic() + watch_s
    while True:
        try:
            found = [j for j in queue.jobs() if j.name.startswith(prefix)]
            queue.cancel(j.id for j in found if j.state != "ending")
        except SimulationError:
            pass  # The batch system does not answer: ask again.
        if time.monotonic() > deadline:
            return
        time.sleep(PAUSE_S)


if __name__ == "__main__":
    main()
