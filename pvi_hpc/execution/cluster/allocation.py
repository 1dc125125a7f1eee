"""Workers inside one job: its nodes are a small batch system of their own."""

import itertools
import math
import subprocess
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final

from dask_jobqueue.local import LocalJob

from pvi_hpc.errors import ConfigError, SimulationError
from pvi_hpc.execution.cluster.nodes import Node, allocated_nodes
from pvi_hpc.execution.cluster.queues import QueuedJob
from pvi_hpc.execution.cluster.worker_jobs import BatchExecutor, JobSettings
from pvi_hpc.execution.executor import Workplace
from pvi_hpc.execution.settings import ExecutionSettings

__all__ = ["AllocationExecutor", "AllocationQueue"]

#: Time to end for a worker that was asked to, before it is killed [s].
PATIENCE_S: Final = 5.0


@dataclass(frozen=True)
class Started:
    """Something that runs on a node, started from here."""

    node: Node
    process: "subprocess.Popen[bytes]"
    script: Path


class AllocationQueue:
    """Implements `Queue`: a job script starts at once, on the node with the fewest."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self.nodes = nodes
        self._numbers = itertools.count(1)
        self._started: dict[str, Started] = {}

    def submit(self, script: Path) -> str:
        """Start a copy of a script: the fleet writes the next one to the same file."""
        number = str(next(self._numbers))
        load = Counter(started.node.name for started in self._started.values())
        node = min(self.nodes, key=lambda node: load[node.name])
        copy = script.with_name(f"{script.stem}-{number}.sh")
        copy.write_text(script.read_text())
        try:
            process = subprocess.Popen(
                [*node.launcher, "bash", str(copy)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError as error:
            raise SimulationError(f"A worker cannot start on {node.name}: {error}") from error
        self._started[number] = Started(node, process, copy)
        return number

    def jobs(self) -> list[QueuedJob]:
        """Return what still runs."""
        for number, started in list(self._started.items()):
            if started.process.poll() is not None:
                started.script.unlink(missing_ok=True)
                del self._started[number]
        return [QueuedJob(number, number, "running") for number in self._started]

    def cancel(self, ids: Iterable[str]) -> None:
        """End all that are named: first ask, then kill."""
        doomed = [self._started[i].process for i in ids if i in self._started]
        for process in doomed:
            process.terminate()
        for process in doomed:
            with suppress(subprocess.TimeoutExpired):
                process.wait(PATIENCE_S)
            process.kill()
        self.jobs()


class AllocationExecutor(BatchExecutor):
    """Workers on the nodes of the batch job that the controller runs in, as many on each."""

    submits_jobs: ClassVar[bool] = False

    def __init__(self, execution: ExecutionSettings, place: Workplace) -> None:
        nodes = allocated_nodes()
        used = nodes[: execution.workers]
        if execution.workers % len(used):
            raise ConfigError(
                f"'execution.workers' must be a multiple of the {len(used)} nodes of this job, "
                f"got {execution.workers}; change it, or ask for another number of nodes."
            )
        cluster = execution.cluster.model_copy(
            update={
                "gangs": execution.workers // len(used),
                "poll_s": 1.0,
                "queue_wait_s": 300.0,
            }
        )
        super().__init__(execution.model_copy(update={"cluster": cluster}), place)
        self.queue = AllocationQueue(used)
        # The job's own end is the controller's too, which is told by a signal.
        self.walltime_s = math.inf

    def job_script(self, settings: JobSettings) -> str:
        """Return what runs on one node."""
        options: dict[str, Any] = {**settings.options}
        options["job_script_prologue"] = [
            f"exec >> '{settings.log}' 2>&1",
            *options["job_script_prologue"],
        ]
        del options["queue"], options["walltime"]
        return str(LocalJob(**options).job_script())

    def _start_reaper(self) -> None:
        """Nothing waits in a queue: workers end by themselves when the scheduler is gone."""
