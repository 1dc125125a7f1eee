"""When the batch job around this process will be ended."""

import os
import time
from collections.abc import Mapping

from pvi_hpc.errors import SimulationError
from pvi_hpc.execution.cluster.queues import call

__all__ = ["job_end", "seconds_left"]

#: Set by a job script for batch systems that do not tell [seconds since 1970].
JOB_END = "PVI_JOB_END"


def job_end(environment: Mapping[str, str] = os.environ) -> float | None:
    """Return the end of this process's job [seconds since 1970], or None if there is none.

    `PVI_JOB_END` says so (the profiles set it), or Slurm.
    """
    for name in (JOB_END, "SLURM_JOB_END_TIME"):
        if environment.get(name, "").isdigit():
            return float(environment[name])
    if "SLURM_JOB_ID" not in environment:
        return None
    try:
        job = environment["SLURM_JOB_ID"]
        left = seconds_left(call(["squeue", "--noheader", "--job", job, "--format", "%L"]))
    except SimulationError:
        return None  # No Slurm to be asked: the signal before the end must do.
    return None if left is None else time.time() + left


def seconds_left(text: str) -> float | None:
    """Read Slurm's `[DAYS-][HOURS:]MINUTES:SECONDS`; None for UNLIMITED and the like.

    Examples
    --------
    >>> seconds_left("1-02:03:04")
    93784.0
    """
    days, _, clock = text.strip().rpartition("-")
    parts = clock.split(":")
    if not all(part.isdigit() for part in parts) or not (days or "0").isdigit():
        return None
    seconds = 0
    for part in parts:
        seconds = 60 * seconds + int(part)
    return 86400.0 * int(days or 0) + seconds
