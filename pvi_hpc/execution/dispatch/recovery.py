"""Fate of chunks that failed or vanished: once more, elsewhere, or never again."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pvi_hpc.cost import SimulationCount
from pvi_hpc.errors import SimulationError
from pvi_hpc.execution.dispatch.batch import Chunk, Sample
from pvi_hpc.execution.dispatch.tasks import Summary
from pvi_hpc.execution.failures import Failure
from pvi_hpc.execution.ledger import Ledger

__all__ = ["MAX_LOSSES", "Policy", "Recovery", "describe"]


@dataclass(frozen=True)
class Policy:
    """Number and times of the retries of a failed chunk; `min_samples` as configured."""

    retries: int = 3
    backoff_s: float = 0.1
    longest_backoff_s: float = 10.0
    min_samples: int | None = None

    def delay(self, failures: int) -> float:
        """Seconds to wait after that many failures."""
        return float(min(self.backoff_s * 2 ** (failures - 1), self.longest_backoff_s))


def describe(chunk: Chunk) -> str:
    """Say which task was given up, and why."""
    task, failures = chunk.task, chunk.failures
    head = (
        f"Shots {list(task.shots)} of sample {task.sample} failed {len(failures)} times and "
        f"were lost with their workers {chunk.losses} times; given up."
    )
    if chunk.cause:
        head += f" The last loss: {chunk.cause}."
    if not failures:
        return head
    kinds = ", ".join(dict.fromkeys(failure.kind for failure in failures))
    last = failures[-1]
    return f"{head} Failures: {kinds}. The last one, on {last.worker}: {last.message}"


#: Number of losses of a chunk with its workers before the batch is given up.
MAX_LOSSES: Final = 10


class Recovery:
    """Keeps the account of a batch and decides about its casualties.

    Parameters
    ----------
    samples
        Samples of the batch.
    policy, ledger
        Number of retries of a chunk, and the ledger in which they are noted.
    """

    def __init__(self, samples: Sequence[Sample], policy: Policy, ledger: Ledger) -> None:
        self.samples, self.policy, self.ledger = samples, policy, ledger
        self.count = SimulationCount()

    def done(self, chunk: Chunk, summary: Summary) -> None:
        """Count a chunk that was simulated."""
        chunk.report, chunk.summary = summary, None
        self.count += SimulationCount(done=len(chunk.task.shots), seconds=summary.seconds)

    def undone(self, chunk: Chunk) -> None:
        """Take a chunk that was counted back: its arrays are gone."""
        self.count += SimulationCount(done=-len(chunk.task.shots))

    def failed(self, chunk: Chunk, failure: Failure) -> None:
        """Try a chunk that failed again elsewhere, after a while, or drop its sample.

        Raises
        ------
        SimulationError
            If it failed too often, and its sample cannot be dropped.
        """
        n_shots = len(chunk.task.shots)
        chunk.failures.append(failure)
        self.count += SimulationCount(failed=n_shots, seconds=failure.seconds)
        self.ledger.record(
            "failed",
            kind=failure.kind,
            message=failure.message,
            worker=failure.worker,
            **_where(chunk),
        )
        if failure.final or len(chunk.failures) > self.policy.retries:
            self._give_up(chunk)
            return
        delay = self.policy.delay(len(chunk.failures))
        self.ledger.record("retried", after_s=delay, **_where(chunk))
        self.count += SimulationCount(retried=n_shots)
        chunk.forget()
        chunk.avoid, chunk.due = failure.worker, time.monotonic() + delay

    def lost(self, chunk: Chunk, cause: str) -> None:
        """Send a chunk again that vanished with its worker or its model; errors as `failed`."""
        chunk.losses += 1
        chunk.cause = cause
        self.ledger.record("lost", cause=cause, **_where(chunk))
        if chunk.losses > MAX_LOSSES:
            self._give_up(chunk)
            return
        self.count += SimulationCount(retried=len(chunk.task.shots))
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


def _where(chunk: Chunk) -> dict[str, object]:
    return {"sample": chunk.task.sample, "shots": list(chunk.task.shots)}
