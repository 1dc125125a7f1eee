"""Sends a batch to the workers and sees it through: losses, failures, retries, sums.

Dask runs a task again when its worker dies. It cannot when the model was lost with the
worker, because a scattered value has no recipe: then the controller sends model and task
again. Failures of the solver come back as values and are tried again elsewhere.
"""

import itertools
import time
from collections.abc import Callable, Iterable
from typing import Any, Final

from pvi_hpc.cost import SimulationCount
from pvi_hpc.execution.dispatch import tasks
from pvi_hpc.execution.dispatch.batch import Chunk, Sample
from pvi_hpc.execution.dispatch.futures import Awaited
from pvi_hpc.execution.dispatch.placement import place
from pvi_hpc.execution.dispatch.pool import WorkerPool
from pvi_hpc.execution.dispatch.recovery import Policy, Recovery
from pvi_hpc.execution.dispatch.reduction import add_complete_groups, join_chunks
from pvi_hpc.execution.executor import RESOURCE
from pvi_hpc.execution.failures import Failure
from pvi_hpc.execution.ledger import Ledger
from pvi_hpc.forward.problem import Want

__all__ = ["Dispatcher"]

TICK_S: Final = 0.5


class Dispatcher:
    """Runs one batch on a client."""

    _numbers = itertools.count()

    def __init__(
        self,
        client: Any,
        pool: WorkerPool,
        ledger: Ledger,
        policy: Policy,
        want: Want,
    ) -> None:
        self.client, self.pool, self.want = client, pool, want
        self.samples: list[Sample] = []
        self._received: Callable[[Sample], None] | None = None
        # Once a batch: who is the first to learn it would take the others' share.
        self.even = pool.times.even(want)
        self.awaited = Awaited(client)
        self.recovery = Recovery(self.samples, policy, ledger)
        # Unique in the life of the scheduler: nothing of an earlier batch can be mistaken.
        self.name = f"batch{next(self._numbers)}"

    @property
    def count(self) -> SimulationCount:
        """Cost of the batch so far."""
        return self.recovery.count

    def run(
        self, samples: Iterable[Sample], received: Callable[[Sample], None] | None = None
    ) -> list[Sample]:
        """See the batch through; return the samples with their answers.

        The first ones are simulated while the others are still being made. `received` is
        called with each sample when its answer is there, and may take it.

        Raises
        ------
        SimulationError
            If a chunk failed too often, or there were no workers for too long.
        """
        self._received = received
        try:
            self.pool.refresh()
            for sample in samples:
                self.samples.append(sample)
                self._send()
            while not all(sample.complete for sample in self.samples):
                self._send()
                self.awaited.collect(TICK_S)
                if self.pool.due:
                    self.pool.refresh()
                    self._sweep()
                    self._retire()
            return self.samples
        finally:
            self.awaited.clear()
            self._cancel([c.result for s in self.samples for c in s.chunks])

    def _send(self) -> None:
        pending = [sample for sample in self.samples if not sample.complete]
        now = time.monotonic()
        for chunk in place(pending, self.pool.workers, now, self._lasts, even=self.even):
            self._submit(self.samples[chunk.task.sample], chunk)
        for sample in pending:
            if sample.reduced is None and all(c.report for c in sample.chunks):
                self._join(sample)

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
        self.awaited.add(
            chunk.summary,
            lambda value: self._on_summary(chunk, value),
            lambda cause: self._on_lost(chunk, cause),
        )

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

    def _join(self, sample: Sample) -> None:
        """Make the answer of a sample whose chunks have all been simulated."""
        if not sample.chunks or self.want == "misfit":
            sample.complete = True
            return
        sample.reduced = join_chunks(self.client, sample, self._sum_key(sample))
        sample.reductions += 1
        self.awaited.add(
            sample.reduced,
            lambda value: self._on_answer(sample, value),
            lambda cause: self._on_lost_sum(sample, cause),
        )

    def _sum_key(self, sample: Sample) -> str:
        return f"{self.name}-{sample.i}-{sample.reductions}"

    def _sweep(self) -> None:
        futures = [c.summary for s in self.samples for c in s.chunks if c.summary is not None]
        futures += [s.reduced for s in self.samples if s.reduced is not None]
        self.awaited.sweep(futures)

    def _on_summary(self, chunk: Chunk, value: tasks.Summary | Failure) -> None:
        self.pool.saw(value.worker, value.starts)
        if isinstance(value, Failure):
            self._on_failure(chunk, value)
            return
        self.recovery.done(chunk, value)
        self.pool.check_library(value.library)
        self.pool.times.add(chunk.task, value.seconds)
        self.pool.note_storage(value.storage)
        sample = self.samples[chunk.task.sample]
        add_complete_groups(self.client, sample, self._sum_key(sample))

    def _on_answer(self, sample: Sample, value: Any) -> None:
        if isinstance(value, Failure):
            chunk = sample.chunks[value.chunk]
            self.recovery.undone(chunk)
            sample.forget_sums()
            self._on_failure(chunk, value)
            return
        sample.receive(value)
        if self._received is not None:
            self._received(sample)

    def _on_lost_sum(self, sample: Sample, cause: str) -> None:
        sample.forget_sums()
        for chunk in sample.chunks:
            if sample.dropped:
                return
            if chunk.result.status != "finished":
                self.recovery.undone(chunk)
                self._on_lost(chunk, cause)

    def _on_failure(self, chunk: Chunk, failure: Failure) -> None:
        self.recovery.failed(chunk, failure)
        self._let_go_if_dropped(self.samples[chunk.task.sample])

    def _on_lost(self, chunk: Chunk, cause: str) -> None:
        self.recovery.lost(chunk, cause)
        self._let_go_if_dropped(self.samples[chunk.task.sample])

    def _let_go_if_dropped(self, sample: Sample) -> None:
        """Stop working on a sample that the policy gave up."""
        if not sample.dropped:
            return
        futures = [f for c in sample.chunks for f in (c.result, c.summary) if f is not None]
        for future in futures:
            self.awaited.forget(future)
        self._cancel(futures)
        sample.scattered = None
        sample.forget_sums()
        for chunk in sample.chunks:
            chunk.forget()

    def _cancel(self, futures: list[Any]) -> None:
        """Cancel what still runs; of complete samples only the keys are left."""
        self.client.cancel([f for f in futures if hasattr(f, "status") and not f.done()])
