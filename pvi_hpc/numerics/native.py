"""Search for the compiled libraries, and the declarations of their own headers."""

import os
import re
from pathlib import Path
from typing import Final

import pvi_hpc
from pvi_hpc.errors import SolverError

__all__ = ["library_folder", "plain_c"]

#: Written beside the libraries by their build: the names of the compiler's macros.
INSTRUCTIONS: Final = "instructions.txt"
CPU_INFO: Final = Path("/proc/cpuinfo")
#: Linux calls the instructions of a macro by the same name in small letters, except these.
LINUX_NAMES: Final = {"bmi": "bmi1"}


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
