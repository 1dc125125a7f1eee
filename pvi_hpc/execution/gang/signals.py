"""Signals that the controller alone answers: a terminal or Slurm sends them to everybody."""

import signal
from typing import Final

__all__ = ["LEFT_TO_CONTROLLER", "leave_to_controller"]

LEFT_TO_CONTROLLER: Final = (signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


def leave_to_controller() -> None:
    """Ignore them in this process and what it starts; call it in the main thread."""
    for number in LEFT_TO_CONTROLLER:
        signal.signal(number, signal.SIG_IGN)
