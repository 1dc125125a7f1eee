"""A line that says how far a fit is."""

import sys
import time
from collections.abc import Callable
from typing import Final, TypeAlias

from pvi_hpc.inference.history import Info

__all__ = ["Progress", "progress_of"]

#: Called after each iteration, with what it says and the number of iterations.
Progress: TypeAlias = Callable[[Info, int], None]

#: Time between two lines, in a terminal and elsewhere [s].
TERMINAL_S: Final = 0.2
ELSEWHERE_S: Final = 10.0


def progress_of(wanted: bool | Progress) -> Progress:
    """Return what is called after each iteration: the caller's own, a line, or nothing."""
    if not isinstance(wanted, bool):
        return wanted
    return _Line() if wanted else _silent


def _silent(info: Info, iterations: int) -> None:
    """Say nothing."""


class _Line:
    """Writes to standard error, over the last line where that is a terminal."""

    def __init__(self) -> None:
        self.is_terminal = sys.stderr.isatty()
        self.next = 0.0

    def __call__(self, info: Info, iterations: int) -> None:
        now, last = time.monotonic(), info.iteration + 1 >= iterations
        if now < self.next and not last:
            return
        self.next = now + (TERMINAL_S if self.is_terminal else ELSEWHERE_S)
        named = "log density" if info.phase in ("map", "hessian") else "ELBO"
        line = f"{info.phase}: {info.iteration + 1} of {iterations}, {named} {info.elbo:.6g}"
        end = "\n" if last or not self.is_terminal else ""
        sys.stderr.write(f"\r{line}\x1b[K{end}" if self.is_terminal else f"{line}\n")
        sys.stderr.flush()
