"""The `pvi` command."""

import errno
import io
import os
import sys
from contextlib import suppress
from pathlib import Path
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
    for stream in _streams():
        # A sign that a terminal cannot show must not end a run of weeks.
        stream.reconfigure(errors="replace")
    try:
        app()
    except StopRequestedError as stopped:
        _say(f"{stopped} The same command goes on.")
        sys.exit(EXIT_STOPPED)
    except PviError as error:
        _say(f"{type(error).__name__}: {error}")
        sys.exit(EXIT_ERROR)
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        _say(
            f"{error}. Make room (for files too: 'df -i'), or make the folder writable, then "
            "run it again: what was written before is intact."
        )
        sys.exit(EXIT_ERROR)
    except KeyboardInterrupt:
        sys.exit(EXIT_STOPPED)
    finally:
        _let_go()


def _say(message: str) -> None:
    """Print a message, where that is possible: a log may be on the disk that is full."""
    with suppress(OSError):
        print(f"pvi: {message}", file=sys.stderr, flush=True)


def _let_go() -> None:
    """Write what was printed, or forget it: Python would fail at its end, with code 120."""
    for stream in _streams():
        try:
            stream.flush()
        except OSError:
            with Path(os.devnull).open("w") as nowhere:
                os.dup2(nowhere.fileno(), stream.fileno())


def _streams() -> list[io.TextIOWrapper]:
    return [s for s in (sys.stdout, sys.stderr) if isinstance(s, io.TextIOWrapper)]
