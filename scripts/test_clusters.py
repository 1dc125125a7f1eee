"""Runs the tests on real batch systems, in two processes: they wait more than they compute.

    python scripts/test_clusters.py [OPTIONS OF PYTEST]

Each process starts daemons of its own, in temporary folders. The last line counts what passed.
Who ends this process, by a signal or Ctrl-C, ends both, and they their daemons.
"""

import os
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import FrameType
from xml.etree import ElementTree

FAULTS = "tests/cluster/test_faults.py"
PARTS = ((FAULTS,), ("tests/cluster", f"--ignore={FAULTS}"))
NUMBERS = frozenset(("tests", "failures", "errors", "skipped"))
ROOT = Path(__file__).parents[1]
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def main() -> int:
    """Return 0 if all passed."""
    children = Children()
    for number in SIGNALS:
        signal.signal(number, children.end)
    with tempfile.TemporaryDirectory() as folder:
        reports = [Path(folder) / f"{i}.xml" for i in range(len(PARTS))]
        with ThreadPoolExecutor(len(PARTS)) as pool:
            codes = list(pool.map(children.run, PARTS, reports))
        counts: Counter[str] = Counter()
        for report in reports:
            counts.update(count(report))
    print(", ".join(f"{n} {what}" for what, n in counts.items()))
    # 5: no test of a part was chosen.
    return 0 if set(codes) <= {0, 5} and counts["passed"] else 1


class Children:
    """The two processes, each ended once: a second signal would disturb their cleaning up."""

    def __init__(self) -> None:
        self.ending = False
        self.processes: list[subprocess.Popen[str]] = []

    def run(self, part: tuple[str, ...], report: Path) -> int:
        """Run pytest on a part of the tests, print what it says; return its exit code."""
        options = ["-v", f"--junitxml={report}", *sys.argv[1:]]
        with subprocess.Popen(
            [sys.executable, "-m", "pytest", *part, *options],
            cwd=ROOT,
            env={**os.environ, "PVI_CLUSTERS_REQUIRED": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,  # Ctrl-C is ours to hand on.
        ) as process:
            self.processes.append(process)
            for line in process.stdout or ():
                print(line, end="", flush=True)
        return process.returncode

    def end(self, number: int, frame: FrameType | None) -> None:
        """Ask both to end; `run` waits for them."""
        if not self.ending:
            self.ending = True
            for process in self.processes:
                process.terminate()


def count(report: Path) -> Counter[str]:
    """Return how many tests of a part passed, failed or were skipped."""
    if not report.exists():  # It was killed.
        return Counter(failed=1)
    found: Counter[str] = Counter(passed=0, failed=0)
    for suite in ElementTree.parse(report).iter("testsuite"):
        number = {name: int(suite.get(name, "0")) for name in NUMBERS}
        bad = number["failures"] + number["errors"]
        found.update(failed=bad, skipped=number["skipped"])
        found.update(passed=number["tests"] - bad - number["skipped"])
    return found


if __name__ == "__main__":
    sys.exit(main())
