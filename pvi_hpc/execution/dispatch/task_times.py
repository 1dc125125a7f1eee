"""Duration of tasks: no task goes to a worker that will not live to finish it."""

from collections import defaultdict, deque
from typing import Final

import numpy as np

from pvi_hpc.execution.dispatch.tasks import ChunkTask

__all__ = ["TaskTimes"]

#: Number of the latest tasks whose durations are kept.
WINDOW: Final = 256
#: Safety factor on the 95th percentile of the durations of the latest tasks.
SAFETY: Final = 1.3
#: Tasks count as equally long if the 95th percentile is at most this ratio times the median.
EVEN: Final = 1.1
#: Fewest durations from which this ratio is judged.
FEWEST: Final = 8


class TaskTimes:
    """Seconds of the latest tasks, for each kind of result and per shot."""

    def __init__(self) -> None:
        self._seconds: dict[str, deque[float]] = defaultdict(lambda: deque(maxlen=WINDOW))

    def add(self, task: ChunkTask, seconds: float) -> None:
        """Note how long a task took [s]."""
        self._seconds[task.want].append(seconds / max(len(task.shots), 1))

    def needed_s(self, task: ChunkTask) -> float:
        """Return the time to allow for a task [s]; 0 while none of its kind was timed."""
        known = self._seconds.get(task.want)
        if not known:
            return 0.0
        return SAFETY * float(np.quantile(known, 0.95)) * max(len(task.shots), 1)

    def even(self, want: str) -> bool:
        """Tell whether tasks of a kind are known to take equally long wherever they run."""
        known = self._seconds.get(want, ())
        if len(known) < FEWEST:
            return False
        median, long = np.quantile(known, (0.5, 0.95))
        return bool(long <= EVEN * median)
