"""A batch seen through with a client that does at once what it is given."""

import gc
import weakref

import numpy as np
import pytest

from pvi_hpc.execution.cluster.local import LocalExecutor
from pvi_hpc.execution.dispatch.batch import make_samples
from pvi_hpc.execution.dispatch.dispatcher import Dispatcher
from pvi_hpc.execution.dispatch.pool import WorkerPool
from pvi_hpc.execution.dispatch.recovery import MAX_LOSSES, Policy
from pvi_hpc.execution.dispatch.tasks import ChunkResult, Summary
from pvi_hpc.execution.executor import RESOURCE
from pvi_hpc.execution.failures import Failure
from pvi_hpc.execution.ledger import Ledger
from pvi_hpc.forward.problem import ShotResult

SHAPE = (2, 2, 2)


class Future:
    """A value that is there."""

    def __init__(self, key, value):
        self.key, self.value, self.status = key, value, "finished"

    def add_done_callback(self, callback):
        callback(self)

    def done(self):
        return True

    def result(self, timeout=None):
        if isinstance(self.value, OSError):
            raise self.value
        return self.value


class Client:
    """One worker; `simulate` stands for its gang, a task that it `loses` takes all with it."""

    def __init__(self, simulate, loses=lambda key: False):
        self.simulate, self.loses = simulate, loses

    def nthreads(self):
        return {"tcp://a": 2}

    def scheduler_info(self, n_workers):
        return {"workers": {"tcp://a": {"name": "a"}}}

    def scatter(self, values, **options):
        return [Future("model", value) for value in values]

    def submit(self, function, *arguments, key, resources=None, **options):
        if resources == {RESOURCE: 1}:
            return Future(key, self.simulate(arguments[1]))
        future = Future(key, function(*(a.value for a in arguments)))
        if self.loses(key):
            future.value = OSError("its worker is gone")
            for lost in arguments:
                lost.status = "lost"
        return future

    def gather(self, futures):
        return [future.result() for future in futures]

    def cancel(self, futures):
        assert not futures


def simulate(task):
    summary = Summary(1.0, 0.1, "tcp://a", "library", "memory", 1)
    return ChunkResult(summary, ShotResult(1.0, np.ones(SHAPE)))


def dispatcher(client, **policy):
    pool = WorkerPool(client, LocalExecutor(), 1, Ledger())
    return Dispatcher(client, pool, Ledger(), Policy(**policy), "gradient")


def samples(n):
    return make_samples(np.ones((n, *SHAPE), np.float32), [range(4)] * n, 2, "gradient", "f")


@pytest.fixture
def _no_collector():
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("_no_collector")
def test_a_batch_leaves_nothing_that_only_the_garbage_collector_frees():
    def run():
        running, gradients = dispatcher(Client(simulate)), np.zeros((3, *SHAPE))

        def keep(sample):
            gradients[sample.i], sample.answer = sample.answer, None

        done = running.run(samples(3), keep)
        assert (gradients == 2).all()
        assert running.count.done == 12
        return [weakref.ref(thing) for thing in (running, gradients, done[0])]

    assert [reference() for reference in run()] == [None] * 3


def test_a_sample_that_cannot_be_simulated_is_dropped_and_the_others_are_not():
    def some_fail(task):
        if task.sample == 1 and task.chunk == 1:
            return Failure("bad_model", "NaN", "tcp://a", 0.1, chunk=1)
        return simulate(task)

    running = dispatcher(Client(some_fail), min_samples=2)
    done = running.run(samples(3))
    assert [sample.dropped for sample in done] == [False, True, False]
    assert running.count.dropped == 1
    assert not any(chunk.result for chunk in done[1].chunks)


def test_a_sample_whose_sum_is_lost_too_often_is_dropped():
    def loses(key):
        kind, _, sample, *_ = key.split("-")
        return kind == "sum" and sample == "1"

    running = dispatcher(Client(simulate, loses), min_samples=2)
    done = running.run(samples(3))
    assert [sample.dropped for sample in done] == [False, True, False]
    assert done[1].chunks[0].losses == MAX_LOSSES + 1
    assert not any(chunk.result for chunk in done[1].chunks)
