"""The compiled solver: a library for each precision and order, declared by its own headers."""

from functools import cache
from typing import Any, Final, NamedTuple

from cffi import FFI

from pvi_hpc.errors import NonFiniteError, SolverError
from pvi_hpc.forward.mpi import library_version
from pvi_hpc.numerics.native import library_folder, plain_c

__all__ = ["ORDERS", "Native", "library_name", "load"]

#: The C type of the wavefields, and its bits, by dtype.
REALS: Final = {"float32": ("float", 32), "float64": ("double", 64)}
ORDERS: Final = (4, 8, 12)
WHAT_FAILED = {
    "PVI_BAD_SHAPE": "every axis needs at least 8 cells, or y alone one, and a run one sample "
    "and one receiver",
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
    """The library of one precision and order, and the cffi instance that knows its types."""

    ffi: FFI
    lib: Any
    real: str  # C type of the wavefields

    def call(self, name: str, *arguments: Any) -> None:
        """Call the collective function `pvi_NAME`.

        Raises
        ------
        NonFiniteError
            If the wavefield overflowed.
        SolverError
            Whatever else went wrong.
        """
        status = getattr(self.lib, f"pvi_{name}")(*arguments)
        if status == self.lib.PVI_OK:
            return
        code = str(self.ffi.string(self.ffi.cast("pvi_status", status)))
        kind = NonFiniteError if status == self.lib.PVI_NOT_FINITE else SolverError
        raise kind(f"acoustic {name}: {WHAT_FAILED.get(code, code)} ({code}).")

    def source_hash(self) -> str:
        """Return the SHA-256 of the sources that the library was built from."""
        text: bytes = self.ffi.string(self.lib.pvi_source_hash())
        return text.decode()


def library_name(dtype: str, order: int) -> str:
    """Return the file name of the library of a precision and an order in space."""
    return f"libpvi_acoustic_f{REALS[dtype][1]}_o{order}.so"


@cache
def load(dtype: str, order: int) -> Native:
    """Return the library of 'float32' or 'float64' and an order in space, loaded once.

    Raises
    ------
    SolverError
        If it is not installed, or was built with another MPI than mpi4py runs.
    """
    library = library_name(dtype, order)
    folder = library_folder(library)
    real = REALS[dtype][0]
    ffi = FFI()
    ffi.cdef(f"typedef {real} real;")
    ffi.cdef(plain_c(folder / "types.h") + plain_c(folder / "acoustic.h"))
    try:
        lib = ffi.dlopen(str(folder / library))
    except OSError as error:
        raise SolverError(f"'{folder / library}' cannot be loaded: {error}") from error
    _check_mpi(ffi, lib)
    return Native(ffi, lib, real)


def _check_mpi(ffi: FFI, lib: Any) -> None:
    text = ffi.new("char[]", 8192)
    lib.pvi_mpi_version(text, len(text))
    built = _first_line(ffi.string(text).decode())
    running = _first_line(library_version())
    if built != running:
        raise SolverError(
            f"the solver is linked with '{built}' but mpi4py runs '{running}': rebuild one of "
            "them so that both use the same MPI."
        )


def _first_line(version: str) -> str:
    return " ".join(version.strip("\0 \n").splitlines()[0].split())
