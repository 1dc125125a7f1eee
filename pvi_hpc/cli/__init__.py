"""The `pvi` command."""

import sys

from pvi_hpc.cli.app import app
from pvi_hpc.errors import PviError
from pvi_hpc.interrupt import EXIT_STOPPED

__all__ = ["main"]

EXIT_ERROR = 2


def main() -> None:
    """Run `pvi`; an error that the user can act on is one message and exit code 2."""
    try:
        app()
    except PviError as error:
        print(f"pvi: {type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(EXIT_ERROR)
    except KeyboardInterrupt:
        sys.exit(EXIT_STOPPED)
