"""The installed library belongs to this tree."""

import hashlib
from pathlib import Path

import pytest

from pvi_hpc.simulate.native import load

SOURCES = Path(__file__).parents[2] / "solvers" / "acoustic"


@pytest.mark.skipif(not SOURCES.is_dir(), reason="not a source tree")
def test_the_library_was_built_from_these_sources():
    files = sorted(p for p in SOURCES.iterdir() if p.suffix in (".c", ".h"))
    digests = "".join(hashlib.sha256(f.read_bytes()).hexdigest() for f in files)
    expected = hashlib.sha256(digests.encode()).hexdigest()
    native = load()
    built = native.ffi.string(native.lib.pvi_source_hash()).decode()
    assert built == expected, "solvers/ has changed since the build: run 'make build'"
