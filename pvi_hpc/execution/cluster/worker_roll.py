"""Roll of all workers that have ever been up, as the scheduler saw them come and go."""

import time
from typing import Any

from distributed import SchedulerPlugin

__all__ = ["Roll"]


class Roll(SchedulerPlugin):  # type: ignore[misc]
    """A plugin of the scheduler; read from other threads.

    A worker's name is that of its job, with `-i` where the job holds several.
    """

    name = "pvi-roll"

    def __init__(self) -> None:
        self._up: dict[str, str] = {}  # address to name
        self._left: dict[str, float] = {}  # name to time

    def add_worker(self, scheduler: Any, worker: str) -> None:
        """Note who came."""
        self._up[worker] = str(scheduler.workers[worker].name)

    def remove_worker(self, scheduler: Any, worker: str, **arguments: Any) -> None:
        """Note who went, and when."""
        if name := self._up.pop(worker, None):
            self._left[name] = time.monotonic()

    def knows(self, job: str) -> bool:
        """Tell whether a worker of that job was ever up."""
        return any(_belongs(name, job) for name in (*self._up.values(), *self._left))

    def last_seen(self, job: str) -> float:
        """Return when a worker of that job was last up (now if one is); 0 if never."""
        if any(_belongs(name, job) for name in tuple(self._up.values())):
            return time.monotonic()
        left = [when for name, when in tuple(self._left.items()) if _belongs(name, job)]
        return max(left, default=0.0)


def _belongs(worker: str, job: str) -> bool:
    return worker == job or worker.startswith(f"{job}-")
