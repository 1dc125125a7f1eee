"""Dask on a network that others share: TLS everywhere, and no HTTP server at all.

Dask's scheduler and workers open an HTTP port even where the dashboard is off, and it asks
nobody for a certificate.
"""

import os
from pathlib import Path
from typing import Any

import dask
from distributed import Client, Scheduler, Security, SpecCluster, Worker
from distributed.http.routing import RoutingApplication

from pvi_hpc.execution.executor import SCHEDULER_SETTINGS

__all__ = ["SealedScheduler", "SealedWorker", "make_security", "start_scheduler"]


class _NoHttp:
    """Overrides how a node of Dask opens its HTTP port."""

    def start_http_server(self, routes: Any, *arguments: Any, **keywords: Any) -> None:
        """Keep the routes, which plugins may add to, and listen to nobody."""
        self.http_application = RoutingApplication(routes)


class SealedScheduler(_NoHttp, Scheduler):  # type: ignore[misc]
    """A scheduler without HTTP."""


class SealedWorker(_NoHttp, Worker):  # type: ignore[misc]
    """A worker without HTTP."""


def make_security(folder: Path) -> Security:
    """Make a certificate for this controller and its workers; only this user can read it.

    The one key serves all roles: who has it is one of ours. A controller makes its own, so
    that workers of an earlier one are refused.

    Raises
    ------
    OSError
        If the folder cannot be made private.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.chmod(0o700)
    made = Security.temporary()
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    for path, text in ((key, made.tls_scheduler_key), (certificate, made.tls_scheduler_cert)):
        path.unlink(missing_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(handle)
    names = {f"tls_{role}_key": str(key) for role in ("client", "scheduler", "worker")}
    names |= {
        f"tls_{role}_cert": str(certificate) for role in ("client", "scheduler", "worker")
    }
    return Security(tls_ca_file=str(certificate), require_encryption=True, **names)


def start_scheduler(security: Security, interface: str | None) -> tuple[Any, Any]:
    """Start a scheduler in this process; return it, without workers, and a client."""
    options = {"protocol": "tls://", "security": security, "dashboard": False}
    if interface:
        options["interface"] = interface
    with dask.config.set(SCHEDULER_SETTINGS):
        cluster = SpecCluster(
            scheduler={"cls": SealedScheduler, "options": options},
            security=security,
            silence_logs=False,
        )
        client = Client(cluster, security=security, set_as_default=False)
    return cluster, client
