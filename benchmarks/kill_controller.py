"""Kill the controllers of a project again and again, resume, and compare the final bits.

    python benchmarks/kill_controller.py config/demo.yaml --kills 20 --reference results/demo

Runs in a temporary folder. The reference is a finished, undisturbed run of the same
configuration, results/<project>. Prints one line a kill and, last, what was equal.
"""

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np

from pvi_hpc.config import load_project
from pvi_hpc.run.plan import total_iterations


def main() -> int:
    """Run the project with kills; return 0 if every run ends with the reference's bits."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", type=Path)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--reference", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    project = load_project(arguments.config)
    reference = arguments.reference.resolve()
    folder = Path(tempfile.mkdtemp(prefix="pvi-kill-"))
    shutil.copy(arguments.config, folder / "project.yaml")
    results = folder / "results" / project.name
    each = -(-arguments.kills // len(project.resolved))
    budget = {run.name: each for run in project.resolved}
    rng = random.Random(arguments.seed)
    kills = 0
    code = 1
    while code:
        process = pvi(folder, "resume" if kills else "run")
        kills += kill_controllers(process, results, budget, rng)
        code = process.wait()
    equal = [
        same_bits(results, reference, run.name, total_iterations(run))
        for run in project.resolved
    ]
    print(f"{kills} kills, {sum(equal)} of {len(equal)} runs bitwise equal, folder {folder}")
    return 0 if all(equal) and kills >= arguments.kills else 1


def pvi(folder: Path, command: str) -> "subprocess.Popen[bytes]":
    """Start the workflow in a folder."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with (folder / "output.log").open("a") as log:
        return subprocess.Popen(
            ["pvi", command, "project.yaml"],
            cwd=folder,
            env={**os.environ, "PATH": path},
            stdout=log,
            stderr=subprocess.STDOUT,
        )


def kill_controllers(
    process: "subprocess.Popen[bytes]",
    results: Path,
    budget: dict[str, int],
    rng: random.Random,
) -> int:
    """Kill every controller that appears, after a random time, until the workflow ends."""
    killed = 0
    while process.poll() is None:
        for run in budget:
            owner = controller(results / run / "lease.json")
            if not budget[run] or not owner:
                continue
            time.sleep(rng.uniform(0.0, 15.0))
            if controller(results / run / "lease.json") == owner:
                os.kill(owner, signal.SIGKILL)
                killed, budget[run] = killed + 1, budget[run] - 1
                print(
                    f"killed {run} {iteration(results / run)}, {budget[run]} to go", flush=True
                )
        time.sleep(0.1)
    return killed


def controller(lease: Path) -> int | None:
    """Return the pid of the living controller that holds a lease."""
    try:
        pid = int(json.loads(lease.read_text())["pid"])
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, ValueError, KeyError):
        return None
    return None if state == "Z" else pid


def iteration(run: Path) -> str:
    """Say how far a run has come."""
    try:
        return f"at iteration {json.loads((run / 'status.json').read_text())['iteration']}"
    except (OSError, ValueError):
        return "before its first iteration"


def same_bits(results: Path, reference: Path, run: str, last: int) -> bool:
    """Tell whether the variational parameters of the last checkpoint are equal."""
    name = f"{last:06d}.h5"
    with (
        h5py.File(results / run / "checkpoints" / name) as ours,
        h5py.File(reference / run / "checkpoints" / name) as theirs,
    ):
        a, b = ours["state/parameters"], theirs["state/parameters"]
        return all(np.array_equal(a[k][...], b[k][...]) for k in b)


if __name__ == "__main__":
    sys.exit(main())
