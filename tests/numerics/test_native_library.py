"""The installed libraries belong to this tree."""

import hashlib
from pathlib import Path
from typing import Any

import pytest

from pvi_hpc.forward.acoustic import library as acoustic
from pvi_hpc.forward.dispersion import curves as dispersion
from pvi_hpc.forward.eikonal import times as eikonal
from pvi_hpc.numerics import update_kernels as variational

SOURCES = Path(__file__).parents[2] / "solvers"
HASHES: dict[str, Any] = {
    f"acoustic/{dtype}-{order}": (acoustic.load, dtype, order)
    for dtype in acoustic.REALS
    for order in acoustic.ORDERS
} | {f"variational/{dtype}": (variational.load, dtype) for dtype in variational.REALS}
HASHES["eikonal"] = (eikonal.load,)
HASHES["dispersion"] = (dispersion.load,)


@pytest.mark.skipif(not SOURCES.is_dir(), reason="not a source tree")
@pytest.mark.parametrize("name", HASHES)
def test_the_library_was_built_from_these_sources(name):
    folder = SOURCES / name.split("/")[0]
    files = sorted(p for p in folder.iterdir() if p.suffix in (".c", ".h"))
    digests = "".join(hashlib.sha256(f.read_bytes()).hexdigest() for f in files)
    expected = hashlib.sha256(digests.encode()).hexdigest()
    load, *settings = HASHES[name]
    built = load(*settings).source_hash()
    assert built == expected, "solvers/ has changed since the build: run 'make setup'"
