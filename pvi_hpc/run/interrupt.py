"""Requests to a controller to stop at its next safe point: a signal, a file, its job's end."""

import os
import signal
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Final, Self

from pvi_hpc.errors import SimulationError
from pvi_hpc.execution.cluster.queues import call

__all__ = [
    "EXIT_STOPPED",
    "STOP_SIGNALS",
    "StopFlag",
    "answer_apart",
    "job_end",
    "seconds_left",
]

#: Variable with the end of the job [s since 1970], for batch systems that do not tell it.
JOB_END = "PVI_JOB_END"


def job_end(environment: Mapping[str, str] = os.environ) -> float | None:
    """Return the end of this process's job [seconds since 1970], or None if there is none.

    `PVI_JOB_END` says so (the profiles set it), or Slurm.
    """
    for name in (JOB_END, "SLURM_JOB_END_TIME"):
        if environment.get(name, "").isdigit():
            return float(environment[name])
    if "SLURM_JOB_ID" not in environment:
        return None
    try:
        job = environment["SLURM_JOB_ID"]
        left = seconds_left(call(["squeue", "--noheader", "--job", job, "--format", "%L"]))
    except SimulationError:
        return None  # No Slurm to be asked: the signal before the end must do.
    return None if left is None else time.time() + left


def seconds_left(text: str) -> float | None:
    """Read Slurm's `[DAYS-][HOURS:]MINUTES:SECONDS`; None for UNLIMITED and the like.

    Examples
    --------
    >>> seconds_left("1-02:03:04")
    93784.0
    """
    days, _, clock = text.strip().rpartition("-")
    parts = clock.split(":")
    if not all(part.isdigit() for part in parts) or not (days or "0").isdigit():
        return None
    seconds = 0
    for part in parts:
        seconds = 60 * seconds + int(part)
    return 86400.0 * int(days or 0) + seconds


#: Exit code of a run that stopped on request and can be resumed (EX_TEMPFAIL).
EXIT_STOPPED = 75

#: SIGUSR1 comes from Slurm's `--signal` and SGE's soft limits, SIGUSR2 from SGE's `-notify`.
STOP_SIGNALS: Final = (
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGHUP,
)
#: Time to write a checkpoint and to end the workers before the job's end [s].
MARGIN_S: Final = 60.0
#: Safety factor on the duration of the longest iteration so far.
SAFETY: Final = 1.3


def answer_apart(number: signal.Signals) -> None:
    """Let the present handler of a signal run in a thread of its own from now on.

    A handler that waits for a lock which the interrupted thread holds would wait for ever.
    """
    handler = signal.getsignal(number)
    if callable(handler):
        answer = handler

        def apart(number: int, frame: FrameType | None) -> None:
            threading.Thread(target=answer, args=(number, frame), daemon=True).start()

        signal.signal(number, apart)


class StopFlag:
    """Remembers what asked to stop; used as a context manager, which sets the handlers.

    Parameters
    ----------
    file
        Asks to stop by being there: how `pvi stop` reaches a controller on another host.
    job_end
        When the batch job around this process ends [seconds since 1970].
    """

    signals = STOP_SIGNALS

    def __init__(self, file: Path | None = None, job_end: float | None = None) -> None:
        self.file, self.job_end = file, job_end
        self.received: str | None = None
        self._longest = 0.0
        self._previous: dict[signal.Signals, Any] = {}

    def asked(self) -> bool:
        """Tell whether something asked; remembers it."""
        if self.received is None:
            self.received = self._look()
        return self.received is not None

    def __bool__(self) -> bool:
        """Tell whether something asked, as `asked`."""
        return self.asked()

    def took(self, seconds: float) -> None:
        """Note how long an iteration took: the next one must fit before the job's end."""
        self._longest = max(self._longest, seconds)

    def __enter__(self) -> Self:
        """Replace the handlers; they only set the flag. A hangup that is ignored stays so."""
        self._previous = {
            s: signal.signal(s, self._set)
            for s in self.signals
            if s != signal.SIGHUP or signal.getsignal(s) != signal.SIG_IGN  # nohup
        }
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

    def _look(self) -> str | None:
        if self.file is not None and self.file.exists():
            return "pvi stop"
        if self.job_end is not None:
            left = self.job_end - time.time()
            if left < MARGIN_S + SAFETY * self._longest:
                return f"the end of its job in {left:.0f} s"
        return None
