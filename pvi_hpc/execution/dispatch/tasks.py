"""Tasks of Dask workers: a chunk of shots, its summary, and the sum over chunks."""

import time
from dataclasses import dataclass

import numpy as np
from distributed import get_worker
from numpy.typing import NDArray

from pvi_hpc.execution.failures import Failure, GangError
from pvi_hpc.execution.gang.worker_plugin import worker_gang
from pvi_hpc.forward.problem import ShotResult, Want

__all__ = [
    "ChunkResult",
    "ChunkTask",
    "Model",
    "Summary",
    "add_up",
    "join_traces",
    "run_chunk",
    "summarise",
]

Gradient = NDArray[np.float64]


@dataclass(frozen=True)
class Model:
    """A velocity model `(nz, ny, nx)` float32 [m/s] and its hash.

    Where products are wanted it is the pair of a model and a direction, `(2, nz, ny, nx)`.
    """

    name: str
    velocity: NDArray[np.float32]


@dataclass(frozen=True)
class ChunkTask:
    """Some shots of one sample; `identity` is what the result must carry.

    `keys` are those of noise, where its gradients are wanted; `precisions` those of the groups
    of data, empty: 1 for all.
    """

    sample: int
    chunk: int
    shots: tuple[int, ...]
    want: Want
    identity: str
    keys: tuple[int, ...] = ()
    precisions: tuple[float, ...] = ()


@dataclass(frozen=True)
class Summary:
    """All of a result but its arrays: what the controller wants to know at once."""

    misfit: float
    seconds: float
    worker: str
    library: str
    storage: str
    starts: int
    squares: tuple[float, ...] = ()


@dataclass(frozen=True)
class ChunkResult:
    """Result of a chunk; its arrays stay on the worker."""

    summary: Summary
    result: ShotResult


def run_chunk(model: Model, task: ChunkTask) -> ChunkResult | Failure:
    """Simulate a chunk on this worker's gang; failures come back as values."""
    gang, start = worker_gang(), time.monotonic()
    worker = str(get_worker().address)
    try:
        answer = gang.simulate(
            model.name,
            model.velocity,
            task.shots,
            task.want,
            task.identity,
            keys=task.keys,
            precisions=task.precisions,
        )
    except GangError as error:
        seconds = time.monotonic() - start
        return Failure(
            error.kind, error.message, worker, seconds, task.chunk, max(gang.starts, 1)
        )
    summary = Summary(
        misfit=answer.result.misfit,
        seconds=answer.seconds,
        worker=worker,
        library=answer.library,
        storage=answer.storage,
        starts=gang.starts,
        squares=answer.result.squares,
    )
    return ChunkResult(summary, answer.result)


def summarise(chunk: ChunkResult | Failure) -> Summary | Failure:
    """Return what is small."""
    return chunk.summary if isinstance(chunk, ChunkResult) else chunk


def add_up(*parts: ChunkResult | Gradient | Failure) -> Gradient | Failure:
    """Add gradients in the order given; a chunk that failed when run again is returned."""
    total: Gradient | None = None
    for part in parts:
        if isinstance(part, Failure):
            return part
        gradient = part.result.gradient if isinstance(part, ChunkResult) else part
        total = gradient if total is None or gradient is None else total + gradient
    assert total is not None
    return total


def join_traces(
    *parts: ChunkResult | Failure,
) -> list[NDArray[np.float32]] | Failure:
    """Return the traces of all chunks, one array a shot."""
    traces: list[NDArray[np.float32]] = []
    for part in parts:
        if isinstance(part, Failure):
            return part
        traces += part.result.traces
    return traces
