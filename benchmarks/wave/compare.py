"""Our solver against Devito and Deepwave in one alternating run: speed, memory, waveforms.

Every solver runs in a process of its own on the same grid, its layer included; rounds alternate
between them, and medians are compared. The last line printed is a JSON object: the figures of
the first case, and those of the others by their names. Takes some twenty minutes, most of them
for Devito's first calls, which are not timed, and Deepwave's gradient.
"""

import argparse
import json
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from case import Case
from peer_process import PeerProcess, peers_python

from pvi_hpc.forward.acoustic.library import load

__all__: list[str] = []

BYTES_A_CELL = 16  # read p, read and write p_old, read c
PEERS = {"devito": "devito_peer", "deepwave": "deepwave_peer"}
#: Deepwave's gradient takes half a minute at 128^3: two rounds at most, in the smaller cases.
SLOW = ("deepwave", "gradient")
SLOW_ROUNDS, SLOW_UPDATES = 2, 6e8
#: Cells, those of the layer (10 is the package's default), time steps, and threads.
PUBLISHED, SMALL = "101x101x63:10:150", "64:10:290:1"
CASES = ("128:10:150", "128:20:150", "200:10:60", PUBLISHED, SMALL, "64:40:400")
#: With so many steps waves cross the model, and waveforms and gradients are compared, at 8
#: points a wavelength. The layer is then 40 cells: Devito's usual sponge of 20 reflects 2 % of
#: the waveforms.
COMPARED_STEPS = 300


def bandwidth(threads: int) -> float:
    """Return this machine's streaming bandwidth [byte/s], arrays far beyond the caches."""
    lib = load("float32", 8).lib
    return float(lib.pvi_bandwidth(threads, 32_000_000, 5))


def run_case(case: Case, rounds: int, folder: Path) -> dict[str, Any]:
    """Return seconds of all rounds by (solver, what), first calls, settings, peak memory."""
    python = peers_python()
    seconds: dict[tuple[str, str], list[float]] = {}
    peaks: dict[str, float] = {}
    firsts: dict[tuple[str, str], float] = {}
    streams: list[float] = []
    with ExitStack() as stack:
        solvers = {"ours": stack.enter_context(PeerProcess("ours", sys.executable, case))}
        for name, module in PEERS.items():
            solvers[name] = stack.enter_context(PeerProcess(module, python, case))
        for i in range(-1, rounds):  # round -1 compiles, tunes and touches the memory
            streams.append(bandwidth(case.threads))
            for what in ("forward", "gradient"):
                for name, solver in solvers.items():
                    if skips(name, what, i, case):
                        continue
                    path = folder / f"{name}-{what}.npy"
                    answer = solver.ask(what, **({"save": str(path)} if i < 0 else {}))
                    peaks[name] = answer["peak_gb"]
                    firsts.setdefault((name, what), answer["seconds"])
                    if i >= 0 or (name, what) == SLOW:
                        seconds.setdefault((name, what), []).append(answer["seconds"])
        settings = {n: solver.ask("settings")["settings"] for n, solver in solvers.items()}
    return {
        "rounds": seconds,
        "seconds": {key: median(values) for key, values in seconds.items()},
        "first_calls": firsts,
        "settings": settings,
        "peak_gb": peaks,
        "bandwidth": median(streams),
    }


def skips(name: str, what: str, i: int, case: Case) -> bool:
    """Return whether a solver sits out this round."""
    few = i + 1 >= SLOW_ROUNDS or case.updates > SLOW_UPDATES
    return (name, what) == SLOW and few


def difference(folder: Path, name: str, what: str) -> float:
    """Relative L2 difference of a peer's traces or gradient from ours.

    Devito's loop does not write the last sample. Gradients are compared inside: ours and
    Deepwave's of a cell at the edge are also those of the layer that it continues into.
    """
    ours, theirs = (np.load(folder / f"{n}-{what}.npy") for n in ("ours", name))
    compared = np.s_[:, :-1] if what == "forward" else np.s_[1:-1, 1:-1, 1:-1]
    ours, theirs = ours[compared], theirs[compared]
    return float(np.linalg.norm(theirs - ours) / np.linalg.norm(ours))


