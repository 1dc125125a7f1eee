"""Choice of the next chunk and of its worker."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from pvi_hpc.execution.dispatch.batch import Chunk, Sample

__all__ = ["Lasts", "place"]

#: Tells whether a worker lives long enough for a chunk behind a number of others.
Lasts = Callable[[str, Chunk, int], bool]


def place(
    samples: Sequence[Sample],
    workers: Iterable[str],
    now: float,
    lasts: Lasts,
    *,
    even: bool = False,
) -> list[Chunk]:
    """Return the chunks to send now, each with `placed` set.

    A worker gets a second chunk in advance, so that its gang never waits for the controller;
    where tasks are not known to be `even` only while there are enough left, so that the last
    ones go to whoever is free first. It gets chunks of the sample it already holds, so that
    the gang keeps its model. Nothing goes where `lasts` says no.
    """
    waiting = [c for sample in samples for c in sample.chunks if c.result is None]
    ready = [chunk for chunk in waiting if chunk.due <= now]
    if not ready:
        return []
    chunks = [chunk for sample in samples for chunk in sample.chunks]
    running = [c for c in chunks if not c.waiting and c.report is None]
    load = Counter(c.placed for c in running)
    names, sent = sorted(workers), []
    left = Remaining(ready, {c.placed: c.task.sample for c in running}, alone=len(names) == 1)
    for depth in (1, 2):
        for name in names:
            spare = depth == 1 or even or left.n > len(names)
            if load[name] < depth and spare and left.n:
                chunk = left.choose(name)
                if chunk is None or not lasts(name, chunk, load[name]):
                    continue
                left.take(chunk, name)
                chunk.placed = name
                load[name] += 1
                sent.append(chunk)
    return sent


class Remaining:
    """The chunks that are ready, by sample, and which worker holds which sample."""

    def __init__(self, ready: Sequence[Chunk], held: dict[str, int], *, alone: bool) -> None:
        self.n, self.alone, self._held = len(ready), alone, held
        self._chunks: dict[int, dict[Chunk, None]] = {}
        for chunk in ready:
            self._chunks.setdefault(chunk.task.sample, {})[chunk] = None
        self._holders = Counter(held.values())
        self._unheld = {s: None for s in self._chunks if not self._holders[s]}

    def choose(self, name: str) -> Chunk | None:
        """Prefer the sample this worker holds, then one that no other worker holds."""
        mine = self._held.get(name)
        first = () if mine not in self._chunks else (mine,)
        for samples in (first, self._unheld, self._chunks):
            for sample in samples:
                for chunk in self._chunks[sample]:
                    if chunk.avoid != name or self.alone:
                        return chunk
        return None

    def take(self, chunk: Chunk, name: str) -> None:
        """Give a chunk to a worker, which from now on holds its sample."""
        sample, before = chunk.task.sample, self._held.get(name)
        self.n -= 1
        del self._chunks[sample][chunk]
        if before is not None:
            self._holders[before] -= 1
            if not self._holders[before] and before in self._chunks:
                self._unheld[before] = None
        self._held[name] = sample
        self._holders[sample] += 1
        self._unheld.pop(sample, None)
        if not self._chunks[sample]:
            del self._chunks[sample]
