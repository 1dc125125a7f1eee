"""A step that may fail on one rank only, made to fail on all: none waits for one that left."""

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from pvi_hpc.errors import PviError, SolverError

if TYPE_CHECKING:
    from mpi4py import MPI

__all__ = ["on_every_rank"]

T = TypeVar("T")


def on_every_rank(comm: "MPI.Comm", step: Callable[[], T]) -> T:
    """Return what `step`, which does not communicate, gives here; collective.

    Raises
    ------
    PviError
        The error that `step` raised here.
    SolverError
        If it raised on another rank, with what it said there.
    """
    error, result = None, None
    try:
        result = step()
    except PviError as problem:
        error = problem
    if comm.size > 1:
        failed = comm.allgather(None if error is None else str(error))
        others = [f"rank {i}: {text}" for i, text in enumerate(failed) if text is not None]
        if error is None and others:
            raise SolverError("; ".join(others))
    if error is not None:
        raise error
    return result  # type: ignore[return-value]
