"""The fault suite: breaks runs in every way that is known, and prints how they ended.

    python tests/cluster/fault_suite.py [--short] [--only NAME ...] [--on EXECUTOR ...]

Starts a private Slurm and a private Grid Engine (root; scripts/install-clusters.sh). A fault
passes if every iteration of its run has the bits of an undisturbed one, every stop was clean
and nothing was left 15 s later. `lost` is the most iterations that a restart repeated, `gone`
the longest time until nothing was left of an ended controller [s].
"""

import argparse
import signal
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from daemons import Cluster
from fault import Fault, Outcome, inflict, together
from fault_list import FAULTS
from grid_engine import GridEngine
from slurm import Slurm
from template import Template

__all__ = ["main"]

HEAD = f"{'fault':24}{'on':18}{'times':>6}{'lost':>6}{'gone':>6}{'seconds':>9}  outcome"
SYSTEMS = {"slurm": Slurm, "sge": GridEngine}


def main() -> int:
    """Run the suite; return 0 if all passed."""
    arguments = _arguments()
    # Daemons must end also where somebody ends the suite.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    wanted = [f for f in FAULTS if _is_wanted(f, arguments.only, arguments.on)]
    if not wanted:
        sys.exit(f"fault_suite: no fault is called {arguments.only} on {arguments.on}")
    with ExitStack() as stack:
        temporary = Path(stack.enter_context(tempfile.TemporaryDirectory())).resolve()
        folder = (arguments.folder or temporary).resolve()
        clusters = _start(wanted, temporary, stack)
        templates: dict[int, Template] = {}
        outcomes = []
        for faults in together(wanted) if arguments.short else [[fault] for fault in wanted]:
            ranks = max(fault.ranks for fault in faults)
            if ranks not in templates:
                templates[ranks] = Template(folder / f"template-{ranks}", ranks)
            counts = [
                arguments.times or (f.short if arguments.short else f.long) for f in faults
            ]
            place = Path(tempfile.mkdtemp(prefix="chain-", dir=folder)) / "chain"
            cluster = clusters.get(faults[0].setting.batch)
            outcomes.append(inflict(faults, counts, templates[ranks], cluster, place))
            _tell(outcomes[-1], arguments.table)
    return _conclude(outcomes)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--short", action="store_true", help="once or so each")
    parser.add_argument("--times", type=int, help="so often each")
    parser.add_argument("--only", nargs="+", default=[], help="words of names")
    parser.add_argument("--on", nargs="+", default=[], help="executors")
    parser.add_argument("--table", type=Path, help="file that gets each row as it is known")
    parser.add_argument("--folder", type=Path, help="where to work; what failed stays there")
    return parser.parse_args()


def _is_wanted(fault: Fault, words: list[str], executors: list[str]) -> bool:
    called = not words or any(w in (*fault.name.split(), fault.name) for w in words)
    return called and (not executors or fault.setting.where in executors)


def _start(wanted: list[Fault], folder: Path, stack: ExitStack) -> dict[str, Cluster]:
    clusters: dict[str, Cluster] = {}
    for name in sorted({fault.setting.batch for fault in wanted} - {""}):
        cluster = SYSTEMS[name](folder / name)
        if lacks := cluster.lacks():
            sys.exit(f"fault_suite: {lacks}")
        clusters[name] = stack.enter_context(cluster)
    print(f"{time.strftime('%H:%M:%S')} {', '.join(clusters) or 'no daemons'}\n{HEAD}")
    return clusters


def _tell(outcome: Outcome, table: Path | None) -> None:
    print(_row(outcome), flush=True)
    if outcome.error:
        print(f"    {outcome.error[-3000:]}", flush=True)
    if table is not None:
        with table.open("a") as file:
            file.write(f"{_row(outcome)}\n")


def _row(outcome: Outcome) -> str:
    verdict = "FAILED" if outcome.error else "same bits, nothing left"
    return (
        f"{outcome.name:24}{outcome.where:18}{outcome.count:6d}{outcome.lost:6d}"
        f"{outcome.gone_s:6.1f}{outcome.seconds:9.0f}  {verdict}"
    )


def _conclude(outcomes: list[Outcome]) -> int:
    print(f"\n{HEAD}")
    for outcome in outcomes:
        print(_row(outcome))
    wrong = [outcome for outcome in outcomes if outcome.error]
    for outcome in wrong:
        print(f"\n{outcome.name} on {outcome.where}: {outcome.error}")
    times = sum(outcome.count for outcome in outcomes)
    passed = len(outcomes) - len(wrong)
    print(f"{times} faults in {len(outcomes)} rows: {passed} passed, {len(wrong)} failed")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
