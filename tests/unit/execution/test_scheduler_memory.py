"""Memory that Dask's scheduler and client keep of tasks that are done."""

import gc

import dask
import pytest
from distributed import Client, SpecCluster

from pvi_hpc.execution.cluster.encryption import SealedScheduler, SealedWorker
from pvi_hpc.execution.executor import RESOURCE, SCHEDULER_SETTINGS

TASKS = 1600
WORKER = {"nthreads": 2, "memory_limit": None, "resources": {RESOURCE: 1}, "protocol": "inproc"}


@pytest.fixture
def client():
    """A client, a scheduler and a worker in this process, with a run's settings."""
    with dask.config.set(SCHEDULER_SETTINGS):
        cluster = SpecCluster(
            workers={0: {"cls": SealedWorker, "options": WORKER}},
            scheduler={
                "cls": SealedScheduler,
                "options": {"protocol": "inproc", "dashboard": False},
            },
        )
        with Client(cluster, set_as_default=False) as made:
            yield made
        cluster.close()


def do(client, first, tasks):
    """Do tasks in batches with the keys of a dispatcher's; return what objects are left."""
    for batch in range(first, first + tasks // 40):
        asked = [
            client.submit(
                sum, [k], key=f"chunk-batch{batch}-0-{k}-0", resources={RESOURCE: 1}, pure=False
            )
            for k in range(40)
        ]
        client.gather(asked)
        del asked
    gc.collect()
    return len(gc.get_objects())


@pytest.mark.slow
def test_nothing_is_kept_of_tasks_that_are_done(client):
    do(client, 0, TASKS)  # Logs of bounded length are full then.
    before = do(client, TASKS, TASKS)
    after = do(client, 2 * TASKS, TASKS)
    # It was 12 a task.
    assert (after - before) / TASKS < 1
