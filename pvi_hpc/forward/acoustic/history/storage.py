"""Storage of a forward run for its gradient, and its cost in memory and time."""

from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np

from pvi_hpc.errors import ConfigError
from pvi_hpc.forward.acoustic.library import Native
from pvi_hpc.forward.acoustic.revolve import schedule
from pvi_hpc.forward.acoustic.solver_settings import (
    SolverSettings,
    decomposition,
    native_config,
)

__all__ = ["Storage", "estimate_memory", "native_storage"]

#: Interpreter, libraries, MPI and the survey file of a rank [bytes]; measured.
PROCESS_BYTES: Final = 75_000_000


@dataclass(frozen=True)
class Storage:
    """Right-hand sides of time steps in memory, and states to run the others again.

    Parameters
    ----------
    every
        Keep one of so many time steps and let it stand for them; 1 is exact.
    packed
        Keep whole numbers of 16 bits with a scale for every 64 cells, not floats.
    segment
        Steps held together, rounded up to a multiple of `every`; None: all of the run.
    slots
        States saved, from which earlier segments are run again.
    folder
        Right-hand sides lie in a file in this folder, best on a disk of the node; None: in
        memory.
    """

    every: int = 1
    packed: bool = False
    segment: int | None = None
    slots: int = 0
    folder: str | None = None

    def __post_init__(self) -> None:
        if self.every < 1 or self.slots < 0 or (self.segment is not None and self.segment < 1):
            raise ConfigError(
                "'every' and 'segment' must be at least 1 and 'slots' at least 0, got "
                f"{self.every}, {self.segment} and {self.slots}."
            )

    @property
    def exact(self) -> bool:
        """True if the gradient is that of full storage, to the bit."""
        return self.every == 1 and not self.packed

    def steps(self, nt: int) -> int:
        """Return the time steps of a segment of a run of `nt` samples."""
        wanted = max(nt - 1, 1) if self.segment is None else min(self.segment, max(nt - 1, 1))
        return -(-wanted // self.every) * self.every

    def n_segments(self, nt: int) -> int:
        """Return the segments of a run of `nt` samples."""
        return max(1, -(-(nt - 1) // self.steps(nt)))

    def used_slots(self, nt: int) -> int:
        """Return the saved states that such a run can use."""
        return min(self.slots, self.n_segments(nt) - 1)

    def repeated(self, nt: int) -> float:
        """Return the forward runs that running segments again amounts to."""
        n = self.n_segments(nt)
        return schedule(n, self.used_slots(nt)).repeats / n

    def describe(self, nt: int) -> str:
        """Return one line on what is kept of a run of `nt` samples."""
        kept = "every time step" if self.every == 1 else f"one of {self.every} time steps"
        text = f"{kept} in {'16 bits' if self.packed else 'full precision'}"
        if (n := self.n_segments(nt)) > 1:
            text += (
                f", {n} segments of {self.steps(nt)} steps with {self.used_slots(nt)} saved "
                f"states: {self.repeated(nt):.2f} forward runs more"
            )
        return text + (f", on disk in '{self.folder}'" if self.folder else "")


class NativeStorage(NamedTuple):
    """A `pvi_storage` and what it points to."""

    c: Any
    keep: tuple[Any, ...]


def native_storage(native: Native, storage: Storage, nt: int) -> NativeStorage:
    """Return the storage of runs of `nt` samples for a native solver."""
    ffi = native.ffi
    slots = storage.used_slots(nt)
    split = np.ascontiguousarray(schedule(storage.n_segments(nt), slots).split)
    folder = ffi.NULL if storage.folder is None else ffi.new("char[]", storage.folder.encode())
    fields = {
        "nt": nt,
        "every": storage.every,
        "packed": int(storage.packed),
        "segment": storage.steps(nt),
        "slots": slots,
        "split": ffi.cast("int32_t *", ffi.from_buffer(split)),
        "folder": folder,
    }
    return NativeStorage(ffi.new("pvi_storage *", fields), (split, folder))


def estimate_memory(
    settings: SolverSettings, nt: int, n_ranks: int, n_rec: int, storage: Storage | None
) -> int:
    """Return the bytes that the largest rank needs at its peak, all of the process included.

    Parameters
    ----------
    nt, n_rec
        Time samples and receivers of the largest shot.
    storage
        Storage of gradients; None: forward runs only.
    """
    decomposition(settings, n_ranks)
    native = settings.native
    kept = None if storage is None else native_storage(native, storage, nt)
    pointer = kept.c if kept else native.ffi.NULL
    solver = native.lib.pvi_memory(native_config(settings), n_ranks, pointer)
    size = np.dtype(settings.dtype).itemsize
    # Models in and gradients out are whole on every rank; so are traces, as the solver gives
    # them, transposed, and as an adjoint source in float64 and in the solver's order.
    whole = int(np.prod(settings.shape)) * (2 * size + (16 if storage else 0))
    traces = nt * n_rec * (2 * size + (8 + 2 * size if storage else 0))
    return int(solver) + whole + traces + PROCESS_BYTES
