"""Dask where others can reach it: TLS everywhere, and no HTTP server at all.

That is so on one machine too: every user of it can connect to its loopback.

Dask's scheduler and workers open an HTTP port even where the dashboard is off, and it asks
nobody for a certificate.
"""

import logging
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import dask
from distributed import Client, Nanny, Scheduler, Security, SpecCluster, Worker
from distributed.http.routing import RoutingApplication
from distributed.scheduler import DEFAULT_EXTENSIONS

from pvi_hpc.execution.cluster.own_folders import make_own
from pvi_hpc.execution.executor import SCHEDULER_SETTINGS
from pvi_hpc.execution.gang.scratch import DASK, owned
from pvi_hpc.store.atomic import naming

__all__ = ["SealedScheduler", "SealedWorker", "make_security", "start_scheduler"]

LOOPBACK: Final = "127.0.0.1"
#: Extensions of Dask's scheduler that runs do without: spans keep statistics on every group of
#: tasks for ever, 2 to 4 kB a task; the controller places tasks itself.
WITHOUT: Final = frozenset({"spans", "stealing"})


class _NoHttp:
    """Overrides how a node of Dask opens its HTTP port."""

    def start_http_server(self, routes: Any, *arguments: Any, **keywords: Any) -> None:
        """Keep the routes, which plugins may add to, and listen to nobody."""
        self.http_application = RoutingApplication(routes)


class SealedScheduler(_NoHttp, Scheduler):  # type: ignore[misc]
    """A scheduler without HTTP, with its files in a folder that only this user can open.

    Left to itself Dask works in `dask-scratch-space` in the temporary directory, and imports
    from it. Whoever made that folder first can have it empty any file of this user, wait for
    ever, or run any program.
    """

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        extensions = {n: e for n, e in DEFAULT_EXTENSIONS.items() if n not in WITHOUT}
        self._private = tempfile.TemporaryDirectory(prefix=owned(DASK))
        with dask.config.set({"temporary-directory": self._private.name}):
            super().__init__(*arguments, **keywords, extensions=extensions)

    async def close(self, *arguments: Any, **keywords: Any) -> None:
        """Close, and remove the folder."""
        await super().close(*arguments, **keywords)
        self._private.cleanup()


class SealedWorker(_NoHttp, Worker):  # type: ignore[misc]
    """A worker without HTTP, and without statistics that its scheduler does not keep."""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords, extensions={})


def make_security(folder: Path) -> Security:
    """Make a certificate for this controller and its workers; only this user can read it.

    The one key serves all roles: who has it is one of ours. A controller makes its own, so
    that workers of an earlier one are refused.

    Raises
    ------
    ConfigError
        If the folder is a link, or another user's.
    OSError
        If it cannot be made.
    """
    make_own(folder, private=True)
    made = Security.temporary()
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    for path, text in ((key, made.tls_scheduler_key), (certificate, made.tls_scheduler_cert)):
        path.unlink(missing_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with naming(path), os.fdopen(handle, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(handle)
    names = {f"tls_{role}_key": str(key) for role in ("client", "scheduler", "worker")}
    names |= {
        f"tls_{role}_cert": str(certificate) for role in ("client", "scheduler", "worker")
    }
    return Security(tls_ca_file=str(certificate), require_encryption=True, **names)


def start_scheduler(
    security: Security,
    interface: str | None,
    nannies: Sequence[dict[str, Any]] = (),
) -> tuple[Any, Any]:
    """Start a scheduler in this process; return it and a client.

    Its workers come by themselves, or are `nannies`: the options of each `Nanny` of a run on
    this machine alone, which then uses loopback.
    """
    options: dict[str, Any] = {"protocol": "tls://", "security": security, "dashboard": False}
    if interface:
        options["interface"] = interface
    if nannies:
        options["host"] = LOOPBACK
    workers = [_nanny(security, more) for more in nannies]
    # For good: connections and workers that come later read them too.
    dask.config.set(SCHEDULER_SETTINGS)
    cluster = SpecCluster(
        workers=dict(enumerate(workers)),
        worker=workers[0] if workers else None,
        scheduler={"cls": SealedScheduler, "options": options},
        security=security,
        silence_logs=logging.CRITICAL if nannies else False,
    )
    client = Client(cluster, security=security, set_as_default=False)
    return cluster, client


def _nanny(security: Security, more: dict[str, Any]) -> dict[str, Any]:
    options = {"protocol": "tls://", "security": security, "host": LOOPBACK}
    options |= {"worker_class": SealedWorker, "silence_logs": logging.CRITICAL, **more}
    return {"cls": Nanny, "options": options}
