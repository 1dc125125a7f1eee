"""Does the run fit into memory, disk and cores, and what does it cost?"""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from pvi_hpc.checks.controller_cost import controller_cost
from pvi_hpc.checks.parts import method_of
from pvi_hpc.config.project import Run
from pvi_hpc.data.survey import Survey
from pvi_hpc.errors import ConfigError, Finding, error, ok, warning
from pvi_hpc.execution.executor import Executor, executor_class
from pvi_hpc.execution.gang.launchers import want_of_memory
from pvi_hpc.forward.problem import SimulationCost

__all__ = ["Cost", "check_disk", "check_shots", "check_workers", "cost_of"]

#: Number of the latest checkpoints that are kept.
KEEP_LAST: Final = 3
#: Iterations between the older checkpoints that are kept.
KEEP_EVERY: Final = 50


@dataclass(frozen=True)
class Cost:
    """Cost of a run, estimated before it starts.

    `simulations` are gradients of one shot, `sent_back` adjoint runs of noise beyond these,
    `predictions` simulations without a gradient, after the fit; `core_seconds` are those of all
    ranks and threads together; `wall_seconds` follow if all workers are busy all the time.
    """

    simulations: int
    sent_back: int
    predictions: int
    core_seconds: float
    wall_seconds: float


def cost_of(run: Run, survey: Survey, of_one: SimulationCost) -> Cost:
    """Return the cost of a run; `of_one` is that of a simulation of one shot.

    Raises
    ------
    ConfigError
        If its family or method cannot be made.
    """
    inference, n_shots = run.inference, len(survey.shots)
    simulations, sent_back = _simulations(run, n_shots) if inference.use_data else (0, 0)
    predictions = n_shots * (2 + run.posterior.predictive_draws)
    if run.posterior.k_hat is not None and inference.use_data:
        predictions += n_shots * run.posterior.k_hat.models
    adjoint_seconds = of_one.gradient_seconds - of_one.forward_seconds
    seconds = (
        simulations * of_one.gradient_seconds
        + sent_back * adjoint_seconds
        + predictions * of_one.forward_seconds
    )
    return Cost(simulations, sent_back, predictions, seconds, seconds / _cores(run))


def _simulations(run: Run, n_shots: int) -> tuple[int, int]:
    """Return the gradients of one shot that the method asks for, and further adjoint runs."""
    method = method_of(run)
    batch = min(run.inference.shots_per_sample or n_shots, n_shots)
    models = [method.evaluations(i) for i in range(method.n_iterations)]
    stratum = min(run.start.map_shots or n_shots, n_shots)
    gradients = [m.minibatch * batch + m.whole * n_shots + m.strata * stratum for m in models]
    return sum(gradients), n_shots * sum(m.sent_back for m in models)


