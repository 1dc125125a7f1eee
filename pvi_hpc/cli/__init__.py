"""The `pvi` command."""

import errno
import io
import sys
from typing import Final

from pvi_hpc.cli.app import app
from pvi_hpc.errors import PviError, StopRequestedError
from pvi_hpc.run.interrupt import EXIT_STOPPED

__all__ = ["main"]

EXIT_ERROR = 2
#: Errors of a disk that is full, over the quota, or read-only, or of a file too large.
NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG)


def main() -> None:
    """Run `pvi`; an error that the user can act on is one message and exit code 2."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A sign that a terminal cannot show must not end a run of weeks.
            stream.reconfigure(errors="replace")
    try:
        app()
    except StopRequestedError as stopped:
        print(f"pvi: {stopped} The same command goes on.", file=sys.stderr)
        sys.exit(EXIT_STOPPED)
    except PviError as error:
        print(f"pvi: {type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(EXIT_ERROR)
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        print(
            f"pvi: {error}. Make room, or make the folder writable, then run it again: what "
            "was written before is intact.",
            file=sys.stderr,
        )
        sys.exit(EXIT_ERROR)
    except KeyboardInterrupt:
        sys.exit(EXIT_STOPPED)
