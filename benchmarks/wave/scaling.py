"""Cost of our solver: against the grid, over ranks and threads, over shots at once.

Every measurement alternates with those it is compared with. The last line is a JSON object.
Takes some three minutes; nothing else should run on the machine.
"""

import argparse
import json
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from case import Case
from ours import Peer

__all__: list[str] = []

HERE = Path(__file__).parent
MPIEXEC = Path(sys.prefix) / "bin" / "mpiexec"
LAYER = 10  # the package's default
REPEATS = 3


@dataclass(frozen=True)
class Layout:
    """Use of the two cores: ranks, threads and shots at once."""

    name: str
    ranks: int
    threads: int
    how: str  # "shared": the ranks share a shot; "apart": each has its own


LAYOUTS = (
    Layout("1 rank x 2 threads", 1, 2, "shared"),
    Layout("2 ranks x 1 thread", 2, 1, "shared"),
    Layout("2 shots x 1 thread", 2, 1, "apart"),
)


def on_ranks(layout: Layout, n: int, steps: int) -> dict[str, Any]:
    """Return what `shot_on_ranks.py` measures."""
    case = Case(n, steps, layer=LAYER, threads=layout.threads)
    program = [sys.executable, "-m", "mpi4py", str(HERE / "shot_on_ranks.py")]
    arguments = [json.dumps(asdict(case)), layout.how, str(REPEATS)]
    command = [str(MPIEXEC), "-n", str(layout.ranks), *program, *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def layouts(n: int, steps: int, rounds: int) -> dict[str, Any]:
    """Print updates a second of all layouts and the time that halos cost; return ratios."""
    answers: dict[str, list[dict[str, Any]]] = {layout.name: [] for layout in LAYOUTS}
    for _ in range(rounds):
        for layout in LAYOUTS:
            answers[layout.name].append(on_ranks(layout, n, steps))
    print(f"\n{n}^3 cells + layer of {LAYER}, {steps} steps, medians of {rounds} rounds")
    print(f"{'':20}{'forward Gcells/s':>18}{'gradient Gcells/s':>19}{'halo wait':>11}")
    speeds: dict[tuple[str, str], float] = {}
    wait = 0.0
    for layout in LAYOUTS:
        mine = answers[layout.name]
        shots = layout.ranks if layout.how == "apart" else 1
        updates = shots * Case(n, steps, layer=LAYER).updates / 1e9
        for what in ("forward", "gradient"):
            speeds[layout.name, what] = updates / median(a[what] for a in mine)
        share = median(waiting(a, "forward") for a in mine)
        wait = share if layout.ranks > 1 and layout.how == "shared" else wait
        row = speeds[layout.name, "forward"], speeds[layout.name, "gradient"]
        print(f"{layout.name:20}{row[0]:18.3f}{row[1]:19.3f}{share:11.1%}")
    threads, ranks, shots_apart = (layout.name for layout in LAYOUTS)
    figures = {"halo_wait_of_forward": wait}
    for what in ("forward", "gradient"):
        of_threads = speeds[threads, what]
        figures[f"{what}_2_ranks_over_2_threads"] = speeds[ranks, what] / of_threads
        figures[f"{what}_2_shots_over_2_threads"] = speeds[shots_apart, what] / of_threads
    return figures


def waiting(answer: dict[str, Any], what: str) -> float:
    """Return the largest share of a run that a rank waited for cells of others."""
    pairs = zip(answer[f"{what}_wait"], answer[f"{what}_compute"], strict=True)
    return max(wait / (wait + compute) for wait, compute in pairs)


def sizes(cells: list[int], steps: int, threads: int, rounds: int) -> dict[str, float]:
    """Print and return nanoseconds a cell and step, layer included, by cells of an axis."""
    peers = {n: Peer(Case(n, steps, layer=LAYER, threads=threads)) for n in cells}
    seconds: dict[int, list[float]] = {n: [] for n in cells}
    for i in range(-1, rounds):  # round -1 touches the memory
        for n, peer in peers.items():
            start = time.perf_counter()
            peer.forward()
            if i >= 0:
                seconds[n].append(time.perf_counter() - start)
    print(f"\nforward, {threads} threads, {steps} steps, medians of {rounds} rounds")
    print(f"{'cells':>8}{'ns a cell and step':>20}{'of the mean':>13}")
    each = {n: 1e9 * median(seconds[n]) / peers[n].case.updates for n in cells}
    mean = sum(each.values()) / len(each)
    for n, value in each.items():
        print(f"{n:>6}^3{value:20.3f}{value / mean:13.2f}")
    return {str(n): value for n, value in each.items()}


def main() -> None:
    """Print the tables and the figures of all as the last line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, nargs="+", default=[96, 128, 160, 200, 256])
    parser.add_argument("--size", type=int, default=128, help="cells of the layouts' cube")
    parser.add_argument("--steps", type=int, nargs=2, default=[30, 100])
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    by_size = sizes(arguments.cells, arguments.steps[0], 2, arguments.rounds)
    spread = max(by_size.values()) / min(by_size.values())
    figures = {"ns_a_cell": by_size, "slowest_over_fastest": spread}
    figures |= layouts(arguments.size, arguments.steps[1], arguments.rounds)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
