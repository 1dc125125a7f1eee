"""Private node-local folders, in memory where there is room, that outlive no owner."""

import os
import secrets
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

from pvi_hpc.execution.processes import ProcessId

__all__ = ["SEGMENTS", "make_scratch", "remove_scratch", "sweep"]

PREFIX: Final = "pvi-gang"
#: File in a folder that lists the shared memory MPI leaves behind when it is killed.
SEGMENTS: Final = "segments"


def make_scratch(n_bytes: int) -> Path:
    """Return a new folder with room for `n_bytes`, readable by this user only.

    It is in `/dev/shm` if less than half of what is free there is needed, else in the
    temporary directory. Its name says who owns it.
    """
    owner = ProcessId.of(os.getpid())
    name = f"{PREFIX}-{os.getuid()}-{owner.pid}-{owner.birth}-{secrets.token_hex(4)}"
    memory = Path("/dev/shm")
    roomy = memory.is_dir() and shutil.disk_usage(memory).free > 2 * n_bytes
    folder = (memory if roomy else Path(tempfile.gettempdir())) / name
    folder.mkdir(mode=0o700)
    return folder


def remove_scratch(folder: Path) -> None:
    """Remove a folder, and the shared memory of the MPI that used it."""
    with suppress(OSError):
        for line in (folder / SEGMENTS).read_text().splitlines():
            Path(line).unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)


def sweep() -> None:
    """Remove the folders of this user's processes that have died."""
    for root in {Path("/dev/shm"), Path(tempfile.gettempdir())}:
        for folder in root.glob(f"{PREFIX}-{os.getuid()}-*"):
            _, _, _, pid, birth, _ = folder.name.split("-")
            if not ProcessId(int(pid), int(birth)).alive:
                remove_scratch(folder)
