"""Search for the compiled libraries, and the declarations of their own headers."""

import os
import re
from pathlib import Path

import pvi_hpc
from pvi_hpc.errors import SolverError

__all__ = ["library_folder", "plain_c"]


def library_folder(library: str) -> Path:
    """Return the folder of a library: `PVI_NATIVE_DIR`, or beside the installed package.

    Raises
    ------
    SolverError
        If it is not there.
    """
    override = os.environ.get("PVI_NATIVE_DIR")
    folders = [Path(override)] if override else [Path(p) / "_native" for p in pvi_hpc.__path__]
    for folder in folders:
        if (folder / library).is_file():
            return folder
    raise SolverError(
        f"{library} was not found in {', '.join(map(str, folders))}: install the package with "
        "'pip install --no-build-isolation -e .', or set PVI_NATIVE_DIR to the folder of a "
        "plain CMake build."
    )


def plain_c(header: Path) -> str:
    """Return a header without comments and directives, as cffi reads it."""
    code = re.sub(r"/\*.*?\*/", "", header.read_text(encoding="utf-8"), flags=re.DOTALL)
    return "".join(
        line for line in code.splitlines(keepends=True) if not line.lstrip().startswith("#")
    )
