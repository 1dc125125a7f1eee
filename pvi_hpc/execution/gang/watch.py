"""A thread in every rank that ends it when its worker or its keeper is gone."""

import os
import socket
import threading
import time
from typing import Final

from pvi_hpc.execution.gang.processes import ProcessId, signal_on_parent_death

__all__ = ["WATCHED", "watch_owner"]

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
