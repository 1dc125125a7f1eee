"""Fixtures of the tests that break things."""

import os
from pathlib import Path

import pytest

from pvi_hpc.execution.gang.processes import _descendants

HERE = Path(__file__).parent


@pytest.fixture(autouse=True)
def _faulty_gang_is_importable(monkeypatch):
    path = os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")])
    monkeypatch.setenv("PYTHONPATH", path)


@pytest.fixture
def fault(monkeypatch, tmp_path):
    """Set a fault: kind@call; once in all gangs unless `always`."""

    def set_fault(what, *, always=False, rank=0):
        monkeypatch.setenv("PVI_FAULT", what)
        monkeypatch.setenv("PVI_FAULT_RANK", str(rank))
        if always:
            monkeypatch.delenv("PVI_FAULT_ONCE", raising=False)
        else:
            monkeypatch.setenv("PVI_FAULT_ONCE", str(tmp_path))

    return set_fault


@pytest.fixture
def no_orphans():
    """Check that a test leaves no process and no folder behind."""
    before = set(_descendants(os.getpid())), leftovers()
    yield
    left = set(_descendants(os.getpid())) - before[0]
    names = [Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ") for pid in left]
    assert not [name for name in names if "resource_tracker" not in name]
    assert leftovers() <= before[1]


def leftovers():
    own = f"pvi-gang-{os.getuid()}-{os.getpid()}-"
    return {p for p in Path("/dev/shm").glob("*") if p.name.startswith(own)}
