"""One controller a run: a lease with an epoch that fences off whoever lost it.

Every owner makes the file `NAME.EPOCH` beside the lease, which only one process can
(a hard link, atomic on NFS too; where there are none, an exclusive creation). The highest
epoch owns the run; a stale owner is overtaken by making the next one and learns so at its next
`check`. `NAME` itself is for readers.
"""

import errno
import json
import os
import socket
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import psutil

from pvi_hpc.errors import LeaseError
from pvi_hpc.execution.gang.processes import ProcessId
from pvi_hpc.store.atomic import naming, write_text
from pvi_hpc.store.record import read_record

__all__ = ["Lease"]

HEARTBEAT_S = 10.0
EXPIRES_S = 60.0
#: What a file system without hard links answers.
NO_LINKS: Final = (errno.EPERM, errno.EACCES, errno.ENOSYS, errno.ENOTSUP, errno.EMLINK)


class Lease:
    """The right to write into a run's folder, as a context manager.

    Parameters
    ----------
    path
        The lease file, in a folder that all controllers of the run share.
    expires_s
        Silence after which the lease of another host is stale [s].

    Raises
    ------
    LeaseError
        On entry, if a live controller holds it.
    """

    def __init__(self, path: Path, expires_s: float = EXPIRES_S) -> None:
        self.path, self.expires_s = path, expires_s
        self.epoch = 0
        self._stop = threading.Event()

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()

    def acquire(self) -> None:
        """Take the lease, from a dead controller if need be."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        epoch = self._newest()
        if epoch:
            self._refuse_if_alive(epoch)
        if not self._claim(epoch + 1) or self._newest() != epoch + 1:
            raise LeaseError(
                f"Another controller took '{self.path}' at this moment; try again."
            )
        self.epoch = epoch + 1
        for old in range(epoch, 0, -1):
            self._file(old).unlink(missing_ok=True)
        write_text(self.path, json.dumps(_me()))
        threading.Thread(target=self._beat, daemon=True).start()

    def check(self) -> None:
        """Raise `LeaseError` if another controller has taken over."""
        newest = self._newest()
        if newest != self.epoch:
            raise LeaseError(
                f"The lease '{self.path}' went from epoch {self.epoch} to {newest}: another "
                "controller took this run over. This one stops and writes nothing more."
            )

    def refuse_elsewhere(self) -> None:
        """Raise `LeaseError` if a live controller of another host holds it."""
        epoch = self._newest()
        if epoch and self._read(epoch).get("host", _host()) != _host():
            self._refuse_if_alive(epoch)

    def release(self) -> None:
        """Give the lease back; the epoch stays, so that it never runs backwards."""
        self._stop.set()
        if self.epoch and self._newest() == self.epoch:
            # On a full disk it stays: this process is gone in a moment, and so is the lease.
            with suppress(OSError):
                write_text(self._file(self.epoch), "{}")
                self.path.unlink(missing_ok=True)

    def held(self) -> bool:
        """Tell whether a live controller, this one or another, holds it."""
        epoch = self._newest()
        return bool(epoch) and self._alive(epoch, self._read(epoch))

    def _alive(self, epoch: int, owner: dict[str, Any]) -> bool:
        if not owner:
            return False
        if owner["host"] == _host():
            return ProcessId(owner["pid"], owner["birth"]).alive
        return self._silence(epoch) < self.expires_s

    def _refuse_if_alive(self, epoch: int) -> None:
        owner = self._read(epoch)
        if self._alive(epoch, owner):
            remedy = (
                f"wait for it, or stop it with 'kill {owner['pid']}'"
                if owner["host"] == _host()
                else "stop it with 'pvi stop' and wait for it; if it died, wait "
                f"{self.expires_s:g} s"
            )
            raise LeaseError(
                f"'{self.path.parent}' is being worked on by process {owner['pid']} on "
                f"{owner['name']} (epoch {epoch}); {remedy}."
            )

    def _claim(self, epoch: int) -> bool:
        handle, name = tempfile.mkstemp(dir=self.path.parent, prefix=f".{self.path.name}.")
        try:
            _write_owner(handle, self._file(epoch))
            os.link(name, self._file(epoch))
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno not in NO_LINKS:
                raise
            return self._create(epoch)
        finally:
            Path(name).unlink()
        return True

    def _create(self, epoch: int) -> bool:
        """Make the file of an epoch where the file system knows no hard links.

        It is empty for a moment: who overtakes it then has the higher epoch.
        """
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
            handle = os.open(self._file(epoch), flags, 0o644)
        except FileExistsError:
            return False
        _write_owner(handle, self._file(epoch))
        return True

    def _newest(self) -> int:
        suffixes = (p.name.rpartition(".")[2] for p in self.path.parent.glob(self._glob()))
        return max((int(s) for s in suffixes if s.isdigit()), default=0)

    def _glob(self) -> str:
        return f"{self.path.name}.*"

    def _file(self, epoch: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{epoch:06d}")

    def _read(self, epoch: int) -> dict[str, Any]:
        file = self._file(epoch)
        if file.exists() and not file.stat().st_size:
            return {}  # given back at the moment of a power failure
        remedy = "remove it if no controller works on this run on any host, then try again"
        return read_record(file, LeaseError, remedy)

    def _silence(self, epoch: int) -> float:
        """Seconds since the last heartbeat, by the file system's clock, not by ours."""
        with tempfile.NamedTemporaryFile(dir=self.path.parent) as probe:
            now = Path(probe.name).stat().st_mtime
        return now - self._file(epoch).stat().st_mtime

    def _beat(self) -> None:
        while not self._stop.wait(min(HEARTBEAT_S, self.expires_s / 4)):
            with suppress(OSError):
                os.utime(self._file(self.epoch))


def _write_owner(handle: int, path: Path) -> None:
    with naming(path), os.fdopen(handle, "w") as file:
        json.dump(_me(), file)
        file.flush()
        os.fsync(handle)


def _host() -> str:
    """Name this host, this boot and this space of pids."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{socket.gethostname()}/{boot}/{Path('/proc/self/ns/pid').stat().st_ino}"


def _me() -> dict[str, Any]:
    me = ProcessId.of(os.getpid())
    started = psutil.Process().create_time()
    name = socket.gethostname()
    return {"pid": me.pid, "birth": me.birth, "started": started, "host": _host(), "name": name}
