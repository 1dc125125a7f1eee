"""Actions of the controllers of a chain, as `recorded_pvi.py` wrote them down."""

from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Record", "read_record"]


@dataclass
class Record:
    """Digests in the order of the iterations; the most iterations that a start repeated."""

    digests: list[tuple[int, str]] = field(default_factory=list)
    starts: int = 0
    lost: int = 0


def read_record(path: Path) -> Record:
    """Read `start ITERATION` and `ITERATION DIGEST` lines; none where there is no file yet."""
    found = Record()
    for line in path.read_text().splitlines() if path.exists() else []:
        first, second = line.split()
        if first != "start":
            found.digests.append((int(first), second))
            continue
        last = found.digests[-1][0] if found.digests else 0
        found.starts += 1
        found.lost = max(found.lost, last - int(second))
    return found
