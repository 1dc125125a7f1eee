"""The command `pvi doctor`."""

import logging
from pathlib import Path

from pvi_hpc.cli.outcomes import print_outcomes
from pvi_hpc.selftest.site.examine import examine

__all__ = ["print_examination"]


def print_examination(site: Path | None, directory: Path) -> bool:
    """Print what works, and a remedy for what does not; return whether all of it does."""
    # Dask tells of the worker that the doctor kills as of a catastrophe.
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    return print_outcomes(examine(site, directory))