def speed(case: Case, result: dict[str, Any], name: str, what: str) -> str:
    """Return the speed of a solver with its spread, in words; a dash if it was not run."""
    if (name, what) not in result["rounds"]:
        return "-"
    times = sorted(result["rounds"][name, what], reverse=True)
    slow, middle, fast = (case.updates / s / 1e9 for s in (times[0], median(times), times[-1]))
    return f"{middle:.3f} ({slow:.2f} to {fast:.2f})"


def spread(rounds: dict[tuple[str, str], list[float]], what: str) -> list[float]:
    """Return the lowest and the highest ratio of Devito's time to ours in a round."""
    pairs = zip(rounds["devito", what], rounds["ours", what], strict=True)
    ratios = [theirs / ours for theirs, ours in pairs]
    return [min(ratios), max(ratios)]


def report(case: Case, result: dict[str, Any]) -> dict[str, Any]:
    """Print the table of one case and return its figures."""
    seconds, limit = result["seconds"], result["bandwidth"] / BYTES_A_CELL
    print(
        f"\n{' x '.join(map(str, case.shape))} cells + layer of {case.layer}, {case.nt} steps, "
        f"{case.threads} threads"
    )
    print(
        f"streaming bandwidth {result['bandwidth'] / 1e9:.1f} GB/s: at most "
        f"{limit / 1e9:.2f} Gcells/s of {BYTES_A_CELL} bytes a cell"
    )
    print("Gcells/s of padded cells: median (slowest to fastest round)")
    print(f"{'':10}{'forward':>25}{'gradient':>25}{'peak GB':>9}")
    for name, peak in result["peak_gb"].items():
        speeds = [speed(case, result, name, what) for what in ("forward", "gradient")]
        print(f"{name:10}{speeds[0]:>25}{speeds[1]:>25}{peak:9.2f}", flush=True)
    for name, settings in result["settings"].items():
        calls = [f"{w} {s:.1f} s" for (n, w), s in result["first_calls"].items() if n == name]
        print(f"{name}: {settings}; first calls: {', '.join(calls)}", flush=True)
    ours = {what: seconds["ours", what] for what in ("forward", "gradient")}
    figures = {
        "forward_gpts": case.updates / ours["forward"] / 1e9,
        "gradient_over_forward": ours["gradient"] / ours["forward"],
        "bandwidth_gb_s": result["bandwidth"] / 1e9,
        "limit_bytes_a_cell": BYTES_A_CELL,
        "forward_of_bandwidth_limit": case.updates / ours["forward"] / limit,
        "peak_gb": result["peak_gb"]["ours"],
        "devito_peak_gb": result["peak_gb"]["devito"],
        "devito_best_gpts": case.updates / seconds["devito", "forward"] / 1e9,
        "devito_settings": result["settings"]["devito"],
    }
    for what in ("forward", "gradient"):
        figures[f"{what}_vs_devito_lowest_highest"] = spread(result["rounds"], what)
    for (name, what), value in seconds.items():
        if name != "ours":
            figures[f"{what}_vs_{name}"] = value / ours[what]
    return figures


def differences(result: dict[str, Any], folder: Path) -> dict[str, float]:
    """Print and return how far the peers' waveforms and gradients are from ours."""
    figures = {}
    for name, what in result["seconds"]:
        if name != "ours":
            share = figures[f"{what}_difference_{name}"] = difference(folder, name, what)
            print(f"{what} differs from {name}'s by {share:.1e}", flush=True)
    return figures


def main() -> None:
    """Print a table a case and the figures of all as the last line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--cases", nargs="+", default=CASES, help="CELLS:LAYER:STEPS[:THREADS]")
    arguments = parser.parse_args()
    figures: dict[str, Any] = {}
    for text in arguments.cases:
        case = Case.read(text, arguments.threads)
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            result = run_case(case, arguments.rounds, folder)
            of_case = report(case, result)
            if case.nt >= COMPARED_STEPS:
                of_case |= differences(result, folder)
        figures |= {f"at_{case.name}": of_case} if figures else of_case
        if text == PUBLISHED:
            figures["published_case_forward_gpts"] = of_case["forward_gpts"]
            figures["published_case_vs_devito"] = of_case["forward_vs_devito"]
        if text == SMALL:
            figures["small_grid_gpts_per_core"] = of_case["forward_gpts"]
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
