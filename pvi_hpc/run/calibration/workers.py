"""Calibration of a method: many inversions on the workers, each kept once it is done."""

import time
from collections.abc import Callable
from contextlib import closing
from typing import Any

import cloudpickle  # type: ignore[import-untyped]
from distributed import as_completed

from pvi_hpc.diagnostics.calibration import LEAST, TICK_S, CalibrationProblem, Inversion
from pvi_hpc.errors import ConfigError
from pvi_hpc.execution.dispatch.pool import WorkerPool
from pvi_hpc.execution.executor import RESOURCE, Workplace, load_executor
from pvi_hpc.execution.ledger import Ledger
from pvi_hpc.execution.settings import ExecutionSettings
from pvi_hpc.run.calibration.kept import KeptInversions

__all__ = ["calibrate"]


def calibrate(
    problem: CalibrationProblem,
    n: int,
    execution: ExecutionSettings,
    kept: KeptInversions,
    progress: Callable[[int], None] = lambda _: None,
) -> list[Inversion]:
    """Do `n` inversions on the workers of an executor, those that are not there yet.

    Parameters
    ----------
    problem
        Truths, data and fits; pickled to the workers.
    n
        Inversions; at least 10, which show coverages; a rank histogram wants 20 to 50.
    execution
        Executor and number of workers; each does one inversion at a time.
    kept
        Folder of the inversions, of the ledger and of the executor's files, on a disk that all
        nodes share.
    progress
        Told how many inversions are done, after each.

    Raises
    ------
    ConfigError
        If there are too few inversions, no such executor, or the folder is of another problem.
    SimulationError
        If workers cannot be had.
    """
    if n < LEAST:
        raise ConfigError(
            f"'n' must be at least {LEAST} inversions, of which a rank histogram can be made, "
            f"got {n}."
        )
    kept.claim()
    found = {index: kept.load(index) for index in range(n)}
    missing = [index for index, inversion in found.items() if inversion is None]
    if missing:
        _do(problem, missing, execution, kept, lambda done: progress(n - len(missing) + done))
    return [inversion or kept.written(index) for index, inversion in found.items()]


def _do(
    problem: CalibrationProblem,
    missing: list[int],
    execution: ExecutionSettings,
    kept: KeptInversions,
    progress: Callable[[int], None],
) -> None:
    """Do the inversions that are missing."""
    ledger = Ledger(kept.folder / "ledger.jsonl")
    with closing(load_executor(execution, Workplace(kept.folder, ledger))) as executor:
        client = executor.start(min(execution.workers, len(missing)))
        # The problem is pickled by value: a worker need not have the file that defines it.
        sent, one = cloudpickle.dumps(problem), {RESOURCE: 1}
        asked = {client.submit(_invert, sent, i, resources=one, pure=False): i for i in missing}
        pool = WorkerPool(client, executor, execution.workers, ledger)
        _collect(asked, pool, kept.keep, progress)


def _collect(
    asked: dict[Any, int],
    pool: WorkerPool,
    keep: Callable[[int, Any], None],
    progress: Callable[[int], None],
) -> None:
    """Keep each result of `asked` once it is there: its worker may end before the last."""
    done, count = as_completed(asked, with_results=True, loop=pool.client.loop), 0
    while asked:
        if done.has_ready():
            future, result = next(done)
            keep(asked.pop(future), result)
            future.release()
            count += 1
            progress(count)
        elif pool.due:
            pool.refresh()
        else:
            time.sleep(TICK_S)


def _invert(problem: bytes, index: int) -> Inversion:
    """Do inversion `index` of a pickled problem, on a worker."""
    return Inversion(*cloudpickle.loads(problem).invert(index))
