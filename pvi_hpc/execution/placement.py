"""Which chunk goes to which worker next."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from pvi_hpc.execution.batch import Chunk, Sample

__all__ = ["Lasts", "place"]

#: Whether a worker lives long enough for a chunk, behind so many others.
Lasts = Callable[[str, Chunk, int], bool]


def place(
    samples: Sequence[Sample], workers: Iterable[str], now: float, lasts: Lasts
) -> list[Chunk]:
    """Return the chunks to send now, each with `placed` set.

    A worker gets a second chunk in advance while there are enough left, so that its gang
    never waits for the controller; and chunks of the sample it already holds, so that the
    gang keeps its model. Nothing goes where `lasts` says no.
    """
    chunks = [chunk for sample in samples for chunk in sample.chunks]
    ready = [chunk for chunk in chunks if chunk.waiting and chunk.due <= now]
    if not ready:
        return []
    running = [c for c in chunks if not c.waiting and c.report is None]
    load = Counter(c.placed for c in running)
    held = {c.placed: c.task.sample for c in running}
    names, sent = sorted(workers), []
    for depth in (1, 2):
        for name in names:
            spare = depth == 1 or len(ready) > len(names)
            if load[name] < depth and spare and ready:
                chunk = _choose(ready, name, held, len(names))
                if chunk is None or not lasts(name, chunk, load[name]):
                    continue
                ready.remove(chunk)
                chunk.placed = name
                load[name] += 1
                held[name] = chunk.task.sample
                sent.append(chunk)
    return sent


def _choose(
    ready: Sequence[Chunk], name: str, held: dict[str, int], n_workers: int
) -> Chunk | None:
    """Prefer the sample this worker holds, then one that no other worker holds."""
    allowed = [c for c in ready if c.avoid != name or n_workers == 1]
    others = {sample for worker, sample in held.items() if worker != name}
    mine = held.get(name)
    ranked = sorted(allowed, key=lambda c: (c.task.sample != mine, c.task.sample in others))
    return ranked[0] if ranked else None
