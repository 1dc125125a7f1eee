"""Speed of the solver: against this machine's bandwidth, and gradient by gradient."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from statistics import median
from typing import Final

import numpy as np

from pvi_hpc.forward.acoustic.acoustic_solver import AcousticSolver
from pvi_hpc.forward.acoustic.history.storage import Storage, estimate_memory
from pvi_hpc.forward.acoustic.library import load
from pvi_hpc.selftest.solver.case import Array, VerifyCase

__all__ = [
    "BYTES_A_CELL",
    "Speed",
    "StorageCost",
    "bandwidth",
    "forward_rate",
    "forward_speeds",
    "storage_costs",
]

#: Least traffic of a cell update [bytes]: read p, read and write p of the step before, read c.
BYTES_A_CELL: Final = 16
#: Cells of the streaming test: far beyond any cache.
STREAM_CELLS: Final = 32_000_000
N_RECEIVERS: Final = 100


@dataclass(frozen=True)
class Speed:
    """Cell updates a second, layer included, and their share of the bandwidth's limit."""

    threads: int
    cells_per_second: float
    of_limit: float


@dataclass(frozen=True)
class StorageCost:
    """A gradient by one storage: memory [bytes], forwards it takes, error against exact."""

    name: str
    storage: Storage
    memory: int
    forwards: float
    error: float


def bandwidth(threads: int) -> float:
    """Return the bytes a second that an update's access pattern gets from memory."""
    return float(load("float32", 8).lib.pvi_bandwidth(threads, STREAM_CELLS, 5))


def forward_rate(case: VerifyCase, repeats: int) -> float:
    """Return the cells that forward runs update a second, layer included."""
    shot = _Shot(case)
    with AcousticSolver(case.settings) as solver:
        solver.set_model(shot.model)
        return shot.updates / _median(partial(shot.forward, solver), repeats)


def forward_speeds(case: VerifyCase, threads: Sequence[int], repeats: int) -> Iterator[Speed]:
    """Yield the speed of forward runs for every number of threads."""
    for n in threads:
        settings = replace(case.settings, dtype="float32", threads=n)
        rate = forward_rate(replace(case, settings=settings), repeats)
        yield Speed(n, rate, rate * BYTES_A_CELL / bandwidth(n))


def storage_costs(case: VerifyCase, repeats: int) -> Iterator[StorageCost]:
    """Yield what a gradient costs by every storage, the exact one first."""
    case = replace(case, settings=replace(case.settings, dtype="float32"))
    shot = _Shot(case)
    with AcousticSolver(case.settings) as solver:
        solver.set_model(shot.model)
        forward = _median(partial(shot.forward, solver), repeats)
    exact: Array | None = None
    for name, storage in _storages(case.steps):
        with AcousticSolver(case.settings, storage=storage) as solver:
            solver.set_model(shot.model)
            gradient = shot.gradient(solver)
            seconds = _median(partial(shot.gradient, solver), repeats)
        exact = gradient if exact is None else exact
        error = float(np.linalg.norm(gradient - exact) / np.linalg.norm(exact))
        memory = estimate_memory(case.settings, case.steps, 1, N_RECEIVERS, storage)
        yield StorageCost(name, storage, memory, seconds / forward, error)


class _Shot:
    """One shot of a case, with a smooth adjoint source."""

    def __init__(self, case: VerifyCase) -> None:
        rng = np.random.default_rng(0)
        self.source, self.receivers = case.points(rng, 1)[0], case.points(rng, N_RECEIVERS)
        depth = np.linspace(0.1, 0.9, case.settings.shape[0])[:, None, None]
        speed = case.slowest + depth * (case.fastest - case.slowest)
        self.model = np.broadcast_to(speed, case.settings.shape).astype(np.float32)
        self.wavelet = case.wavelet()
        padded = [n + 2 * case.settings.n_pml * (n > 1) for n in case.settings.shape]
        if case.settings.free_surface:
            padded[0] -= case.settings.n_pml
        self.updates = float(np.prod(padded)) * case.steps
        taper = np.sin(np.pi * np.arange(case.steps) / max(1, case.steps - 1)) ** 2
        self.residual = (
            taper * np.roll(self.wavelet, 20)[None] * rng.normal(size=(N_RECEIVERS, 1))
        )

    def forward(self, solver: AcousticSolver) -> Array:
        return solver.forward(self.source, self.wavelet, self.receivers)

    def gradient(self, solver: AcousticSolver) -> Array:
        solver.forward(self.source, self.wavelet, self.receivers, store=True)
        gradient = solver.gradient(self.residual)
        assert gradient is not None  # this process is rank 0
        return gradient


def _storages(steps: int) -> Iterator[tuple[str, Storage]]:
    yield "all steps", Storage()
    yield "all steps, 16 bits", Storage(packed=True)
    for every in (2, 4, 8):
        yield f"1 of {every} steps, 16 bits", Storage(every=every, packed=True)
    segment = -(-(steps - 1) // 5)
    yield "5 segments, exact", Storage(segment=segment, slots=4)
    yield "5 segments, 2 states", Storage(segment=segment, slots=2)


def _median(function: Callable[[], object], repeats: int) -> float:
    function()  # touches the memory
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - start)
    return median(seconds)
