"""How often, and how soon, a failed chunk is tried again, and what is said in the end."""

from dataclasses import dataclass

from pvi_hpc.execution.dispatch.batch import Chunk

__all__ = ["Policy", "describe"]


@dataclass(frozen=True)
class Policy:
    """How often, and how soon, a failed chunk is tried again; `min_samples` as configured."""

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
