"""Folders of a run that hold keys, job scripts and logs, on disks that a group may share.

Who can write to them can run programs as the run's user. So they belong to that user, are no
links, and nobody else can write to them; the run's folder itself may be open to the group.
"""

import os
import pwd
import stat
from contextlib import suppress
from pathlib import Path

from pvi_hpc.errors import ConfigError

__all__ = ["make_own"]


def make_own(folder: Path, *, private: bool = False) -> None:
    """Make a folder that only this user can write to; `private`: nor read.

    One that is there is closed.

    Raises
    ------
    ConfigError
        If it is a link, or another user's.
    OSError
        If it cannot be made.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700 if private else 0o755)
    handle = os.open(folder.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        found = os.stat(folder.name, dir_fd=handle, follow_symlinks=False)
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
            what = "a link" if stat.S_ISLNK(found.st_mode) else f"{_user(found.st_uid)}'s"
            raise ConfigError(
                f"'{folder}' must be a folder of yours, because the workers of this run trust "
                f"what is in it; it is {what}. Move it away, or work in a project of your own."
            )
        shut = 0o077 if private else 0o022
        if found.st_mode & shut:
            os.chmod(folder.name, stat.S_IMODE(found.st_mode) & ~shut, dir_fd=handle)
    finally:
        os.close(handle)


def _user(number: int) -> str:
    with suppress(KeyError):
        return pwd.getpwuid(number).pw_name
    return f"user {number}"
