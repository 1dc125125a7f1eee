"""Private node-local folders, in memory where there is room, that outlive no owner.

They lie in folders that every user of the node can write to. So nothing there is believed by
its name: only what this user owns, and nobody else can write to, is opened or removed.
"""

import multiprocessing
import os
import re
import secrets
import shutil
import stat
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

from pvi_hpc.execution.gang.processes import ProcessId

__all__ = [
    "DASK",
    "PREFIX",
    "SEGMENTS",
    "SEMAPHORE",
    "free_memory",
    "make_scratch",
    "name_semaphores",
    "owned",
    "remove_scratch",
    "sweep",
]

#: First part of the names of the folders of gangs, and of those of Dask.
PREFIX: Final = "pvi-gang"
DASK: Final = "pvi-dask"
#: First part of the names of the semaphores of Dask's nannies, which lie in `/dev/shm`.
SEMAPHORE: Final = "pvi-sem"
MEMORY: Final = Path("/dev/shm")
#: Longest path of a socket [bytes]; Linux takes 107.
LONGEST_SOCKET: Final = 100
#: File in a folder that lists the shared memory MPI leaves behind when it is killed.
SEGMENTS: Final = "segments"
#: Names of that shared memory.
SEGMENT: Final = re.compile(r"mpich_[A-Za-z0-9_]+")
#: The user, the process, its birth and its space of pids in a name that `owned` began.
OWNER: Final = re.compile(
    rf"(?:{PREFIX}|{DASK}|sem\.{SEMAPHORE})-([0-9]+)-([0-9]+)-([0-9]+)-([0-9]+)-\w+"
)


def owned(prefix: str) -> str:
    """Return the start of a folder's name that tells `sweep` that this process owns it."""
    owner = ProcessId.of(os.getpid())
    return f"{prefix}-{os.getuid()}-{owner.pid}-{owner.birth}-{_pid_space()}-"


def name_semaphores() -> None:
    """Let `sweep` know the owner of semaphores that this process makes from now on.

    `multiprocessing` leaves them behind where a process is killed with its resource tracker.
    """
    # There is no public way to choose these names.
    settings: dict[str, str] = multiprocessing.current_process().__dict__["_config"]
    settings["semprefix"] = "/" + owned(SEMAPHORE).rstrip("-")


def free_memory() -> int:
    """Return the bytes that are free in `/dev/shm`; 0 where there is none."""
    return shutil.disk_usage(MEMORY).free if MEMORY.is_dir() else 0


def make_scratch(n_bytes: int, *, in_memory: bool = True) -> Path:
    """Return a new folder with room for `n_bytes`, readable by this user only.

    It is in `/dev/shm` if less than half of what is free there is needed, else, and where
    `in_memory` forbids it, in the temporary directory. Its name says who owns it.

    Raises
    ------
    OSError
        If its path is too long for a socket in it, or it cannot be made.
    """
    name = owned(PREFIX) + secrets.token_hex(4)
    roomy = in_memory and free_memory() > 2 * n_bytes
    folder = (MEMORY if roomy else Path(tempfile.gettempdir())) / name
    length = len(os.fsencode(folder / "socket"))
    if length > LONGEST_SOCKET:
        raise OSError(
            f"The path of a socket in '{folder}' would have {length} bytes, at most "
            f"{LONGEST_SOCKET} will do; set TMPDIR to a shorter path or free /dev/shm."
        )
    folder.mkdir(mode=0o700)
    return folder


def remove_scratch(folder: Path) -> None:
    """Remove a folder of this user, and the shared memory of the MPI that used it."""
    if not _is_private(folder):
        return
    for name in _segments(folder / SEGMENTS):
        _unlink_own(MEMORY / name)
    shutil.rmtree(folder, ignore_errors=True)


def sweep() -> None:
    """Remove what this user's dead processes left; leave alone what is of anybody else."""
    for root in {MEMORY, Path(tempfile.gettempdir())}:
        with suppress(OSError):
            for path in root.iterdir():
                if not _is_of_the_dead(path.name):
                    continue
                if path.name.startswith("sem."):
                    _unlink_own(path)
                else:
                    remove_scratch(path)


def _is_of_the_dead(name: str) -> bool:
    """Tell whether a name says that a dead process of this user owns it."""
    owner = OWNER.fullmatch(name)
    if owner is None:
        return False
    user, pid, birth, space = (int(number) for number in owner.groups())
    # A process of another container cannot be seen from here.
    known = user == os.getuid() and space == _pid_space()
    return known and not ProcessId(pid, birth).alive


def _is_private(folder: Path) -> bool:
    """Tell whether it is a folder, not a link, that only this user can change."""
    try:
        found = folder.lstat()
    except OSError:
        return False
    private = stat.S_ISDIR(found.st_mode) and not found.st_mode & 0o077
    return private and found.st_uid == os.getuid()


def _unlink_own(path: Path) -> None:
    """Remove a plain file of this user, and nothing else."""
    with suppress(OSError):
        found = path.lstat()
        if stat.S_ISREG(found.st_mode) and found.st_uid == os.getuid():
            path.unlink()


def _segments(path: Path) -> list[str]:
    """Return the names of shared memory that a file lists; none if it is no plain file."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(handle, encoding="ascii", errors="replace") as file:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                return []
            names = [Path(line).name for line in file.read().splitlines()]
    except OSError:
        return []
    return [name for name in names if SEGMENT.fullmatch(name)]


def _pid_space() -> int:
    """Return the number of the space that this process's pid is valid in."""
    return Path("/proc/self/ns/pid").stat().st_ino
