"""Sends a batch to the workers and sees it through: losses, failures, retries, sums.

Dask runs a task again when its worker dies. It cannot when the model was lost with the
worker, because a scattered value has no recipe: then the controller sends model and task
again. Failures of the solver come back as values and are tried again elsewhere.
"""

import itertools
import queue
import time
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError
from typing import Any, Final

from distributed.scheduler import KilledWorker

from pvi_hpc.errors import SimulationError
from pvi_hpc.execution import tasks
from pvi_hpc.execution.batch import Chunk, Sample
from pvi_hpc.execution.executor import RESOURCE
from pvi_hpc.execution.failures import Failure
from pvi_hpc.execution.ledger import Ledger
from pvi_hpc.execution.placement import place
from pvi_hpc.execution.pool import WorkerPool
from pvi_hpc.execution.retry import Policy, describe
from pvi_hpc.simulate.simulator import SimulationCount

__all__ = ["Dispatcher"]

TICK_S: Final = 0.5
#: Gradients added in one task: bounds the memory a sum needs on its worker.
FAN_IN: Final = 8
#: Times a chunk may vanish with its workers before the batch is given up.
MAX_LOSSES: Final = 10


class Dispatcher:
    """Runs one batch on a client."""

    _numbers = itertools.count()

    def __init__(
        self,
        client: Any,
        pool: WorkerPool,
        ledger: Ledger,
        policy: Policy,
        samples: list[Sample],
    ) -> None:
        self.client, self.pool, self.ledger, self.policy = client, pool, ledger, policy
        self.samples = samples
        self.count = SimulationCount()
        # Unique in the life of the scheduler: nothing of an earlier batch can be mistaken.
        self.name = f"batch{next(self._numbers)}"
        self._finished: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._watched: dict[Any, Callable[[Any], None]] = {}
        self._lost: dict[Any, Callable[[str], None]] = {}

    def run(self) -> SimulationCount:
        """See the batch through; answers are then in the samples.

        Raises
        ------
        SimulationError
            If a chunk failed too often, or there were no workers for too long.
        """
        try:
            self.pool.refresh()
            while not all(sample.complete for sample in self.samples):
                self._send()
                self._collect()
                if self.pool.due:
                    self.pool.refresh()
                    self._sweep()
                    self._retire()
            return self.count
        finally:
            self._drop()

    def _send(self) -> None:
        pending = [sample for sample in self.samples if not sample.complete]
        for chunk in place(pending, self.pool.workers, time.monotonic(), self._lasts):
            self._submit(self.samples[chunk.task.sample], chunk)
        for sample in pending:
            if sample.reduced is None and all(c.report for c in sample.chunks):
                self._reduce(sample)

    def _lasts(self, worker: str, chunk: Chunk, ahead: int) -> bool:
        return self.pool.lasts(worker, chunk.task, ahead)

    def _retire(self) -> None:
        """End idle workers that will not live through another task, if there are others."""
        pending = [c for s in self.samples if not s.complete for c in s.chunks]
        busy = {c.placed for c in pending if not c.waiting and c.report is None}
        waiting = [c for c in pending if c.waiting]
        if not waiting:
            return
        longest = max(waiting, key=lambda c: len(c.task.shots)).task
        for worker in sorted(self.pool.workers - busy):
            if len(self.pool.workers) > 1 and not self.pool.lasts(worker, longest):
                self.pool.retire(worker)

    def _submit(self, sample: Sample, chunk: Chunk) -> None:
        if not self._scatter(sample, chunk.placed):
            self.pool.forget(chunk.placed)
            chunk.forget()
            return
        key = f"{self.name}-{chunk.task.sample}-{chunk.task.chunk}-{chunk.submissions}"
        chunk.submissions += 1
        chunk.result = self.client.submit(
            tasks.run_chunk,
            sample.scattered,
            chunk.task,
            key=f"chunk-{key}",
            workers=[chunk.placed],
            allow_other_workers=True,
            resources={RESOURCE: 1},
            pure=False,
        )
        chunk.summary = self.client.submit(
            tasks.summarise, chunk.result, key=f"summary-{key}", priority=10, pure=False
        )
        self._watch(chunk.summary, lambda value: self._on_summary(chunk, value),
                    lambda cause: self._on_loss(chunk, cause))  # fmt: skip

    def _scatter(self, sample: Sample, worker: str) -> bool:
        """Make sure a worker holds the model; False if that one is gone."""
        if sample.scattered is None or sample.scattered.status != "finished":
            try:
                (sample.scattered,) = self.client.scatter(
                    [sample.model], hash=False, workers=[worker]
                )
            except (KeyError, OSError, TimeoutError):
                return False
        return True

    def _reduce(self, sample: Sample) -> None:
        """Join the chunks of a sample, on the workers, in their fixed order."""
        key = f"{self.name}-{self.samples.index(sample)}-{sample.reductions}"
        parts = [chunk.result for chunk in sample.chunks]
        want = sample.chunks[0].task.want if sample.chunks else "misfit"
        if want == "misfit" or not parts:
            sample.complete = True
            return
        sample.reductions += 1
        function = tasks.join_traces if want == "traces" else tasks.add_up
        level = 0
        while want == "gradient" and len(parts) > FAN_IN:
            groups = [parts[i : i + FAN_IN] for i in range(0, len(parts), FAN_IN)]
            parts = [
                self.client.submit(
                    function, *group, key=f"part-{key}-{level}-{i}", priority=10, pure=False
                )
                for i, group in enumerate(groups)
            ]
            sample.parts += parts
            level += 1
        sample.reduced = self.client.submit(
            function, *parts, key=f"sum-{key}", priority=10, pure=False
        )
        self._watch(sample.reduced, lambda value: self._on_answer(sample, value),
                    lambda cause: self._on_lost_sum(sample, cause))  # fmt: skip

    def _watch(
        self, future: Any, done: Callable[[Any], None], lost: Callable[[str], None]
    ) -> None:
        self._watched[future.key], self._lost[future.key] = done, lost
        future.add_done_callback(self._finished.put)

    def _collect(self) -> None:
        """Wait for something to finish, and deal with all that has."""
        try:
            futures = [self._finished.get(timeout=TICK_S)]
        except queue.Empty:
            return
        while not self._finished.empty():
            futures.append(self._finished.get())
        current = [future for future in futures if future.key in self._watched]
        for future, value in zip(current, self._gather(current), strict=True):
            if future.key not in self._watched:
                continue  # Its sample was dropped a moment ago.
            done, lost = self._watched.pop(future.key), self._lost.pop(future.key)
            if isinstance(value, Exception):
                self._raise_if_deadly(value)
                lost(f"{type(value).__name__}: {value}")
            else:
                done(value)

    def _gather(self, futures: Sequence[Any]) -> list[Any]:
        """Return values, or the exception where there is none."""
        if all(future.status == "finished" for future in futures):
            try:
                return list(self.client.gather(list(futures)))
            except Exception:  # One of them was lost meanwhile: take them singly.
                pass
        return [self._value(future) for future in futures]

    @staticmethod
    def _value(future: Any) -> Any:
        try:
            return future.result(timeout=60) if future.status != "lost" else CancelledError()
        except Exception as error:
            return error

    def _sweep(self) -> None:
        """Find what vanished without a word: Dask tells nobody about forgotten tasks."""
        futures = [c.summary for s in self.samples for c in s.chunks if c.summary is not None]
        futures += [s.reduced for s in self.samples if s.reduced is not None]
        for future in futures:
            if future.status in ("lost", "cancelled") and future.key in self._watched:
                del self._watched[future.key]
                self._lost.pop(future.key)(f"Dask says {future.status}")

    def _on_summary(self, chunk: Chunk, value: tasks.Summary | Failure) -> None:
        n_shots = len(chunk.task.shots)
        self.pool.saw(value.worker, value.starts)
        if isinstance(value, Failure):
            self._on_failure(chunk, value)
            return
        chunk.report = value
        self.pool.check_library(value.library)
        self.pool.times.add(chunk.task, value.seconds)
        self.pool.note_storage(value.storage)
        self.count += SimulationCount(done=n_shots, seconds=value.seconds)

    def _on_failure(self, chunk: Chunk, failure: Failure) -> None:
        n_shots = len(chunk.task.shots)
        chunk.failures.append(failure)
        self.count += SimulationCount(failed=n_shots, seconds=failure.seconds)
        where = {"sample": chunk.task.sample, "shots": list(chunk.task.shots)}
        self.ledger.record(
            "failed", kind=failure.kind, message=failure.message, worker=failure.worker, **where
        )
        if failure.final or len(chunk.failures) > self.policy.retries:
            self._give_up(chunk)
            return
        delay = self.policy.delay(len(chunk.failures))
        self.ledger.record("retried", after_s=delay, **where)
        self.count += SimulationCount(retried=n_shots)
        chunk.forget()
        chunk.avoid, chunk.due = failure.worker, time.monotonic() + delay

    def _on_loss(self, chunk: Chunk, cause: str) -> None:
        """Send a chunk again that vanished with its worker or its model."""
        chunk.losses += 1
        chunk.cause = cause
        n_shots = len(chunk.task.shots)
        where = {"sample": chunk.task.sample, "shots": list(chunk.task.shots)}
        self.ledger.record("lost", cause=cause, **where)
        if chunk.losses > MAX_LOSSES:
            self._give_up(chunk)
            return
        self.count += SimulationCount(retried=n_shots)
        chunk.forget()

    def _give_up(self, chunk: Chunk) -> None:
        """Drop the sample of a chunk if the policy allows it, else end the batch."""
        enough, sample = self.policy.min_samples, self.samples[chunk.task.sample]
        good = sum(not s.dropped for s in self.samples) - 1
        if enough is None or good < enough or chunk.task.want != "gradient":
            raise SimulationError(describe(chunk))
        self.ledger.record("dropped", sample=chunk.task.sample, message=describe(chunk))
        self.count += SimulationCount(dropped=1)
        sample.dropped = sample.complete = True
        futures = [f for c in sample.chunks for f in (c.result, c.summary) if f is not None]
        for future in futures:
            self._watched.pop(future.key, None)
            self._lost.pop(future.key, None)
        self.client.cancel([future for future in futures if not future.done()])
        sample.scattered, sample.reduced, sample.parts = None, None, []
        for one in sample.chunks:
            one.forget()

    def _on_answer(self, sample: Sample, value: Any) -> None:
        if isinstance(value, Failure):
            chunk = sample.chunks[value.chunk]
            self.count += SimulationCount(done=-len(chunk.task.shots))
            self._on_failure(chunk, value)
            sample.reduced, sample.parts = None, []
            return
        sample.answer, sample.complete = value, True
        # Let the workers drop the model and the gradients of the chunks.
        sample.scattered, sample.parts = None, []
        for chunk in sample.chunks:
            chunk.result = chunk.result.key

    def _on_lost_sum(self, sample: Sample, cause: str) -> None:
        sample.reduced, sample.parts = None, []
        for chunk in sample.chunks:
            if chunk.result.status != "finished":
                self.count += SimulationCount(done=-len(chunk.task.shots))
                self._on_loss(chunk, cause)

    @staticmethod
    def _raise_if_deadly(error: Exception) -> None:
        if isinstance(error, KilledWorker):
            raise SimulationError(
                f"A task killed every worker it ran on, {error.last_worker} last: {error}. "
                "Probably it needs more memory than a worker has."
            ) from error
        from_dask = type(error).__module__.partition(".")[0] == "distributed"
        if not from_dask and not isinstance(error, CancelledError | OSError | TimeoutError):
            raise error  # Our own code raised: a bug, which trying again would hide.

    def _drop(self) -> None:
        futures = [c.result for s in self.samples for c in s.chunks]
        self._watched.clear()
        self.client.cancel([f for f in futures if hasattr(f, "status") and not f.done()])
