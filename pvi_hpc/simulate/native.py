"""Load the compiled solver; its declarations are read from its own headers."""

import os
import re
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from cffi import FFI
from mpi4py import MPI

import pvi_hpc
from pvi_hpc.errors import SolverError

__all__ = ["Native", "load"]

LIBRARY = "libpvi_acoustic.so"
REAL = {"f32": "float", "f64": "double"}


class Native(NamedTuple):
    """The library and the cffi instance that knows its types."""

    ffi: FFI
    lib: Any
    folder: Path


@cache
def load() -> Native:
    """Return the solver library, loaded once.

    Raises
    ------
    SolverError
        If it is not installed, or was built with another MPI than mpi4py runs.
    """
    folder = _folder()
    ffi = FFI()
    ffi.cdef(declarations(folder))
    try:
        lib = ffi.dlopen(str(folder / LIBRARY))
    except OSError as error:
        raise SolverError(f"'{folder / LIBRARY}' cannot be loaded: {error}") from error
    _check_mpi(ffi, lib)
    return Native(ffi, lib, folder)


def declarations(folder: Path) -> str:
    """Return the public headers as plain C, once for each precision."""
    common = _plain_c(folder / "types.h")
    template = _plain_c(folder / "acoustic.h")
    return common + "".join(
        re.sub(r"\breal\b", real, re.sub(r"PVI\((\w+)\)", rf"pvi_\1_{suffix}", template))
        for suffix, real in REAL.items()
    )


def _plain_c(header: Path) -> str:
    code = re.sub(r"/\*.*?\*/", "", header.read_text(encoding="utf-8"), flags=re.DOTALL)
    return "".join(
        line for line in code.splitlines(keepends=True) if not line.lstrip().startswith("#")
    )


def _folder() -> Path:
    """Where the library is: `PVI_NATIVE_DIR`, or beside the installed package."""
    override = os.environ.get("PVI_NATIVE_DIR")
    folders = [Path(override)] if override else [Path(p) / "_native" for p in pvi_hpc.__path__]
    for folder in folders:
        if (folder / LIBRARY).is_file():
            return folder
    raise SolverError(
        f"{LIBRARY} was not found in {', '.join(map(str, folders))}: install the package with "
        "'pip install --no-build-isolation -e .', or set PVI_NATIVE_DIR to the folder of a "
        "plain CMake build."
    )


def _check_mpi(ffi: FFI, lib: Any) -> None:
    text = ffi.new("char[]", 8192)
    lib.pvi_mpi_version(text, len(text))
    built = _first_line(ffi.string(text).decode())
    running = _first_line(MPI.Get_library_version())
    if built != running:
        raise SolverError(
            f"the solver is linked with '{built}' but mpi4py runs '{running}': rebuild one of "
            "them so that both use the same MPI."
        )


def _first_line(version: str) -> str:
    return " ".join(version.strip("\0 \n").splitlines()[0].split())
