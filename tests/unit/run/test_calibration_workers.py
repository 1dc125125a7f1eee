"""Inversions of a calibration outlive the workers that did them."""

import threading
import time

import pytest
from distributed import Client, LocalCluster

from pvi_hpc.errors import SimulationError
from pvi_hpc.execution.cluster.local import LocalExecutor
from pvi_hpc.execution.dispatch.pool import WorkerPool
from pvi_hpc.execution.ledger import Ledger
from pvi_hpc.run.calibration.workers import _collect


@pytest.fixture
def cluster():
    """Workers that are threads of this process; the first can do `early`, later ones `late`."""
    with LocalCluster(
        n_workers=0,
        threads_per_worker=1,
        processes=False,
        dashboard_address=None,
        resources={"early": 1},
    ) as made:
        yield made


def test_a_result_is_taken_before_the_last_one_comes(cluster):
    cluster.scale(1)
    with Client(cluster, set_as_default=False) as client:
        asked = {
            client.submit(lambda: "first", resources={"early": 1}, pure=False): 0,
            client.submit(lambda: "second", resources={"late": 1}, pure=False): 1,
        }
        pool = WorkerPool(client, LocalExecutor(), 1, Ledger(), patience_s=60.0)
        found, told = {}, []
        thread = threading.Thread(
            target=lambda: _collect(asked, pool, found.__setitem__, told.append)
        )
        thread.start()
        wait_until(lambda: len(asked) == 1)
        cluster.scale(0)
        wait_until(lambda: not client.nthreads())
        cluster.new_spec["options"]["resources"] = {"late": 1}
        cluster.scale(1)
        thread.join(20)
    # Nobody could have done the first one again.
    assert found == {0: "first", 1: "second"}
    assert told == [1, 2]


def test_who_has_no_workers_is_told_why(cluster):
    class Refused(LocalExecutor):
        def check(self):
            raise SimulationError("5 worker jobs in a row ended")

    with Client(cluster, set_as_default=False) as client:
        asked = {client.submit(int, resources={"early": 1}): 0}
        with pytest.raises(SimulationError, match="5 worker jobs"):
            _collect(
                asked, WorkerPool(client, Refused(), 1, Ledger()), {}.__setitem__, [].append
            )


def wait_until(condition):
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)
