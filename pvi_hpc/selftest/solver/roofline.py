"""Limit on the speed of forward runs: the kernel's arithmetic, or the memory's bandwidth."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from pvi_hpc.forward.acoustic.solver_settings import SolverSettings
from pvi_hpc.selftest.solver.case import VerifyCase
from pvi_hpc.selftest.solver.timing import BYTES_A_CELL, bandwidth, forward_rate

__all__ = ["Roof", "bytes_a_cell", "roofline"]

#: Traffic of both memory variables of an axis of the layer, read and written [bytes].
LAYER_BYTES: Final = 16
#: Traffic of the model, saved in a layer of z or y: the row beside stays in cache [bytes].
MODEL_BYTES: Final = 4
#: Reals of a vector: the layer of x acts on whole vectors.
LANES: Final = 16
#: Padded cells an axis of a cube that stays in the last cache: 4 MB of fields and model.
CACHED_CELLS: Final = 64
#: Time steps of a cube in cache: long enough to be timed.
CACHED_STEPS: Final = 200


@dataclass(frozen=True)
class Roof:
    """A forward run against its limits.

    `traffic` is what a cell update moves by design, layer included [bytes], `of_stream` its
    share of the streaming bandwidth; None in cache, where it does not matter.
    """

    name: str
    cells_per_second: float
    traffic: float
    of_stream: float | None


def bytes_a_cell(settings: SolverSettings) -> float:
    """Return what a cell update in float32 moves to and from memory, the mean of all cells.

    Each array once: p, the step before (read and written), the model; in the layer its memory
    variables too.

    Examples
    --------
    >>> h = (20.0, 20.0, 20.0)
    >>> bytes_a_cell(SolverSettings((64, 64, 64), h, 1e-3, 3000.0, 5.0, n_pml=0))
    16.0
    """
    if settings.n_pml == 0:
        return float(BYTES_A_CELL)
    shares = []
    for axis, n in enumerate(settings.shape):
        sides = 1 if axis == 0 and settings.free_surface else 2
        cells = settings.n_pml + 1
        acted_on = -(-cells // LANES) * LANES if axis == 2 else cells
        share = min(1.0, sides * acted_on / (n + sides * settings.n_pml))
        shares.append(share if n > 1 else 0.0)
    outside_zy = (1 - shares[0]) * (1 - shares[1])
    return BYTES_A_CELL + LAYER_BYTES * sum(shares) - MODEL_BYTES * (1 - outside_zy)


def roofline(case: VerifyCase, threads: int, repeats: int) -> Iterator[Roof]:
    """Yield forward runs of a case with and without its layer, in memory and in cache.

    Where the run in memory is as fast as that in cache, arithmetic holds it; where it moves
    what a stream moves, memory does; where neither, latency.
    """
    stream = bandwidth(threads)
    layer = case.settings.n_pml
    for n_pml in (layer, 0) if layer else (0,):
        label = f"layer of {n_pml}" if n_pml else "no layer"
        settings = replace(case.settings, dtype="float32", threads=threads, n_pml=n_pml)
        rate = forward_rate(replace(case, settings=settings), repeats)
        traffic = bytes_a_cell(settings)
        yield Roof(f"in memory, {label}", rate, traffic, rate * traffic / stream)
        n = CACHED_CELLS - 2 * n_pml
        small = replace(settings, shape=case.cut(n), free_surface=False)
        cached = replace(case, settings=small, steps=CACHED_STEPS)
        rate = forward_rate(cached, repeats)
        yield Roof(f"in cache, {label}", rate, bytes_a_cell(small), None)
