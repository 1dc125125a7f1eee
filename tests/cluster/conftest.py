"""Real batch systems for the tests, started once a session in a temporary folder."""

import os
import signal
from collections.abc import Iterator

import pytest
from daemons import Cluster
from grid_engine import GridEngine
from slurm import Slurm


@pytest.fixture(scope="session")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurm]:
    """A private Slurm of three virtual nodes."""
    yield from running(Slurm(tmp_path_factory.mktemp("slurm")))


@pytest.fixture(scope="session")
def grid_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GridEngine]:
    """A private Grid Engine of one host."""
    yield from running(GridEngine(tmp_path_factory.mktemp("sge")))


def running(cluster: Cluster) -> Iterator[Cluster]:
    """Start a batch system, or skip where it cannot; `make test-clusters` never skips."""
    lacks = cluster.lacks()
    if lacks and "PVI_CLUSTERS_REQUIRED" in os.environ:
        pytest.fail(lacks)
    if lacks:
        pytest.skip(lacks)
    # Daemons must end also where somebody ends pytest; `SystemExit` would fail one test only.
    signal.signal(signal.SIGTERM, lambda *_: pytest.exit("Ended by SIGTERM.", returncode=143))
    with cluster:
        yield cluster
