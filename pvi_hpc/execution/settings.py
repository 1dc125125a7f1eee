"""Settings of the simulations: workers, their gangs, and the cluster they come from."""

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, PositiveFloat, PositiveInt, model_validator

from pvi_hpc.plugins import PathName, Settings

__all__ = ["ClusterSettings", "ExecutionSettings", "Launcher"]

#: Launcher of the ranks of a gang.
Launcher = Literal["fork", "srun", "mpirun", "qrsh"]


def _walltime(text: str) -> str:
    if not re.fullmatch(r"\d{1,3}:[0-5]\d:[0-5]\d", text):
        raise ValueError(f"must be HH:MM:SS in quotes, such as '12:00:00', got {text!r}")
    return text


def _memory(text: str) -> str:
    if not re.fullmatch(r"[1-9]\d*(MB|GB|TB)", text):
        raise ValueError(f"must be a size such as '16GB' or '800MB', got {text!r}")
    return text


def _directive(text: str) -> str:
    if "\n" in text or not text.strip():
        raise ValueError(f"must be one line that is not empty, got {text!r}")
    return text


Line = Annotated[str, AfterValidator(_directive)]
#: One word of a job script, such as a queue, an account or an interface.
Word = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.@,:-]*$")]


class ClusterSettings(Settings):
    """The worker jobs of a site, in `dask.yaml` of a profile (docs/guide/clusters.md)."""

    queue: Word | None = Field(
        None, description="Partition (Slurm) or queue (SGE); null: the site's default."
    )
    account: Word | None = Field(None, description="Account (Slurm) or project (SGE).")
    walltime: Annotated[str, AfterValidator(_walltime)] = Field(
        "04:00:00", description="Walltime of one worker job; it must exceed several tasks."
    )
    memory: Annotated[str, AfterValidator(_memory)] = Field(
        "4GB", description="Memory of one node of a worker job; see `pvi check`."
    )
    gangs: PositiveInt = Field(
        1, description="Number of workers, each with a gang, in one job."
    )
    cores: PositiveInt | None = Field(
        None, description="Cores of one worker job; null: gangs x ranks x threads."
    )
    nodes: PositiveInt = Field(
        1, description="Nodes of one worker job; a job of more than one node holds one gang."
    )
    parallel_environment: Word | None = Field(
        None, description="Parallel environment for several slots (SGE; `qconf -spl`)."
    )
    launcher: Launcher = Field(
        "fork",
        description="Launcher of the ranks of a gang: fork (one node), or that of the site.",
    )
    prologue: tuple[Line, ...] = Field(
        (), description="Shell lines that run before the workers, such as 'module load mpich'."
    )
    interface: Word | None = Field(
        None, description="Network interface of scheduler and workers; null: by route."
    )
    job_extra: tuple[Line, ...] = Field(
        (), description="More directives, without '#SBATCH' or '#$'."
    )
    log_dir: PathName | None = Field(
        None, description="Folder of the job logs, on a shared disk; null: in the run's folder."
    )
    poll_s: PositiveFloat = Field(10.0, description="Time between two looks at the queue [s].")
    queue_wait_s: PositiveFloat = Field(
        86400.0, description="Time that a run without workers waits for the queue [s]."
    )
    failed_starts: PositiveInt = Field(
        5, description="Number of jobs in a row that may end before their workers are up."
    )

    @model_validator(mode="after")
    def _gangs_fit_nodes(self) -> Self:
        if self.nodes > 1 and self.gangs > 1:
            raise ValueError(
                f"'gangs' must be 1 where 'nodes' is more than 1, got gangs {self.gangs} and "
                f"nodes {self.nodes}; ask for more workers instead"
            )
        if self.nodes > 1 and self.launcher == "fork":
            raise ValueError(
                f"'launcher' must be srun, mpirun or qrsh with {self.nodes} nodes, got 'fork', "
                "which starts ranks on its own node only"
            )
        return self

    @property
    def walltime_s(self) -> int:
        """The walltime in seconds."""
        hours, minutes, seconds = map(int, self.walltime.split(":"))
        return 3600 * hours + 60 * minutes + seconds


class ExecutionSettings(Settings):
    """Workers, the MPI ranks and threads of their gangs, and what to do on failure."""

    executor: str = Field(
        "local",
        description="Source of workers: local, slurm, sge, allocation, or another entry point.",
    )
    workers: PositiveInt = Field(2, description="Number of workers; lost ones are replaced.")
    min_workers: PositiveInt = Field(
        1,
        description="Workers with which a run begins on a cluster; others join later.",
    )
    ranks: PositiveInt = Field(
        1, description="MPI ranks of one gang; fixed for a begun run (rounding)."
    )
    threads: PositiveInt = Field(1, description="OpenMP threads of one rank.")
    shots_per_task: PositiveInt = Field(
        4, description="Shots simulated by one task; fixed for a begun run (order of sums)."
    )
    controller_threads: PositiveInt = Field(
        1, description="Threads of the variational update, which alternates with simulations."
    )
    retries: Annotated[int, Field(ge=0)] = Field(
        3, description="Number of new tries of a task that failed."
    )
    timeout_s: PositiveFloat = Field(
        600.0, description="Duration after which a task counts as hanging [s]."
    )
    min_samples: PositiveInt | None = Field(
        None,
        description="Fewest good samples with which an iteration goes on if others fail; "
        "null: a sample that fails stops the run.",
    )
    cluster: ClusterSettings = ClusterSettings()

    @model_validator(mode="after")
    def _workers_suffice(self) -> Self:
        if self.min_workers > self.workers:
            raise ValueError(
                f"'min_workers' must be at most 'workers' ({self.workers}), got "
                f"{self.min_workers}; raise 'workers' or lower it"
            )
        return self
