"""Ledger of the simulations of a run: an append-only file of events, and totals."""

import json
import os
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from pvi_hpc.cost import SimulationCount
from pvi_hpc.errors import LedgerError

__all__ = ["Ledger"]


class Ledger:
    """Events as JSON lines, written once a batch; several threads may record.

    Parameters
    ----------
    path
        File to append to; None keeps the totals only.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self.count = SimulationCount()
        self._lines: list[str] = []
        self._lock = threading.Lock()
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)

    def record(self, event: str, **details: Any) -> None:
        """Note an event: failed, retried, worker_lost, gang_restarted, ..."""
        tree = {"time": round(time.time(), 3), "event": event, **details}
        with self._lock:
            self._lines.append(json.dumps(tree))

    def add(self, count: SimulationCount) -> None:
        """Add a finished batch to the totals, and write all that is noted."""
        self.count += count
        self.record(
            "batch",
            done=count.done,
            failed=count.failed,
            retried=count.retried,
            dropped=count.dropped,
            seconds=round(count.seconds, 3),
        )
        self.flush()

    def flush(self) -> None:
        """Append what is noted to the file.

        Raises
        ------
        LedgerError
            If the file cannot be written; what is noted is kept for the next time.
        """
        with self._lock:
            lines, self._lines = self._lines, []
            if self.path is None or not lines:
                return
            try:
                _append(self.path, "".join(f"{line}\n" for line in lines))
            except OSError as error:
                self._lines = [*lines, *self._lines]
                raise LedgerError(
                    f"Cannot write the ledger '{self.path}': {error}. Make room, or make the "
                    "folder writable, then: pvi resume"
                ) from error


def _append(path: Path, text: str) -> None:
    """Append all of a text or nothing; a kill leaves at most one torn line at the end."""
    size = path.stat().st_size if path.exists() else 0
    try:
        with path.open("ab") as file:
            file.write(text.encode())
    except OSError:
        with suppress(OSError):
            os.truncate(path, size)
        raise
