"""Where and how the simulations run: workers, their gangs, and the cluster they come from."""

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, PositiveFloat, PositiveInt, model_validator

from pvi_hpc.plugins import PathName, Settings

__all__ = ["ClusterSettings", "ExecutionSettings", "Launcher"]

#: What starts the ranks of a gang.
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
#: A queue, an account, an interface: what goes into a job script as one word.
Word = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.@,:-]*$")]


class ClusterSettings(Settings):
    """The worker jobs of a site; a profile's `dask.yaml` holds it (docs/guide/clusters.md)."""

    queue: Word | None = Field(
        None, description="Partition (Slurm) or queue (SGE); null: the site's default."
    )
    account: Word | None = Field(None, description="Account (Slurm) or project (SGE).")
    walltime: Annotated[str, AfterValidator(_walltime)] = Field(
        "04:00:00", description="Of one worker job; must exceed several tasks."
    )
    memory: Annotated[str, AfterValidator(_memory)] = Field(
        "4GB", description="Of one worker job (of one of its nodes); see `pvi check`."
    )
    gangs: PositiveInt = Field(1, description="Workers, each with a gang, in one job.")
    cores: PositiveInt | None = Field(
        None, description="Of one worker job; null: gangs x ranks x threads."
    )
    nodes: PositiveInt = Field(
        1, description="Of one worker job; with more than one it holds one gang."
    )
    parallel_environment: Word | None = Field(
        None, description="SGE: what several slots are asked from (`qconf -spl`)."
    )
    launcher: Launcher = Field(
        "fork",
        description="What starts a gang's ranks: fork (one node), or the site's for more.",
    )
    prologue: tuple[Line, ...] = Field(
        (), description="Shell lines before the workers, such as 'module load mpich'."
    )
    interface: Word | None = Field(
        None, description="Network interface of scheduler and workers; null: by route."
    )
    job_extra: tuple[Line, ...] = Field(
        (), description="More directives, without '#SBATCH' or '#$'."
    )
    log_dir: PathName | None = Field(
        None, description="Of the worker jobs, on a shared disk; null: in the run's folder."
    )
    poll_s: PositiveFloat = Field(10.0, description="How often the queue is looked at.")
    queue_wait_s: PositiveFloat = Field(
        86400.0, description="How long a run without workers waits for the queue."
    )
    failed_starts: PositiveInt = Field(
        5, description="Jobs in a row that may end before their workers are up."
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

    executor: str = Field("local", description="An entry point of pvi_hpc.executors.")
    workers: PositiveInt = Field(2, description="Workers asked for; lost ones are replaced.")
    min_workers: PositiveInt = Field(
        1, description="On a cluster, workers with which a run begins; others join later."
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
    retries: Annotated[int, Field(ge=0)] = Field(3, description="New tries of one task.")
    timeout_s: PositiveFloat = Field(600.0, description="A task this long has hung.")
    min_samples: PositiveInt | None = Field(
        None,
        description="Good samples with which an iteration goes on where others fail for good; "
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
