"""Joins the chunks of a sample on the workers, in one fixed order whoever finishes first."""

from typing import Any, Final

from pvi_hpc.execution.dispatch import tasks
from pvi_hpc.execution.dispatch.batch import Sample

__all__ = ["add_complete_groups", "join_chunks"]

#: Number of gradients added in one task; it bounds the memory of a sum on its worker.
FAN_IN: Final = 8
#: Options of Dask tasks: sums come before simulations that have not begun.
OPTIONS: Final = {"priority": 10, "pure": False}


def add_complete_groups(client: Any, sample: Sample, key: str) -> None:
    """Add up those groups of `FAN_IN` gradients of which each one has come.

    So most of the adding is done while other chunks are still simulated.
    """
    chunks = sample.chunks
    if len(chunks) <= FAN_IN or chunks[0].task.want not in ("gradient", "product"):
        return
    for i, first in enumerate(range(0, len(chunks), FAN_IN)):
        group = chunks[first : first + FAN_IN]
        if i not in sample.parts and all(chunk.report for chunk in group):
            sample.parts[i] = client.submit(
                tasks.add_up, *(chunk.result for chunk in group), key=f"part-{key}-0-{i}",
                **OPTIONS,
            )  # fmt: skip


def join_chunks(client: Any, sample: Sample, key: str) -> Any:
    """Return the future of all traces, or of the sum of the gradients, of a whole sample."""
    if sample.chunks[0].task.want == "traces":
        results = [chunk.result for chunk in sample.chunks]
        return client.submit(tasks.join_traces, *results, key=f"sum-{key}", **OPTIONS)
    add_complete_groups(client, sample, key)
    parts = [sample.parts[i] for i in sorted(sample.parts)]
    parts, level = parts or [chunk.result for chunk in sample.chunks], 1
    while len(parts) > FAN_IN:
        groups = [parts[i : i + FAN_IN] for i in range(0, len(parts), FAN_IN)]
        parts = [
            client.submit(tasks.add_up, *group, key=f"part-{key}-{level}-{i}", **OPTIONS)
            for i, group in enumerate(groups)
        ]
        level += 1
    return client.submit(tasks.add_up, *parts, key=f"sum-{key}", **OPTIONS)
