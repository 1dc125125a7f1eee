"""Futures that the controller waits for, and what it does with each that is done or lost."""

import queue
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError
from typing import Any

from distributed.scheduler import KilledWorker

from pvi_hpc.errors import SimulationError

__all__ = ["Awaited"]

#: Longest time that one value may take to arrive [s].
FETCH_S = 60.0


class Awaited:
    """Notices futures that finish, or vanish with their workers, one batch long."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self._finished: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._done: dict[Any, Callable[[Any], None]] = {}
        self._lost: dict[Any, Callable[[str], None]] = {}

    def add(
        self, future: Any, done: Callable[[Any], None], lost: Callable[[str], None]
    ) -> None:
        """Wait for a future: `done` will get its value, or `lost` why there is none."""
        self._done[future.key], self._lost[future.key] = done, lost
        future.add_done_callback(self._finished.put)

    def forget(self, future: Any) -> None:
        """Wait for a future no longer."""
        self._done.pop(future.key, None)
        self._lost.pop(future.key, None)

    def clear(self) -> None:
        """Wait for nothing any more."""
        self._done.clear()
        self._lost.clear()

    def collect(self, timeout_s: float) -> None:
        """Wait up to `timeout_s` for something to finish, and deal with all that has.

        Raises
        ------
        SimulationError
            If a task killed every worker that it ran on.
        """
        try:
            futures = [self._finished.get(timeout=timeout_s)]
        except queue.Empty:
            return
        while not self._finished.empty():
            futures.append(self._finished.get())
        current = [future for future in futures if future.key in self._done]
        for future, value in zip(current, self._values(current), strict=True):
            if future.key not in self._done:
                continue  # Somebody forgot it a moment ago.
            done, lost = self._done.pop(future.key), self._lost.pop(future.key)
            if isinstance(value, Exception):
                _raise_if_deadly(value)
                lost(f"{type(value).__name__}: {value}")
            else:
                done(value)

    def sweep(self, futures: Sequence[Any]) -> None:
        """Find what vanished without a word: Dask tells nobody about forgotten tasks."""
        for future in futures:
            if future.status in ("lost", "cancelled") and future.key in self._done:
                del self._done[future.key]
                self._lost.pop(future.key)(f"Dask says {future.status}")

    def _values(self, futures: Sequence[Any]) -> list[Any]:
        """Return values, or the exception where there is none."""
        if all(future.status == "finished" for future in futures):
            try:
                return list(self.client.gather(list(futures)))
            except Exception:  # One of them was lost meanwhile: take them singly.
                pass
        return [_value(future) for future in futures]


def _value(future: Any) -> Any:
    try:
        return future.result(timeout=FETCH_S) if future.status != "lost" else CancelledError()
    except Exception as error:
        return error


def _raise_if_deadly(error: Exception) -> None:
    if isinstance(error, KilledWorker):
        raise SimulationError(
            f"A task killed every worker it ran on, {error.last_worker} last: {error}. "
            "Probably it needs more memory than a worker has."
        ) from error
    from_dask = type(error).__module__.partition(".")[0] == "distributed"
    if not from_dask and not isinstance(error, CancelledError | OSError | TimeoutError):
        raise error  # Our own code raised: a bug, which trying again would hide.
