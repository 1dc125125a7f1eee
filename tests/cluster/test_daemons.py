"""The private batch systems run jobs, see them end, and leave nothing behind."""

import subprocess
import sys
from pathlib import Path

import pytest
from daemons import alive, wait_until
from slurm import Slurm

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2400)]


@pytest.fixture(params=["slurm", "grid_engine"])
def cluster(request: pytest.FixtureRequest) -> object:
    """Each batch system in turn."""
    return request.getfixturevalue(request.param)


def test_a_job_runs_and_a_long_one_is_cancelled(cluster, tmp_path):
    script = tmp_path / "job.sh"
    script.write_text(f"#!/bin/bash\necho ran > {tmp_path}/ran\nsleep 300\n")
    log = f"{tmp_path}/log"
    job = cluster.submit(script, "-o", log, "-e", log)
    wait_until((tmp_path / "ran").exists, 30, "The start of the job")
    assert job in cluster.jobs()
    cluster.cancel(job)
    wait_until(lambda: job not in cluster.jobs(), 30, "The end of the job")


def test_slurm_stops_what_it_started_and_two_do_not_meet(slurm, tmp_path):
    folder = tmp_path / "second"
    script = Path(__file__).with_name("slurm.py")
    subprocess.run([sys.executable, str(script), "start", str(folder)], check=True, timeout=90)
    second = Slurm(folder)
    pids = [int(file.read_text()) for file in folder.rglob("*.pid")]
    assert len(pids) == 5
    assert all(map(alive, pids))
    second.submit(_sleeper(tmp_path), "-o", f"{tmp_path}/log")
    assert len(second.jobs()) == 1
    before = slurm.jobs()
    subprocess.run([sys.executable, str(script), "stop", str(folder)], check=True, timeout=90)
    assert not any(map(alive, pids))
    assert slurm.jobs() == before


def _sleeper(folder: Path) -> Path:
    path = folder / "sleep.sh"
    path.write_text("#!/bin/bash\nsleep 300\n")
    return path
