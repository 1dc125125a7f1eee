"""The installed libraries belong to this tree."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pvi_hpc.forward.acoustic import library as acoustic
from pvi_hpc.numerics import update_kernels as variational

SOURCES = Path(__file__).parents[2] / "solvers"
HASHES: dict[str, Callable[[], tuple[Any, str]]] = {
    "acoustic": lambda: (acoustic.load(), "pvi_source_hash"),
    "variational": lambda: (variational.load(), "pvi_variational_source_hash"),
}


@pytest.mark.skipif(not SOURCES.is_dir(), reason="not a source tree")
@pytest.mark.parametrize("library", HASHES)
def test_the_library_was_built_from_these_sources(library):
    files = sorted(p for p in (SOURCES / library).iterdir() if p.suffix in (".c", ".h"))
    digests = "".join(hashlib.sha256(f.read_bytes()).hexdigest() for f in files)
    expected = hashlib.sha256(digests.encode()).hexdigest()
    native, function = HASHES[library]()
    built = native.ffi.string(getattr(native.lib, function)()).decode()
    assert built == expected, "solvers/ has changed since the build: run 'make setup'"
