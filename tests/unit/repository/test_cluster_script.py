"""`scripts/test_clusters.py` leaves nothing behind when somebody ends it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
START = """
import sys
sys.path.insert(0, {scripts!r})
import test_clusters
test_clusters.PARTS = {parts!r}
sys.exit(test_clusters.main())
"""
#: With a batch system that takes a second to end its daemons.
CASE = """
import time
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
from daemons import Cluster

spec = spec_from_file_location("cluster_conftest", {conftest!r})
conftest = module_from_spec(spec)
spec.loader.exec_module(conftest)


class Slow(Cluster):
    @classmethod
    def lacks(cls):
        return ""

    def start(self):
        Path(__file__).with_suffix(".up").touch()

    def stop(self):
        time.sleep(1)
        Path(__file__).with_suffix(".down").touch()


@pytest.fixture(scope="session")
def cluster(tmp_path_factory):
    yield from conftest.running(Slow(tmp_path_factory.mktemp("slow")))


@pytest.mark.parametrize("i", range(2))
def test_long(cluster, i):
    time.sleep(60)
"""


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)]
)
def test_who_is_ended_lets_both_parts_end_their_daemons(tmp_path, number):
    cases = [tmp_path / f"test_part{i}.py" for i in range(2)]
    for case in cases:
        case.write_text(CASE.format(conftest=str(ROOT / "tests/cluster/conftest.py")))
    parts = tuple((str(case), f"--rootdir={tmp_path}", "-pno:cacheprovider") for case in cases)
    process = subprocess.Popen(
        [sys.executable, "-c", START.format(scripts=str(ROOT / "scripts"), parts=parts)],
        env={**os.environ, "PYTHONPATH": str(ROOT / "tests/cluster")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    end = time.monotonic() + 60
    while not all(case.with_suffix(".up").exists() for case in cases):
        assert process.poll() is None and time.monotonic() < end
        time.sleep(0.05)
    for _ in range(2):  # Who is impatient changes nothing.
        process.send_signal(number)
        time.sleep(0.3)
    said, _ = process.communicate(timeout=30)
    assert process.returncode == 1, said
    assert all(case.with_suffix(".down").exists() for case in cases), said
