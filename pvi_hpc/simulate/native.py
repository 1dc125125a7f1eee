"""Load the compiled solver; its declarations are read from its own headers."""

import re
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from cffi import FFI
from mpi4py import MPI

from pvi_hpc.errors import SolverError
from pvi_hpc.native import library_folder, plain_c

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
    folder = library_folder(LIBRARY)
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
    common = plain_c(folder / "types.h")
    template = plain_c(folder / "acoustic.h")
    return common + "".join(
        re.sub(r"\breal\b", real, re.sub(r"PVI\((\w+)\)", rf"pvi_\1_{suffix}", template))
        for suffix, real in REAL.items()
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
