"""Do more MPI ranks give the same traces and gradient?

Started by `check_ranks` as `mpiexec -n R python -m mpi4py
-m pvi_hpc.selftest.solver.ranks FOLDER`.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from mpi4py import MPI

from pvi_hpc.errors import SolverError
from pvi_hpc.forward.acoustic.acoustic_solver import (
    AcousticSolver,
    SolverSettings,
    decomposition,
)
from pvi_hpc.selftest.outcome import Outcome, passed
from pvi_hpc.selftest.solver.case import VerifyCase

__all__ = ["check_ranks", "main"]

TIMEOUT_S = 600


def check_ranks(case: VerifyCase, ranks: Sequence[int]) -> Iterator[Outcome]:
    """Yield the largest difference from one rank, for every number of ranks."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "case.json").write_text(json.dumps(asdict(case)))
        alone = _run(1, folder)
        for n in ranks:
            label = f"{n} ranks against 1"
            try:
                decomposition(case.settings, n)
            except SolverError as error:
                yield passed(label, f"not run: {error}")
                continue
            shared = _run(n, folder)
            worst = max(
                float(np.abs(shared[key] - alone[key]).max() / np.abs(alone[key]).max())
                for key in alone
            )
            yield Outcome.below(label, worst, 1e-11, "The MPI of this environment is broken.")


def _run(n: int, folder: Path) -> dict[str, np.ndarray]:
    beside = Path(sys.prefix) / "bin" / "mpiexec"
    mpiexec = str(beside) if beside.exists() else shutil.which("mpiexec")
    if mpiexec is None:
        raise SolverError("there is no mpiexec; install an MPI, see docs/guide/install.md.")
    command = [mpiexec, "-n", str(n), sys.executable, "-m", "mpi4py", "-m"]
    done = subprocess.run(
        [*command, "pvi_hpc.selftest.solver.ranks", str(folder)],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )
    if done.returncode != 0:
        raise SolverError(f"{n} ranks ended with {done.returncode}: {done.stderr[-2000:]}")
    with np.load(folder / "result.npz", allow_pickle=False) as arrays:
        return dict(arrays)


def main() -> None:
    """Simulate one shot and its gradient on all ranks; rank 0 saves them."""
    folder, comm = Path(sys.argv[1]), MPI.COMM_WORLD
    tree: dict[str, Any] = json.loads((folder / "case.json").read_text())
    settings: dict[str, Any] = tree["settings"]
    for name in ("shape", "spacing"):
        settings[name] = tuple(settings[name])
    tree["settings"] = SolverSettings(**settings)
    case, rng = VerifyCase(**tree), np.random.default_rng(3)
    with AcousticSolver(case.settings, comm) as solver:
        solver.set_model(case.model(rng))
        source, receivers = case.points(rng, 1)[0], case.points(rng, 6)
        traces = solver.forward(source, case.wavelet(), receivers, store=True)
        gradient = solver.gradient(rng.standard_normal(traces.shape))
    if gradient is not None:
        np.savez(folder / "result.npz", traces=traces, gradient=gradient)


if __name__ == "__main__":
    main()
