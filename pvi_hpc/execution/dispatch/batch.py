"""Record that the controller keeps of the samples and chunks of one batch."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pvi_hpc.errors import SimulationError
from pvi_hpc.execution.dispatch.tasks import ChunkTask, Model, Summary
from pvi_hpc.execution.failures import Failure
from pvi_hpc.execution.identity import model_hash, task_identity
from pvi_hpc.forward.problem import Want

__all__ = ["Chunk", "Sample", "make_samples"]


@dataclass(eq=False)
class Chunk:
    """One task: where it stands and how often it was tried.

    `result` is the future of what stays on the worker, `summary` that of what comes back,
    `report` what came. `placed` is the worker it was sent to, `avoid` the one it failed on,
    `cause` what the last loss looked like.
    """

    task: ChunkTask
    result: Any = None
    summary: Any = None
    report: Summary | None = None
    placed: str = ""
    avoid: str = ""
    failures: list[Failure] = field(default_factory=list)
    losses: int = 0
    cause: str = ""
    submissions: int = 0
    due: float = 0.0

    @property
    def waiting(self) -> bool:
        """True if the chunk must be sent to a worker."""
        return self.result is None

    def forget(self) -> None:
        """Drop what was sent or came back, so that it is sent again."""
        self.result = self.summary = self.report = None
        self.placed = ""


@dataclass(eq=False)
class Sample:
    """Model number `i` of a batch, its chunks and what is made of them.

    `parts` are the futures of sums of complete groups of chunks, `reduced` that of all.
    """

    i: int
    model: Model
    chunks: list[Chunk]
    scattered: Any = None
    parts: dict[int, Any] = field(default_factory=dict)
    reduced: Any = None
    reductions: int = 0
    answer: Any = None
    complete: bool = False
    dropped: bool = False

    @property
    def misfit(self) -> float:
        """Sum over the chunks, in their order; NaN if the sample was dropped."""
        if self.dropped:
            return float("nan")
        return float(sum(c.report.misfit for c in self.chunks if c.report is not None))

    @property
    def squares(self) -> NDArray[np.float64]:
        """Sums of squares of the groups of data `(G,)`, over the chunks in their order.

        Empty where there are no groups, or the sample was dropped.
        """
        total: NDArray[np.float64] = np.empty(0)
        for chunk in [] if self.dropped else self.chunks:
            part = np.array(chunk.report.squares if chunk.report is not None else ())
            total = total + part if len(total) else part
        return total

    def receive(self, answer: Any) -> None:
        """Take the answer, and let the workers drop the model and all arrays."""
        self.answer, self.complete = answer, True
        self.scattered = None
        self.forget_sums()
        for chunk in self.chunks:
            chunk.result = chunk.result.key

    def forget_sums(self) -> None:
        """Let all sums be made again."""
        self.reduced, self.parts = None, {}


def make_samples(
    models: Iterable[NDArray[np.float32]],
    shots: Sequence[Sequence[int]],
    size: int,
    want: Want,
    fingerprint: str,
    keys: tuple[int, ...] = (),
    precisions: tuple[float, ...] = (),
) -> Iterator[Sample]:
    """Split a batch into tasks of at most `size` shots of one sample.

    The cut depends on `size` only, so the sums over it do not depend on the workers. A model
    is taken when its sample is asked for. `precisions` are those of the groups of data.

    Raises
    ------
    SimulationError
        If there are not as many models as lists of shots.
    """
    taken = iter(models)
    for i, (velocity, indices) in enumerate(zip_longest(taken, shots)):
        if velocity is None or indices is None:
            n = i if velocity is None else i + 1 + sum(1 for _ in taken)
            raise SimulationError(
                f"'shots' must hold one list for each of 'models', got {len(shots)} lists for "
                f"{n} models."
            )
        name = model_hash(velocity)
        chunks: list[Chunk] = []
        for start in range(0, len(indices), size):
            part = tuple(int(index) for index in indices[start : start + size])
            identity = task_identity(name, part, fingerprint, want, keys, precisions)
            task = ChunkTask(i, len(chunks), part, want, identity, keys, precisions)
            chunks.append(Chunk(task))
        yield Sample(i, Model(name, velocity), chunks)
