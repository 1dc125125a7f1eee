"""Private node-local folders, in memory where there is room, that outlive no owner."""

import os
import secrets
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

from pvi_hpc.execution.gang.processes import ProcessId

__all__ = ["DASK", "PREFIX", "SEGMENTS", "make_scratch", "owned", "remove_scratch", "sweep"]

#: First part of the names of the folders of gangs, and of those of Dask.
PREFIX: Final = "pvi-gang"
DASK: Final = "pvi-dask"
#: Longest path of a socket [bytes]; Linux takes 107.
LONGEST_SOCKET: Final = 100
#: File in a folder that lists the shared memory MPI leaves behind when it is killed.
SEGMENTS: Final = "segments"


def owned(prefix: str) -> str:
    """Return the start of a folder's name that tells `sweep` that this process owns it."""
    owner = ProcessId.of(os.getpid())
    return f"{prefix}-{os.getuid()}-{owner.pid}-{owner.birth}-"


def make_scratch(n_bytes: int) -> Path:
    """Return a new folder with room for `n_bytes`, readable by this user only.

    It is in `/dev/shm` if less than half of what is free there is needed, else in the
    temporary directory. Its name says who owns it.

    Raises
    ------
    OSError
        If its path is too long for a socket in it, or it cannot be made.
    """
    name = owned(PREFIX) + secrets.token_hex(4)
    memory = Path("/dev/shm")
    roomy = memory.is_dir() and shutil.disk_usage(memory).free > 2 * n_bytes
    folder = (memory if roomy else Path(tempfile.gettempdir())) / name
    length = len(os.fsencode(folder / "socket"))
    if length > LONGEST_SOCKET:
        raise OSError(
            f"The path of a socket in '{folder}' would have {length} bytes, at most "
            f"{LONGEST_SOCKET} will do; set TMPDIR to a shorter path or free /dev/shm."
        )
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
        for prefix in (PREFIX, DASK):
            for folder in root.glob(f"{prefix}-{os.getuid()}-*"):
                _, _, _, pid, birth, _ = folder.name.split("-")
                if not ProcessId(int(pid), int(birth)).alive:
                    remove_scratch(folder)
