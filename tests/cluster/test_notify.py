"""Grid Engine warns a controller with `-notify` before it kills it: nothing is lost."""

import json
import subprocess
import sys

import pytest
from chain import HERE, ROOT, Chain
from daemons import wait_until
from template import Template

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

SUBMIT = ROOT / "cluster_profiles" / "sge" / "submit.sh"


def test_a_controller_that_is_cancelled_stops_at_a_checkpoint_before_it_is_killed(
    grid_engine, tmp_path
):
    chain = Chain(Template(tmp_path / "template"), tmp_path / "chain")
    chain.make()
    job = submit(chain, grid_engine)
    chain.advance(3)
    grid_engine.cancel(job)
    wait_until(lambda: job not in grid_engine.jobs(), 60, "The end of the job")
    chain.check_gone()
    status = json.loads((chain.run / "status.json").read_text())
    assert (status["state"], status["message"]) == ("stopped", "SIGUSR2"), status
    assert status["iteration"] == chain.record().digests[-1][0]
    chain.finish()
    assert chain.record().lost == 0, "its last iteration was in the checkpoint"


def submit(chain, grid_engine):
    """Start a controller as the profile does: a child of the job's shell."""
    script = chain.folder / "job.sh"
    words = [sys.executable, str(HERE / "recorded_pvi.py"), *chain.command()]
    script.write_text(f"#!/bin/sh\n{' '.join(words)}\necho ended with $?\n")
    done = subprocess.run(
        [str(SUBMIT), "segment", "1", "10", str(script)],
        cwd=chain.folder,
        env={**chain.environment, **grid_engine.environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()
