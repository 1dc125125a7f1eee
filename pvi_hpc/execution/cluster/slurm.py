"""Slurm: its commands, and worker jobs written by dask-jobqueue."""

import getpass
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from dask_jobqueue.slurm import SLURMJob

from pvi_hpc.execution.cluster.queues import QueuedJob, State, call, job_id
from pvi_hpc.execution.cluster.worker_jobs import BatchExecutor, JobSettings

__all__ = ["SlurmExecutor", "SlurmQueue"]

STATES: Final[dict[str, State]] = {
    "PENDING": "pending",
    "CONFIGURING": "pending",
    "REQUEUED": "pending",
    "RUNNING": "running",
    "SUSPENDED": "running",
    "STOPPED": "running",
}
#: Reasons that no waiting will change: limits of one job, and what only an administrator can.
HOPELESS: Final = re.compile(
    r"PartitionTimeLimit|PartitionNodeLimit|BadConstraints|InvalidQOS|InvalidAccount|"
    r"AccountNotAllowed|QOSNotAllowed|MaxMemPerLimit|JobHeldAdmin|JobHoldMaxRequeue|"
    r"(QOS|Assoc)M(ax|in)\w*PerJob\w*|(QOS|Assoc)MaxWall\w*|QOSMin\w+"
)


class SlurmQueue:
    """Implements `Queue` with sbatch, squeue and scancel."""

    def submit(self, script: Path) -> str:
        """Submit; the id comes without the name of a federated cluster."""
        return job_id(call(["sbatch", "--parsable", str(script)]), r"(\d+)(;\S+)?")

    def jobs(self) -> list[QueuedJob]:
        """Ask squeue; a job that is completing counts as ended."""
        user = getpass.getuser()
        text = call(["squeue", "--noheader", "--user", user, "--format", "%i|%T|%r|%j"])
        return [_job(line) for line in text.splitlines() if line.count("|") >= 3]

    def cancel(self, ids: Iterable[str]) -> None:
        """Cancel at once all that are named."""
        if names := list(ids):
            call(["scancel", *names], check=False)


class SlurmExecutor(BatchExecutor):
    """Workers in jobs of Slurm.

    They are not requeued: a requeued job would come back with a worker that was replaced.
    """

    queue = SlurmQueue()

    def job_script(self, settings: JobSettings) -> str:
        """Return the script of one worker job."""
        cluster, execution = self.execution.cluster, self.execution
        skip = ["#SBATCH -e ", "#SBATCH -o "]
        extra = ["--no-requeue", f"--output={settings.log}", "--open-mode=append"]
        if cluster.nodes > 1:
            skip += ["#SBATCH -n 1", "#SBATCH --cpus-per-task"]
            extra += [f"--nodes={cluster.nodes}", f"--ntasks={execution.ranks}"]
            extra += [f"--cpus-per-task={execution.threads}"]
        options: dict[str, Any] = {**settings.options, "account": cluster.account}
        job = SLURMJob(
            **options,
            job_cpu=settings.cores,
            job_directives_skip=skip,
            job_extra_directives=[*extra, *cluster.job_extra],
        )
        return str(job.job_script())


def _job(line: str) -> QueuedJob:
    number, word, reason, name = line.split("|", 3)
    state = STATES.get(word, "ending")
    if state == "pending" and HOPELESS.fullmatch(reason):
        state = "broken"
    return QueuedJob(number, name, state, reason)