def check_shots(run: Run, survey: Survey) -> Iterator[Finding]:
    """Check the minibatch and the sharing out of shots, and tell the cost."""
    n, asked = len(survey.shots), run.inference.shots_per_sample
    if asked is not None and asked > n:
        yield error(
            "inference.shots_per_sample",
            f"must be at most the survey's {n} shots, got {asked}; null means all of them.",
        )
    used = min(asked or n, n)
    tasks = run.inference.samples * -(-used // run.execution.shots_per_task)
    if tasks < run.execution.workers:
        yield warning(
            "execution.shots_per_task",
            f"{run.inference.samples} samples of {used} shots in chunks of "
            f"{run.execution.shots_per_task} are {tasks} tasks at a time for "
            f"{run.execution.workers} workers, some of which will idle; use smaller chunks.",
        )


def check_workers(
    run: Run,
    of_one: SimulationCost,
    *,
    cores: int | None = None,
    memory: int | None = None,
) -> Iterator[Finding]:
    """Check that all processes fit into cores and memory; `of_one`: one simulation's cost."""
    executor = _executor(run)
    local = executor is not None and executor.on_this_machine
    cores = cores or _cores_here()
    if local and _cores(run) > cores:
        e = run.execution
        yield warning(
            "execution.workers",
            f"{e.workers} workers of {e.ranks} ranks of {e.threads} threads want {_cores(run)} "
            f"cores, this machine gives {cores}; it will be slower, not faster.",
        )
    of_rank = of_one.memory
    yield ok("forward", of_one.storage)
    controller = controller_cost(run)
    total = of_rank * run.execution.ranks * run.execution.workers + controller.peak
    free = psutil.virtual_memory().available if memory is None else memory
    text = (
        f"{_bytes(of_rank)} a rank, {_bytes(total)} for {run.execution.workers} workers of "
        f"{run.execution.ranks} ranks and the controller ({_bytes(controller.peak)}, of which "
        f"{_bytes(controller.state)} are a checkpoint)"
    )
    if local and total > free:
        yield error(
            "execution.workers",
            f"needs {text}, but {_bytes(free)} of memory are free; use fewer workers, more "
            "ranks on more machines, or a smaller 'inference.family.options.stencil'.",
        )
    else:
        yield ok(
            "execution",
            f"memory: {text}. The variational update takes about {controller.seconds:.2g} s of "
            "one core an iteration.",
        )
    want = want_of_memory(run.execution.ranks * run.execution.workers) if local else ""
    if want:
        yield warning("execution.ranks", want)
    yield from _check_worker_jobs(run, of_rank)


def _executor(run: Run) -> type[Executor] | None:
    """Return the run's executor; None where `check_executor` says that there is none."""
    try:
        return executor_class(run.execution)
    except ConfigError:
        return None


def _check_worker_jobs(run: Run, of_rank: int) -> Iterator[Finding]:
    """Check that the gangs of a worker job fit into the memory it asks for."""
    cluster = run.execution.cluster
    executor = _executor(run)
    if executor is None or not executor.submits_jobs:
        return
    from dask.utils import parse_bytes  # Dask takes a while; only batch systems need it.

    needed = of_rank * -(-run.execution.ranks * cluster.gangs // cluster.nodes)
    asked = parse_bytes(cluster.memory)
    if needed > asked:
        yield error(
            "execution.cluster.memory",
            f"must hold {_bytes(needed)} of solver on each node of a worker job, got "
            f"{cluster.memory}; ask for more memory, or for more nodes and ranks.",
        )


def check_disk(run: Run, survey: Survey, *, free: int | None = None) -> Iterator[Finding]:
    """Check the space for survey, checkpoints and samples in the working directory [bytes]."""
    cells = run.grid.grid.size
    last = run.start.iterations + run.inference.iterations
    kept = {*range(max(1, last - KEEP_LAST + 1), last + 1), *range(0, last + 1, KEEP_EVERY)}
    needed = (
        4 * survey.n_traces * survey.n_samples * (1 + run.posterior.predictive_draws)
        + controller_cost(run).state * (len(kept) + 1)  # one is being written
        + 4 * cells * run.posterior.samples
    )
    free = shutil.disk_usage(Path.cwd()).free if free is None else free
    if needed > free:
        yield error(
            "posterior.samples",
            f"the run writes about {_bytes(needed)}, but '{Path.cwd()}' has {_bytes(free)} "
            "free; run in another directory, draw fewer samples, or choose a smaller "
            "'inference.family.options.stencil'.",
        )
    else:
        yield ok("disk", f"about {_bytes(needed)} of {_bytes(free)} free.")


def _cores_here() -> int:
    affinity = getattr(
        os, "sched_getaffinity", None
    )  # what a batch job was given; not on macOS
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def _cores(run: Run) -> int:
    return run.execution.workers * run.execution.ranks * run.execution.threads


def _bytes(n: float) -> str:
    return f"{n / 1e9:.2f} GB" if n >= 1e8 else f"{n / 1e6:.1f} MB"
