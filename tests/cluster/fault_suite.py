"""The fault suite: breaks runs in every way that is known, and prints how they ended.

    python tests/cluster/fault_suite.py [--short] [--only NAME ...] [--scale X]

Starts a private Slurm and a private Grid Engine (root; scripts/install-clusters.sh). A fault
passes if every iteration of its run has the bits of an undisturbed one, every stop was clean
and nothing was left 15 s later. `lost` is the most iterations that a restart repeated.
"""

import argparse
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from chain import Template
from daemons import Cluster
from fault_list import FAULTS, Fault, Outcome
from grid_engine import GridEngine
from slurm import Slurm

__all__ = ["main"]

HEAD = f"{'fault':24}{'on':12}{'times':>6}{'lost':>6}{'seconds':>9}  outcome"


def main() -> int:
    """Run the suite; return 0 if all passed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--short", action="store_true", help="once or so each")
    parser.add_argument("--scale", type=float, default=1.0, help="times the long counts")
    parser.add_argument("--only", nargs="+", default=[], help="parts of names, or executors")
    parser.add_argument("--folder", type=Path, help="where to work; kept afterwards")
    arguments = parser.parse_args()
    wanted = [fault for fault in FAULTS if _is_wanted(fault, arguments.only)]
    with ExitStack() as stack:
        name = arguments.folder or stack.enter_context(tempfile.TemporaryDirectory())
        folder = Path(name).resolve()
        clusters = _start(wanted, folder, stack)
        templates: dict[int, Template] = {}
        outcomes = []
        for i, fault in enumerate(wanted):
            if fault.ranks not in templates:
                place = folder / f"template-{fault.ranks}"
                templates[fault.ranks] = Template(place, fault.ranks)
            count = (
                fault.short if arguments.short else max(1, round(arguments.scale * fault.long))
            )
            place = folder / f"chain-{i}"
            outcomes.append(
                fault.inflict(
                    count, templates[fault.ranks], clusters.get(fault.executor), place
                )
            )
            print(_row(outcomes[-1]), flush=True)
            if outcomes[-1].error:
                print(f"    {outcomes[-1].error[-1500:]}", flush=True)
    return _conclude(outcomes)


def _is_wanted(fault: Fault, words: list[str]) -> bool:
    return not words or any(
        word in (fault.executor, *fault.name.split(), fault.name) for word in words
    )


def _start(wanted: list[Fault], folder: Path, stack: ExitStack) -> dict[str, Cluster]:
    executors = {fault.executor for fault in wanted}
    clusters: dict[str, Cluster] = {}
    if executors & {"slurm", "allocation"}:
        clusters["slurm"] = clusters["allocation"] = Slurm(folder / "slurm")
    if "sge" in executors:
        clusters["sge"] = GridEngine(folder / "sge")
    for cluster in {id(c): c for c in clusters.values()}.values():
        if lacks := cluster.lacks():
            sys.exit(f"fault_suite: {lacks}")
        stack.enter_context(cluster)
    print(
        f"{time.strftime('%H:%M:%S')} {', '.join(sorted(executors))} ready\n{HEAD}", flush=True
    )
    return clusters


def _row(outcome: Outcome) -> str:
    verdict = "FAILED" if outcome.error else "same bits, nothing left"
    return (
        f"{outcome.name:24}{outcome.executor:12}{outcome.count:6d}{outcome.lost:6d}"
        f"{outcome.seconds:9.0f}  {verdict}"
    )


def _conclude(outcomes: list[Outcome]) -> int:
    print(f"\n{HEAD}")
    for outcome in outcomes:
        print(_row(outcome))
    wrong = [outcome for outcome in outcomes if outcome.error]
    for outcome in wrong:
        print(f"\n{outcome.name} on {outcome.executor}: {outcome.error}")
    times = sum(outcome.count for outcome in outcomes)
    passed = len(outcomes) - len(wrong)
    print(f"{times} faults in {len(outcomes)} rows: {passed} passed, {len(wrong)} failed")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
