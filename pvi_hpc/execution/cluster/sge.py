"""Grid Engine: its commands, and worker jobs written by dask-jobqueue."""

import getpass
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from dask_jobqueue.sge import SGEJob

from pvi_hpc.execution.cluster.queues import QueuedJob, QueueSilentError, State, call, job_id
from pvi_hpc.execution.cluster.worker_jobs import BatchExecutor, JobSettings

__all__ = ["GridEngineExecutor", "GridEngineQueue"]


class GridEngineQueue:
    """Implements `Queue` with qsub, qstat and qdel."""

    def submit(self, script: Path) -> str:
        """Submit; some versions print more than the id."""
        return job_id(call(["qsub", "-terse", str(script)]), r"(\d+)")

    def jobs(self) -> list[QueuedJob]:
        """Ask qstat, in XML because its table cuts names."""
        listed = _listed()
        if any(job.state == "pending" and "h" in job.reason for job in listed):
            # Only the administrator can release these; other holds end by themselves.
            held = {job.id for kind in ("ho", "hs") for job in _listed("-s", kind)}
            listed = [replace(j, state="broken") if j.id in held else j for j in listed]
        return listed

    def cancel(self, ids: Iterable[str]) -> None:
        """Cancel at once all that are named."""
        if names := list(ids):
            call(["qdel", *names], check=False)


class GridEngineExecutor(BatchExecutor):
    """Workers in jobs of Grid Engine; they inherit the environment, as Slurm's do."""

    queue = GridEngineQueue()

    def job_script(self, settings: JobSettings) -> str:
        """Return the script of one worker job."""
        cluster = self.execution.cluster
        extra = ["-V", "-r n", "-S /bin/bash", f"-o {settings.log}"]
        slots = self.execution.ranks if cluster.nodes > 1 else settings.cores
        if cluster.parallel_environment:
            extra.append(f"-pe {cluster.parallel_environment} {slots}")
        options: dict[str, Any] = {**settings.options, "project": cluster.account}
        job = SGEJob(
            **options,
            job_directives_skip=["#$ -e ", "#$ -o "],
            job_extra_directives=[*extra, *cluster.job_extra],
        )
        return str(job.job_script())


def _listed(*options: str) -> list[QueuedJob]:
    text = call(["qstat", "-u", getpass.getuser(), *options, "-xml"])
    try:
        tree = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise QueueSilentError(f"qstat -xml cannot be read: {error}") from error
    return [_job(node) for node in tree.iter("job_list")]


def _job(node: ElementTree.Element) -> QueuedJob:
    word = node.findtext("state") or ""
    state: State = "running"
    if "E" in word:
        state = "broken"
    elif "d" in word:
        state = "ending"
    elif "q" in word or "h" in word:
        state = "pending"
    name = node.findtext("JB_name") or ""
    return QueuedJob(node.findtext("JB_job_number") or "", name, state, word)
