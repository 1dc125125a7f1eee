"""Search for the compiled libraries, and the declarations of their own headers."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from cffi import FFI
from numpy.typing import NDArray

import pvi_hpc
from pvi_hpc.errors import NonFiniteError, SolverError

__all__ = ["Native", "library_folder", "plain_c"]

#: Written beside the libraries by their build: the names of the compiler's macros.
INSTRUCTIONS: Final = "instructions.txt"
CPU_INFO: Final = Path("/proc/cpuinfo")
#: Linux calls the instructions of a macro by the same name in small letters, except these.
LINUX_NAMES: Final = {"bmi": "bmi1"}
#: Types of arrays in C, by their numpy characters.
C_TYPES: Final = {"d": "double *", "H": "uint16_t *", "i": "int32_t *", "l": "int64_t *"}


@dataclass(frozen=True)
class Native:
    """A library whose functions `pvi_NAME_...` return a status.

    Parameters
    ----------
    name
        Name of the library, as in `libpvi_NAME.so`, `NAME.h` and `NAME_types.h`.
    ffi, lib
        The cffi instance that knows its types, and the library.
    faults
        Meaning of each status by its name in C.
    lost
        Name of the status that says that a result is not finite.
    """

    name: str
    ffi: FFI
    lib: Any
    faults: Mapping[str, str]
    lost: str

    @classmethod
    def load(cls, name: str, faults: Mapping[str, str], lost: str) -> Self:
        """Open a library; SolverError if it is not installed."""
        library = f"libpvi_{name}.so"
        folder = library_folder(library)
        ffi = FFI()
        ffi.cdef(plain_c(folder / f"{name}_types.h") + plain_c(folder / f"{name}.h"))
        return cls(name, ffi, ffi.dlopen(str(folder / library)), faults, lost)

    def call(self, function: str, *arguments: Any) -> None:
        """Call `pvi_NAME_FUNCTION`.

        Raises
        ------
        NonFiniteError
            If a result is not finite.
        SolverError
            Whatever else went wrong.
        """
        status = getattr(self.lib, f"pvi_{self.name}_{function}")(*arguments)
        code = str(self.ffi.string(self.ffi.cast(f"pvi_{self.name}_status", status)))
        if code != f"PVI_{self.name.upper()}_OK":
            kind = NonFiniteError if code == self.lost else SolverError
            raise kind(f"{self.name} {function}: {self.faults.get(code, code)} ({code}).")

    def pointer(self, array: NDArray[Any]) -> Any:
        """Return the address of a contiguous array."""
        assert array.flags.c_contiguous
        return self.ffi.cast(C_TYPES[array.dtype.char], array.ctypes.data)

    def source_hash(self) -> str:
        """Return the SHA-256 of the sources that the library was built from."""
        text: bytes = self.ffi.string(self.lib.pvi_source_hash())
        return text.decode()


def library_folder(library: str) -> Path:
    """Return the folder of a library: `PVI_NATIVE_DIR`, or beside the installed package.

    Raises
    ------
    SolverError
        If it is not there, or was compiled for another processor than this one.
    """
    override = os.environ.get("PVI_NATIVE_DIR")
    folders = [Path(override)] if override else [Path(p) / "_native" for p in pvi_hpc.__path__]
    for folder in folders:
        if (folder / library).is_file():
            _check_processor(folder)
            return folder
    raise SolverError(
        f"{library} was not found in {', '.join(map(str, folders))}: install the package with "
        "'pip install --no-build-isolation -e .', or set PVI_NATIVE_DIR to the folder of a "
        "plain CMake build."
    )


def _check_processor(folder: Path) -> None:
    """Refuse libraries that this processor would end with an illegal instruction."""
    listed, flags = folder / INSTRUCTIONS, _processor_flags()
    if not listed.exists() or not flags:
        return
    needed = [name.lower() for name in listed.read_text().split()]
    missing = [name for name in needed if LINUX_NAMES.get(name, name) not in flags]
    if missing:
        raise SolverError(
            f"the libraries in {folder} use instructions that this processor lacks "
            f"({', '.join(missing)}): build them on this kind of node, or for all: "
            "pip install --no-build-isolation -C cmake.define.PVI_MARCH=x86-64-v3 ."
        )


def _processor_flags() -> frozenset[str]:
    """Return what the processor can do, by Linux's names; empty where Linux does not tell."""
    if not CPU_INFO.exists():
        return frozenset()
    found = re.search(r"^flags\s*:(.*)$", CPU_INFO.read_text(), flags=re.MULTILINE)
    return frozenset(found[1].split()) if found else frozenset()


def plain_c(header: Path) -> str:
    """Return a header without comments and directives, as cffi reads it."""
    code = re.sub(r"/\*.*?\*/", "", header.read_text(encoding="utf-8"), flags=re.DOTALL)
    return "".join(
        line for line in code.splitlines(keepends=True) if not line.lstrip().startswith("#")
    )
