"""Runs every check of a change, some side by side, and says how long each of them took.

    python scripts/ci.py [--without-clusters]

A stage begins when the one before it has passed. Last come a table of the times and the closing
lines of every part that runs tests.
"""

import re
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

__all__ = ["Part", "main", "run_stages"]

ROOT = Path(__file__).parents[1]
#: Targets of the Makefile. Tests on batch systems wait half of their time: the sanitizers,
#: which use one core, run beside them.
STAGES = (("lint", "docs"), ("test",), ("sanitize", "test-clusters"))
CLUSTERS = "test-clusters"
#: How pytest, and scripts/test_clusters.py, end.
CLOSING = re.compile(r"\d+ (?:passed|failed|errors?)\b")


@dataclass
class Part:
    """One target of the Makefile, and how it went."""

    name: str
    command: Sequence[str]
    code: int | None = None
    seconds: float = 0.0
    closing: list[str] = field(default_factory=list)

    def run(self, prefix: str, output: IO[str], lock: threading.Lock) -> None:
        """Run it to its end, and write each line that it prints after `prefix`."""
        begun = time.monotonic()
        with subprocess.Popen(
            self.command,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as process:
            for line in process.stdout or ():
                if CLOSING.search(line):
                    self.closing = [line.rstrip()]
                with lock:
                    output.write(prefix + line)
                    output.flush()
        self.code, self.seconds = process.returncode, time.monotonic() - begun

    @property
    def outcome(self) -> str:
        """Outcome in a word or two."""
        if self.code is None:
            return "not run"
        return "passed" if self.code == 0 else f"FAILED ({self.code})"


def run_stages(stages: Sequence[Sequence[Part]], output: IO[str]) -> int:
    """Run stages one after another, their parts side by side; return 0 if all passed."""
    lock, begun = threading.Lock(), time.monotonic()
    for stage in stages:
        with ThreadPoolExecutor(len(stage)) as pool:
            prefixes = [f"{part.name}: " if len(stage) > 1 else "" for part in stage]
            runs = [
                pool.submit(part.run, prefix, output, lock)
                for part, prefix in zip(stage, prefixes, strict=True)
            ]
        for done in runs:
            done.result()
        if any(part.code for part in stage):
            break
    parts = [part for stage in stages for part in stage]
    output.write(table(parts, time.monotonic() - begun))
    for part in parts:
        output.writelines(f"{line}\n" for line in part.closing)
    return 0 if all(part.code == 0 for part in parts) else 1


def table(parts: Sequence[Part], seconds: float) -> str:
    """Return the time and the outcome of each part, and of the whole."""
    rows = [(part.name, part.seconds, part.outcome) for part in parts]
    lines = [f"{name:<16}{s / 60:6.1f} min  {outcome}" for name, s, outcome in rows]
    return "\n".join(["", *lines, f"{'whole':<16}{seconds / 60:6.1f} min", ""])


def main(arguments: Sequence[str]) -> int:
    """Run all stages; with --without-clusters all but the tests on batch systems."""
    left_out = {CLUSTERS} if "--without-clusters" in arguments else set()
    make = ("make", "--no-print-directory")
    stages = [
        [Part(name, (*make, name)) for name in stage if name not in left_out]
        for stage in STAGES
    ]
    return run_stages(stages, sys.stdout)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
