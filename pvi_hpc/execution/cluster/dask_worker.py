"""Dask's worker command, with its files in a folder that only this user can open.

See `SealedScheduler` for what another user could do to it elsewhere.
"""

import sys
import tempfile

from distributed.cli import dask_worker

from pvi_hpc.execution.gang.scratch import DASK, name_semaphores, owned

__all__ = ["main"]


def main() -> None:
    """Run `dask worker` with the arguments of this command."""
    name_semaphores()
    with tempfile.TemporaryDirectory(prefix=owned(DASK)) as folder:
        dask_worker.main([*sys.argv[1:], "--local-directory", folder])


if __name__ == "__main__":
    main()
