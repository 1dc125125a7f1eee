"""Load the compiled solver; its declarations are read from its own headers."""

import re
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from cffi import FFI
from mpi4py import MPI

from pvi_hpc.errors import NonFiniteError, SolverError
from pvi_hpc.numerics.native import library_folder, plain_c

__all__ = ["ORDERS", "Native", "load", "raise_for"]

LIBRARY = "libpvi_acoustic.so"
REAL = {"f32": "float", "f64": "double"}
ORDERS = (4, 8, 12)
WHAT_FAILED = {
    "PVI_BAD_SHAPE": "every axis needs at least 8 cells, and a run one sample and one receiver",
    "PVI_BAD_VALUE": "spacings, speeds, frequencies and the time step must be positive",
    "PVI_BAD_POINTER": "a required array is missing",
    "PVI_NO_MEMORY": "there is not enough memory; use more ranks, or set "
    "'forward.gradient.memory_gb_per_rank' to what a rank has",
    "PVI_NO_DECOMPOSITION": "the grid cannot be cut into that many blocks",
    "PVI_UNSTABLE": "the time step is too long for the fastest speed of the model",
    "PVI_NOT_FINITE": "the wavefield is not finite",
    "PVI_NO_FORWARD": "a gradient needs a forward run with store=True on the same model",
    "PVI_RANKS_DISAGREE": "the ranks were called with different arguments",
    "PVI_NO_STORAGE": "no storage was set for runs of this length",
    "PVI_NO_DISK": "the file of the stored wavefield cannot be made; give "
    "'forward.gradient.scratch' a folder that can be written and has enough space",
}


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
    """Return the public headers as plain C, once for each precision and order."""
    common = plain_c(folder / "types.h")
    template = plain_c(folder / "acoustic.h")
    return common + "".join(
        re.sub(
            r"\breal\b", real, re.sub(r"PVI\((\w+)\)", rf"pvi_\1_{suffix}_o{order}", template)
        )
        for suffix, real in REAL.items()
        for order in ORDERS
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


def raise_for(status: int, name: str) -> None:
    """Raise what a status other than PVI_OK of the function `name` means.

    Raises
    ------
    NonFiniteError
        If the wavefield overflowed.
    SolverError
        Whatever else went wrong; its `status` is the name of the code.
    """
    ffi, lib, _ = load()
    if status == lib.PVI_OK:
        return
    code = str(ffi.string(ffi.cast("pvi_status", status)))
    kind = NonFiniteError if status == lib.PVI_NOT_FINITE else SolverError
    error = kind(f"acoustic {name}: {WHAT_FAILED.get(code, code)} ({code}).")
    error.status = code  # type: ignore[attr-defined]
    raise error
