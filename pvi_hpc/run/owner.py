"""Who runs the workflow of a project: so that `pvi stop` finds it, from its first moment on."""

import json
import os
import socket
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

from pvi_hpc.errors import LeaseError
from pvi_hpc.execution.gang.processes import ProcessId
from pvi_hpc.store.atomic import write_text
from pvi_hpc.store.layout import ProjectPaths
from pvi_hpc.store.record import read_record

__all__ = ["begin_workflow", "live_owner", "read_owner"]


def begin_workflow(paths: ProjectPaths) -> float:
    """Write that this process runs the workflow; return when it began, by the disk's clock [s].

    A stop that was asked for before this process began is forgotten, a later one stays.
    Where the process above this one has done so (`pvi run` that started Snakemake), nothing
    changes.
    """
    began = _began(paths.folder)
    owner = _read_or_nothing(paths.owner)
    if owner.get("pid") == os.getppid() and owner.get("name") == socket.gethostname():
        return began
    if paths.stop.exists() and paths.stop.stat().st_mtime < began:
        paths.stop.unlink(missing_ok=True)
    process = psutil.Process()
    me = {
        "pid": process.pid,
        "started": process.create_time(),
        "name": socket.gethostname(),
    }
    write_text(paths.owner, json.dumps(me))
    return began


def live_owner(path: Path) -> psutil.Process | None:
    """Return the live process of this host that a file names as owner."""
    owner = read_owner(path)
    if owner.get("name") != socket.gethostname():
        return None
    try:
        process = psutil.Process(owner["pid"])
        same = abs(process.create_time() - owner["started"]) <= 2
    except psutil.NoSuchProcess:
        return None
    return process if same else None


def read_owner(path: Path) -> dict[str, Any]:
    """Return what a file says of its owner, nothing where there is none.

    Raises
    ------
    LeaseError
        If the file was cut.
    """
    remedy = "remove it if nothing of the project runs on any host, then try again"
    return read_record(path, LeaseError, remedy)


def _read_or_nothing(path: Path) -> dict[str, Any]:
    try:
        return read_owner(path)
    except LeaseError:  # It is written anew.
        return {}


def _began(folder: Path) -> float:
    """Return the start of this process by the clock of the file system that holds `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=folder) as probe:
        now = Path(probe.name).stat().st_mtime
    birth = ProcessId.of(os.getpid()).birth / os.sysconf("SC_CLK_TCK")
    return now - (time.clock_gettime(time.CLOCK_BOOTTIME) - birth)
