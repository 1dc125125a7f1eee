"""Choice of the storage of a gradient: as asked for, or the fastest that fits the memory."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from pvi_hpc.errors import ConfigError
from pvi_hpc.forward.acoustic.history.storage import Storage, estimate_memory
from pvi_hpc.forward.acoustic.history.storage_request import StorageWish
from pvi_hpc.forward.acoustic.solver_settings import SolverSettings

__all__ = ["Choice", "RunSize", "choose_storage", "longest_rule"]

#: Most segments: more of them save little memory and cost much time.
MOST_SEGMENTS: Final = 128
#: Samples kept of the shortest period, so that the zero-lag correlation has no aliases.
SAMPLES_PER_PERIOD: Final = 5


@dataclass(frozen=True)
class RunSize:
    """The largest shot: time samples, receivers, and the ranks that share the grid."""

    nt: int
    n_rec: int
    n_ranks: int = 1


@dataclass(frozen=True)
class Choice:
    """A storage, what a rank needs with it [bytes], and why it was chosen."""

    storage: Storage
    memory: int
    reason: str


def longest_rule(dt: float, f_max: float | None) -> int:
    """Return how many steps `dt` [s] one kept step may stand for, at `f_max` [Hz].

    The gradient is the mean of a product of two signals; without aliases if it is sampled at
    more than twice its band, `2 f_max`.

    Examples
    --------
    >>> longest_rule(1e-3, 24.0)
    8
    """
    return 1 if f_max is None else max(1, int(1 / (SAMPLES_PER_PERIOD * f_max * dt) + 1e-9))


def choose_storage(settings: SolverSettings, size: RunSize, wish: StorageWish) -> Choice:
    """Return the storage of a run; the same for the same arguments on every machine.

    'auto' takes the first that fits of: decimated and packed; the same in segments that run
    again, as few as possible. With float64 it only takes exact ones.

    Raises
    ------
    ConfigError
        If nothing fits `memory_gb`.
    """
    limit, least = int(wish.memory_gb * 1e9), None
    for storage, reason in _candidates(settings, size, wish):
        memory = estimate_memory(settings, size.nt, size.n_ranks, size.n_rec, storage)
        if memory <= limit:
            return Choice(storage, memory, reason)
        least = memory if least is None else min(least, memory)
    raise ConfigError(
        f"'forward.gradient.memory_gb_per_rank' is {wish.memory_gb:g}, but a gradient with "
        f"'storage: {wish.kind}' needs at least {(least or 0) / 1e9:.2f} GB on a rank; raise "
        "it, use more 'execution.ranks', 'storage: auto', or 'scratch' on a local disk."
    )


def _candidates(
    settings: SolverSettings, size: RunSize, wish: StorageWish
) -> Iterator[tuple[Storage, str]]:
    rule = wish.every or longest_rule(settings.dt, wish.f_max)
    near = Storage(every=rule, packed=True, folder=wish.folder)
    full = Storage(folder=wish.folder)
    if wish.kind == "auto":
        fast = full if settings.dtype == "float64" else near
        yield fast, "the fastest storage fits"
        for storage in _segmented(settings, size, wish, fast):
            yield storage, f"'{'full' if fast.exact else 'decimated'}' alone does not fit"
    elif wish.kind == "checkpointed":
        within = full if wish.every is None else near
        yield within, "asked for; one segment fits"
        for storage in _segmented(settings, size, wish, within):
            yield storage, "asked for"
    else:
        yield (full if wish.kind == "full" else near), "asked for"


def _segmented(
    settings: SolverSettings, size: RunSize, wish: StorageWish, within: Storage
) -> Iterator[Storage]:
    """Yield segments that fit and run again least, then the one of least memory."""
    limit, found, smallest = int(wish.memory_gb * 1e9), [], None

    def memory(storage: Storage) -> int:
        return estimate_memory(settings, size.nt, size.n_ranks, size.n_rec, storage)

    for n in range(2, min(MOST_SEGMENTS, max(2, (size.nt - 1) // within.every)) + 1):
        storage = _split(within, size.nt, n, 0)
        most = storage.n_segments(size.nt) - 1
        bare = memory(storage)
        of_state = memory(_split(within, size.nt, n, 1)) - bare
        slots = min(most, (limit - bare) // of_state) if limit >= bare and of_state else 0
        if limit >= bare:
            found.append(_split(within, size.nt, n, slots))
        if smallest is None or bare < memory(smallest):
            smallest = storage
    if found:
        yield min(found, key=lambda storage: storage.repeated(size.nt))
    elif smallest is not None:
        yield smallest


def _split(within: Storage, nt: int, n: int, slots: int) -> Storage:
    return Storage(within.every, within.packed, -(-(nt - 1) // n), slots, within.folder)
