"""Every fault of the suite: where it strikes, how often, and what does it."""

import os
import random
import shutil
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from allocated_chain import AllocatedChain
from chain import Chain, Template
from daemons import Cluster
from faults_of_allocations import preempt, reach_walltime
from faults_of_controllers import kill_controllers, kill_snakemake, second_controllers
from faults_of_storage import fill_disk, flip_bits
from faults_of_workers import (
    cancel_jobs,
    fail_in_solver,
    kill_ranks,
    kill_workers,
    nodes_down,
    outlive_workers,
)

__all__ = ["FAULTS", "Fault", "Outcome"]

Act = Callable[[Chain, int, random.Random], None]
#: Of worker jobs in the private batch systems.
JOBS: Mapping[str, Any] = {
    "slurm": {"queue": "normal", "memory": "500MB", "walltime": "00:30:00", "poll_s": 1},
    "sge": {
        "queue": "all.q",
        "memory": "500MB",
        "walltime": "00:30:00",
        "poll_s": 1,
        "parallel_environment": "smp",
    },
}


@dataclass(frozen=True)
class Outcome:
    """One row of the table; `error` is empty where all went as it must."""

    name: str
    executor: str
    count: int
    lost: int
    seconds: float
    error: str = ""


@dataclass(frozen=True)
class Fault:
    """A fault, how often the long and the short suite inflict it, and on what."""

    name: str
    executor: str
    act: Act
    long: int
    short: int = 1
    gang: str = "slow@0.2"
    ranks: int = 1
    execution: Mapping[str, Any] = field(default_factory=dict)
    job: Mapping[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """Its name as one word."""
        return f"{self.name} {self.executor}".replace(" ", "-")

    def inflict(
        self,
        count: int,
        template: Template,
        cluster: Cluster | None,
        folder: Path,
    ) -> Outcome:
        """Inflict it `count` times on a chain in a new folder, and say how it ended."""
        execution = {"executor": self.executor, "workers": 2, **self.execution}
        if self.executor in JOBS:
            execution["cluster"] = {**JOBS[self.executor], **self.job}
        kind = AllocatedChain if self.executor == "allocation" else Chain
        chain = kind(template, folder, cluster, self.gang, execution)
        start, error = time.monotonic(), ""
        try:
            chain.make()
            self.act(chain, count, random.Random(count))
        except (AssertionError, TimeoutError, RuntimeError) as failure:
            error = str(failure)
            _end(chain)
        seconds = time.monotonic() - start
        lost = chain.record().lost
        if not error:
            shutil.rmtree(folder)
        return Outcome(self.name, self.executor, count, lost, seconds, error)


def _end(chain: Chain) -> None:
    """End a chain that went wrong, so that the next one is alone."""
    for pid in chain.pids():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    if chain.cluster is not None:
        chain.cluster.cancel(*chain.cluster.jobs())


FAST: Mapping[str, Any] = {"timeout_s": 3}

FAULTS = (
    Fault("worker job cancelled", "slurm", cancel_jobs, 12),
    Fault("worker job cancelled", "sge", cancel_jobs, 8),
    Fault("worker killed -9", "slurm", kill_workers, 12),
    Fault("worker killed -9", "sge", kill_workers, 4),
    Fault("worker killed -9", "local", kill_workers, 4),
    Fault("gang rank killed -9", "slurm", kill_ranks, 10, ranks=2),
    Fault("gang rank killed -9", "local", kill_ranks, 10, ranks=2),
    Fault("solver hang", "local", fail_in_solver, 5, gang="hang@1", execution=FAST),
    Fault("segfault", "local", fail_in_solver, 5, gang="segfault@1"),
    Fault("NaN gradient", "local", fail_in_solver, 5, gang="nan_gradient@1"),
    Fault("truncated result", "local", fail_in_solver, 5, gang="truncated@1"),
    Fault("node DOWN", "slurm", nodes_down, 3),
    Fault("controller killed -9", "local", kill_controllers, 30),
    Fault("controller killed -9", "slurm", kill_controllers, 12),
    Fault("controller killed -9", "sge", kill_controllers, 8),
    Fault("controller preempted", "allocation", preempt, 5),
    Fault("worker's walltime", "slurm", outlive_workers, 2, job={"walltime": "00:02:00"}),
    Fault("walltime reached", "allocation", reach_walltime, 3),
    Fault("Snakemake SIGHUP", "local", kill_snakemake(signal.SIGHUP), 5),
    Fault("Snakemake SIGKILL", "local", kill_snakemake(signal.SIGKILL), 5),
    Fault("checkpoint bit flipped", "local", flip_bits, 20, gang="none@0"),
    Fault("disk full", "local", fill_disk, 5),
    Fault("second controller", "local", second_controllers, 3),
    Fault("second controller", "slurm", second_controllers, 2),
)
