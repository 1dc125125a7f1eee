"""A worker whose job is about to end: no task goes to it that it would not finish."""

import time
from pathlib import Path

import numpy as np
import pytest
from execution_case import make_execution, make_models, make_setup

from pvi_hpc.execution.cluster.allocation import AllocationQueue
from pvi_hpc.execution.cluster.fleet import Fleet
from pvi_hpc.execution.cluster.job import FleetSettings, Job
from pvi_hpc.execution.cluster.local import LocalExecutor
from pvi_hpc.execution.cluster.nodes import Node
from pvi_hpc.execution.dask_simulator import DaskSimulator
from pvi_hpc.execution.ledger import Ledger

pytestmark = [pytest.mark.usefixtures("no_orphans"), pytest.mark.slow]

WALLTIME_S = 1000.0
#: Life of the first worker's job once the test begins [s]; a task takes about 0.4 s.
LEFT_S = 4.0


class ExpiringExecutor(LocalExecutor):
    """Local workers that a fleet takes for those of two jobs, the first of which ends soon."""

    walltime_s = WALLTIME_S

    def __init__(self, folder):
        super().__init__()
        settings = FleetSettings(
            prefix="", folder=folder, logs=folder, gangs=1, walltime_s=WALLTIME_S,
            poll_s=1.0, failed_starts=3,
        )  # fmt: skip
        self.fleet = Fleet(AllocationQueue([Node("here")]), lambda *_: "", settings, Ledger())
        self.fleet.wanted = 2

    def begin(self):
        """Let the clocks of both jobs run from now; return when the first one ends."""
        now = time.monotonic()
        for name, begun in (("0", now + LEFT_S - WALLTIME_S), ("1", now)):
            self.fleet.jobs[name] = Job(name, name, Path(), begun, not_yet=begun, running=begun)
        return now + LEFT_S

    def remaining_s(self, name):
        """Ask the fleet, as the executors of batch systems do."""
        return self.fleet.remaining_s(name)


def test_a_worker_gets_no_task_that_outlives_its_job_and_is_retired(
    tmp_path, fault, monkeypatch
):
    fault("slow@0.2", always=True)
    executor, ledger = ExpiringExecutor(tmp_path), Ledger(tmp_path / "ledger.jsonl")
    settings = make_execution(shots_per_task=2)
    simulator = DaskSimulator(
        executor, make_setup(tmp_path), settings, ledger, gang_module="faulty_gang"
    )
    models, shots, answers = make_models(2), [range(6)] * 2, []
    with simulator as running:
        pool = running._pool
        saw = pool.saw
        monkeypatch.setattr(
            pool, "saw", lambda w, n: (answers.append((time.monotonic(), w)), saw(w, n))
        )
        expected = running.misfit_and_gradient(models, shots)
        both = {worker for _, worker in answers}
        names = {address: pool._names[address] for address in both}
        end = executor.begin()
        while time.monotonic() < end + 1:
            batch = running.misfit_and_gradient(models, shots)
            np.testing.assert_array_equal(batch.gradients, expected.gradients)
    (old,) = (address for address, name in names.items() if name == "0")
    assert len(both) == 2
    last = max(t for t, worker in answers if worker == old)
    assert end - LEFT_S < last < end, "it worked on, but ended its last task in time"
    text = (tmp_path / "ledger.jsonl").read_text()
    assert f'"worker_retired", "worker": "{old}"' in text
    assert '"lost"' not in text and '"failed"' not in text.replace('"failed": 0', "")
