"""Our solver against Devito and Deepwave in one alternating run: speed, memory, waveforms.

Every solver runs in a process of its own on the same grid, its layer included; rounds alternate
between them, and medians are compared. The last line printed is a JSON object: the figures of
the first case, and those of the others by their names. Takes some ten minutes, most of them
for Devito's first calls and Deepwave's gradient.
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
#: Cells of an axis, of the layer (10 is the package's default), and time steps.
CASES = ("128:10:150", "128:20:150", "200:10:60", "64:40:400")
#: With so many steps waves cross the model, and waveforms and gradients are compared, at 8
#: points a wavelength. The layer is then 40 cells: Devito's usual sponge of 20 reflects 2 % of
#: the waveforms.
COMPARED_STEPS = 300


def bandwidth(threads: int) -> float:
    """Return this machine's streaming bandwidth [byte/s], arrays far beyond the caches."""
    lib = load("float32", 8).lib
    return float(lib.pvi_bandwidth(threads, 32_000_000, 5))


def run_case(case: Case, rounds: int, folder: Path) -> dict[str, Any]:
    """Return medians of seconds by (solver, what), peak memory and traces of all solvers."""
    python = peers_python()
    seconds: dict[tuple[str, str], list[float]] = {}
    peaks: dict[str, float] = {}
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
                    if i >= 0 or (name, what) == SLOW:
                        seconds.setdefault((name, what), []).append(answer["seconds"])
    return {
        "seconds": {key: median(values) for key, values in seconds.items()},
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


def report(case: Case, result: dict[str, Any]) -> dict[str, float]:
    """Print the table of one case and return its figures."""
    seconds, limit = result["seconds"], result["bandwidth"] / BYTES_A_CELL
    print(
        f"\n{case.n}^3 cells + layer of {case.layer}, {case.nt} steps, {case.threads} threads"
    )
    print(
        f"streaming bandwidth {result['bandwidth'] / 1e9:.1f} GB/s: at most "
        f"{limit / 1e9:.2f} Gcells/s of {BYTES_A_CELL} bytes a cell"
    )
    print(f"{'':10}{'forward Gcells/s':>18}{'gradient Gcells/s':>19}{'peak GB':>9}")
    for name, peak in result["peak_gb"].items():
        speeds = [
            case.updates / seconds[name, what] / 1e9 if (name, what) in seconds else np.nan
            for what in ("forward", "gradient")
        ]
        print(f"{name:10}{speeds[0]:18.3f}{speeds[1]:19.3f}{peak:9.2f}", flush=True)
    ours = {what: seconds["ours", what] for what in ("forward", "gradient")}
    figures = {
        "forward_gpts": case.updates / ours["forward"] / 1e9,
        "gradient_over_forward": ours["gradient"] / ours["forward"],
        "bandwidth_gb_s": result["bandwidth"] / 1e9,
        "limit_bytes_a_cell": BYTES_A_CELL,
        "forward_of_bandwidth_limit": case.updates / ours["forward"] / limit,
        "peak_gb": result["peak_gb"]["ours"],
        "devito_peak_gb": result["peak_gb"]["devito"],
    }
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
    parser.add_argument("--cases", nargs="+", default=CASES, help="CELLS:LAYER:STEPS")
    arguments = parser.parse_args()
    figures: dict[str, Any] = {}
    for text in arguments.cases:
        n, layer, nt = map(int, text.split(":"))
        case = Case(n, nt, layer=layer, threads=arguments.threads)
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            result = run_case(case, arguments.rounds, folder)
            of_case = report(case, result)
            if nt >= COMPARED_STEPS:
                of_case |= differences(result, folder)
        figures |= {f"at_{n}_layer_{layer}": of_case} if figures else of_case
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
