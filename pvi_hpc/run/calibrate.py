"""Calibration of a method: many inversions on the workers."""

import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import cloudpickle  # type: ignore[import-untyped]
from distributed import as_completed

from pvi_hpc.diagnostics.calibration import BINS, TICK_S, Array, Calibration, CalibrationProblem
from pvi_hpc.errors import ConfigError
from pvi_hpc.execution.dispatch.pool import WorkerPool
from pvi_hpc.execution.executor import RESOURCE, Workplace, load_executor
from pvi_hpc.execution.ledger import Ledger
from pvi_hpc.execution.settings import ExecutionSettings

__all__ = ["calibrate"]


def calibrate(
    problem: CalibrationProblem,
    n: int,
    execution: ExecutionSettings,
    folder: Path,
    progress: Callable[[int], None] = lambda _: None,
) -> Calibration:
    """Do `n` inversions on the workers of an executor and return what they say.

    Parameters
    ----------
    problem
        Truths, data and fits; pickled to the workers.
    n
        Inversions; at least 5 for each bin of a rank histogram.
    execution
        Executor and number of workers; each does one inversion at a time.
    folder
        Folder of the ledger and of the executor's files, on a disk that all nodes share.
    progress
        Told how many inversions are done, after each.

    Raises
    ------
    ConfigError
        If there are too few inversions, or no such executor.
    SimulationError
        If workers cannot be had.
    """
    least = 5 * BINS
    if n < least:
        raise ConfigError(
            f"'n' must be at least {least}, 5 inversions a bin of a rank histogram, got {n}."
        )
    ledger = Ledger(folder / "ledger.jsonl")
    with closing(load_executor(execution, Workplace(folder, ledger))) as executor:
        client = executor.start(execution.workers)
        # The problem is pickled by value: a worker need not have the file that defines it.
        sent, one = cloudpickle.dumps(problem), {RESOURCE: 1}
        asked = {
            client.submit(_invert, sent, i, resources=one, pure=False): i for i in range(n)
        }
        pool = WorkerPool(client, executor, execution.workers, ledger)
        results = _collect(asked, pool, progress)
    return Calibration.of(results)


def _collect(
    asked: dict[Any, int], pool: WorkerPool, progress: Callable[[int], None]
) -> list[tuple[Array, Array]]:
    """Take each result out of `asked` once it is there: its worker may end before the last."""
    done = as_completed(asked, with_results=True, loop=pool.client.loop)
    results: dict[int, tuple[Array, Array]] = {}
    while asked:
        if done.has_ready():
            future, result = next(done)
            results[asked.pop(future)] = result
            future.release()
            progress(len(results))
        elif pool.due:
            pool.refresh()
        else:
            time.sleep(TICK_S)
    return [results[i] for i in sorted(results)]


def _invert(problem: bytes, index: int) -> tuple[Array, Array]:
    """Do inversion `index` of a pickled problem, on a worker."""
    result: tuple[Array, Array] = cloudpickle.loads(problem).invert(index)
    return result
