"""Jobs that only an administrator can release are told from those that merely wait."""

import time

import pytest

from pvi_hpc.execution.cluster.sge import GridEngineQueue
from pvi_hpc.execution.cluster.slurm import SlurmQueue

pytestmark = pytest.mark.slow


@pytest.fixture
def sleeper(tmp_path):
    """A job script that would sleep."""
    script = tmp_path / "sleeper.sh"
    script.write_text("#!/bin/bash\nsleep 600\n")
    return script


def state_of(queue, job):
    """Return how a job stands; it may take a moment to be listed."""
    for _ in range(50):
        found = [listed for listed in queue.jobs() if listed.id == job]
        if found:
            return found[0].state
        time.sleep(0.2)
    return "not listed"


@pytest.mark.parametrize(("hold", "expected"), [("o", "broken"), ("u", "pending")])
def test_a_hold_of_the_operator_is_told_from_that_of_the_user(
    grid_engine, sleeper, monkeypatch, hold, expected
):
    for name, value in grid_engine.environment.items():
        monkeypatch.setenv(name, value)
    job = grid_engine.submit(sleeper, "-h")
    grid_engine.command("qhold", "-h", hold, job)
    if hold == "o":
        grid_engine.command("qrls", "-h", "u", job)
    assert state_of(GridEngineQueue(), job) == expected
    grid_engine.cancel(job)


@pytest.mark.parametrize(("how", "expected"), [("hold", "broken"), ("uhold", "pending")])
def test_a_hold_of_the_administrator_is_told_from_that_of_the_user(
    slurm, sleeper, monkeypatch, how, expected
):
    for name, value in slurm.environment.items():
        monkeypatch.setenv(name, value)
    job = slurm.submit(sleeper, "--begin=now+600")
    slurm.command("scontrol", how, job)
    assert state_of(SlurmQueue(), job) == expected
    slurm.cancel(job)
