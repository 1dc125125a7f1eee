"""Signals that ask a controller to stop at its next safe point."""

import signal
from types import FrameType, TracebackType
from typing import Any, Self

__all__ = ["EXIT_STOPPED", "StopFlag"]

#: Exit code of a run that stopped on request and can be resumed (EX_TEMPFAIL).
EXIT_STOPPED = 75


class StopFlag:
    """Remembers that SIGTERM, SIGINT, SIGUSR1 or SIGHUP came; used as a context manager."""

    signals = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGHUP)

    def __init__(self) -> None:
        self.received: str | None = None
        self._previous: dict[signal.Signals, Any] = {}

    def __bool__(self) -> bool:
        """Tell whether a signal came."""
        return self.received is not None

    def __enter__(self) -> Self:
        """Replace the handlers; they only set the flag."""
        self._previous = {s: signal.signal(s, self._set) for s in self.signals}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        """Put the previous handlers back."""
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _set(self, number: int, frame: FrameType | None) -> None:
        self.received = signal.Signals(number).name
