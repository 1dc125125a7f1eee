"""The state of a run, as one small file that other terminals read."""

import json
import logging
import os
import socket
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import psutil

__all__ = ["Status", "change_state"]

log = logging.getLogger(__name__)

#: Silence after which a controller of another host is suspected dead [s].
SILENCE = 300.0


@dataclass(frozen=True)
class Status:
    """Progress of a run, as other programs read it.

    `state` is running, stopped, failed or finished; `seconds` the time of this controller
    spent in iterations, `rate` the recent seconds per iteration; counts are simulations of
    one shot since the run began; `dropped` are samples of iterations that went on without;
    `noise` are the factors on the noise sd of the groups of data, where they are unknowns.
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
    dropped: int = 0
    noise: tuple[float, ...] = ()
    seconds: float = 0.0
    rate: float | None = None
    message: str = ""
    pid: int = 0
    host: str = ""
    updated: float = 0.0

    @property
    def eta(self) -> float | None:
        """Expected remaining time [s]."""
        if self.state == "finished":
            return 0.0  # also where it converged before its last iteration
        return None if self.rate is None else (self.iterations - self.iteration) * self.rate

    @property
    def shown_state(self) -> str:
        """The state, or 'killed' where a running controller has vanished from this host."""
        if self.state != "running":
            return self.state
        if self.host != socket.gethostname():
            silent = time.time() - self.updated > SILENCE + 3 * (self.rate or 0)
            return f"silent on {self.host}" if silent else f"running on {self.host}"
        return self.state if self.pid and psutil.pid_exists(self.pid) else "killed"

    def publish(self, path: Path) -> None:
        """Write the file if that is possible: a full disk must not end a run by this."""
        try:
            self.write(path)
        except OSError as error:
            log.warning("Cannot write %s: %s", path, error)

    def write(self, path: Path) -> None:
        """Replace the file at `path`; a reader sees the old or the new one."""
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        here = {"pid": os.getpid(), "host": socket.gethostname(), "updated": time.time()}
        tree = {**asdict(self), **here}
        try:
            temporary.write_text(json.dumps(tree))
            temporary.replace(path)
        except OSError:
            with suppress(OSError):
                temporary.unlink()
            raise

    @classmethod
    def read(cls, path: Path) -> "Status | None":
        """Read the file at `path`; None where there is none, or none that can be read.

        It is written often and not flushed to the disk: a power failure may cut it. The
        checkpoints say how far a run is; this file only tells people.
        """
        try:
            return cls(**json.loads(path.read_text()))
        except (OSError, ValueError, TypeError):
            return None


def change_state(path: Path, state: str, message: str = "", *, of: str | None = None) -> None:
    """Publish another state of a run whose status is there, or only if it is `of`."""
    status = Status.read(path)
    if status is not None and of in (None, status.state):
        replace(status, state=state, message=message).publish(path)
