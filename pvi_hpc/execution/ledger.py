"""Ledger of the simulations of a run: an append-only file of events, and totals."""

import json
import logging
import os
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from pvi_hpc.cost import SimulationCount
from pvi_hpc.errors import LedgerError

__all__ = ["Ledger"]

log = logging.getLogger(__name__)


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

    def flush_if_possible(self) -> None:
        """Append what is noted, or keep it for the next time and say so in the log."""
        try:
            self.flush()
        except LedgerError as error:
            log.warning("%s", error)


def _append(path: Path, text: str) -> None:
    """Append all of a text or nothing.

    A kill leaves at most one torn line at the end, which the next text does not continue.
    """
    size = path.stat().st_size if path.exists() else 0
    try:
        with path.open("a+b") as file:
            if file.tell() and not _ends_a_line(file):
                text = f"\n{text}"
            file.write(text.encode())
    except OSError:
        with suppress(OSError):
            os.truncate(path, size)
        raise


def _ends_a_line(file: BinaryIO) -> bool:
    file.seek(-1, os.SEEK_END)
    return file.read(1) == b"\n"
