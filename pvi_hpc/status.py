"""The state of a run, as one small file that other terminals read."""

import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

__all__ = ["Status"]


@dataclass(frozen=True)
class Status:
    """How far a run is.

    `state` is running, stopped, failed or finished; `seconds` the time of this controller
    spent in iterations, `rate` the recent seconds per iteration; counts are simulations of
    one shot since the run began.
    """

    run: str
    state: str
    iteration: int
    iterations: int
    phase: str = "vi"
    elbo: float | None = None
    chi_squared: float | None = None
    done: int = 0
    failed: int = 0
    retried: int = 0
    seconds: float = 0.0
    rate: float | None = None
    message: str = ""
    pid: int = 0
    updated: float = 0.0

    @property
    def eta(self) -> float | None:
        """Expected remaining time [s]."""
        return None if self.rate is None else (self.iterations - self.iteration) * self.rate

    @property
    def shown_state(self) -> str:
        """The state, or 'killed' where a running controller has vanished."""
        alive = self.pid and psutil.pid_exists(self.pid)
        return "killed" if self.state == "running" and not alive else self.state

    def write(self, path: Path) -> None:
        """Replace the file at `path`; a reader sees the old or the new one."""
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        tree = {**asdict(self), "pid": os.getpid(), "updated": time.time()}
        temporary.write_text(json.dumps(tree))
        temporary.replace(path)

    @classmethod
    def read(cls, path: Path) -> "Status | None":
        """Read the file at `path`; None where there is none yet."""
        try:
            return cls(**json.loads(path.read_text()))
        except FileNotFoundError:
            return None
