"""Memory of a gradient by a worker's gang, measured and as `pvi check` predicts it.

Every case runs as in an inversion: a Dask worker of this machine, its gang of MPI ranks, the
storage of gradients that is chosen by default. The last line is a JSON object.
"""

import argparse
import json
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from pvi_hpc.data.survey import Shot, Survey, Wavelet
from pvi_hpc.data.survey_file import file_hash, write_survey
from pvi_hpc.execution.cluster.local import LocalExecutor
from pvi_hpc.execution.dask_simulator import DaskSimulator
from pvi_hpc.execution.settings import ExecutionSettings
from pvi_hpc.forward.acoustic.history.storage_choice import Choice, RunSize, choose_storage
from pvi_hpc.forward.acoustic.history.storage_request import StorageWish
from pvi_hpc.forward.acoustic.setup import AcousticSetup
from pvi_hpc.forward.acoustic.solver_settings import SolverSettings
from pvi_hpc.forward.acoustic.stability import max_time_step
from pvi_hpc.forward.setup import SimulationSetup
from pvi_hpc.grid import Grid

__all__: list[str] = []

SPACING = (20.0, 20.0, 20.0)
SLOWEST, FASTEST, PEAK = 1500.0, 4500.0, 5.0
#: Cells as z, y, x; time steps; ranks; storage; one step kept of so many (0: as by default).
CASES = (
    "48x64x80:200:1:auto:0",
    "100x100x100:200:1:full:0",
    "100x100x100:200:2:full:0",
    "128x128x128:300:1:auto:0",
    "128x128x128:300:2:auto:0",
    "100x160x160:120:1:auto:1",
)


@dataclass(frozen=True)
class Case:
    """One gradient of one shot."""

    shape: tuple[int, int, int]
    steps: int
    ranks: int
    kind: Any
    every: int

    @classmethod
    def read(cls, text: str) -> "Case":
        """Return the case that a text like those of `CASES` names."""
        shape, steps, ranks, kind, every = text.split(":")
        nz, ny, nx = map(int, shape.split("x"))
        return cls((nz, ny, nx), int(steps), int(ranks), kind, int(every))

    def setup(
        self, survey: Path, memory_gb: float, n_rec: int, threads: int
    ) -> SimulationSetup:
        """Return the forward problem; its survey is written to `survey`."""
        dt = 0.9 * max_time_step(FASTEST, SPACING)
        write_survey(self._survey(dt, n_rec), survey)
        wish = StorageWish(self.kind, self.every or None, memory_gb, f_max=3 * PEAK)
        solver = SolverSettings(self.shape, SPACING, dt, FASTEST, PEAK, threads=threads)
        grid = Grid(self.shape, SPACING, (0.0, 0.0, 0.0))
        setup = AcousticSetup(grid, solver, self.steps, 1, wish)
        return setup.to_setup(str(survey), file_hash(survey))

    def model(self) -> Any:
        """Return a model `(nz, ny, nx)` [m/s] that gets faster with depth."""
        depth = np.linspace(SLOWEST, 0.95 * FASTEST, self.shape[0], dtype=np.float32)
        return np.broadcast_to(depth[:, None, None], self.shape).copy()

    def _survey(self, dt: float, n_rec: int) -> Survey:
        extent = (np.array(self.shape) - 1) * SPACING
        rng = np.random.default_rng(0)
        receivers = rng.uniform(0.1, 0.9, (n_rec, 3)) * extent
        data = np.zeros((n_rec, self.steps), np.float32)
        shot = Shot(1, 0.3 * extent, receivers, data, np.ones(n_rec))
        arg = (np.pi * PEAK * (np.arange(self.steps) * dt - 1.2 / PEAK)) ** 2
        wavelet = Wavelet((1 - 2 * arg) * np.exp(-arg), dt)
        return Survey((shot,), wavelet, dt, self.steps)


def measure(case: Case, setup: SimulationSetup) -> dict[str, float]:
    """Return seconds of a gradient, and peaks of the largest rank and of its worker [GB]."""
    execution = ExecutionSettings(
        workers=1, ranks=case.ranks, threads=setup.threads, timeout_s=1e4
    )
    with DaskSimulator(LocalExecutor(), setup, execution) as simulator:
        start = time.perf_counter()
        simulator.misfit_and_gradient(case.model()[None], [[0]])
        seconds = time.perf_counter() - start
        ranks, keepers = of_module("mpi4py"), of_module("pvi_hpc.execution.gang.keeper")
        peaks = [peak_gb(rank.pid) for rank in ranks]
        worker = peak_gb(keepers[0].ppid())
    assert len(peaks) == case.ranks
    return {"seconds": seconds, "rank_gb": max(peaks), "worker_gb": worker}


def of_module(name: str) -> list[psutil.Process]:
    """Return the processes below this one that run `python -m NAME`."""
    children = psutil.Process().children(recursive=True)
    return [p for p in children if p.cmdline()[1:3] == ["-m", name]]


def peak_gb(pid: int) -> float:
    """Return the largest resident size that a process has had [GB]."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    values = dict(line.split(":", 1) for line in lines)
    return int(values["VmHWM"].split()[0]) * 1024 / 1e9


def chosen(setup: SimulationSetup, case: Case, n_rec: int) -> Choice:
    """Return the storage and the memory that `pvi check` says."""
    acoustic = AcousticSetup.from_setup(setup)
    size = RunSize(acoustic.n_steps, n_rec, case.ranks)
    return choose_storage(acoustic.solver, size, acoustic.storage)


def main() -> None:
    """Print a row a case and all of them as the last line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", nargs="+", default=CASES, help="NZxNYxNX:STEPS:RANKS:KIND:N")
    parser.add_argument("--memory-gb", type=float, default=8.0, help="of a rank, at most")
    parser.add_argument("--receivers", type=int, default=200)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    print(f"{'cells, steps, ranks':>28}  model GB   peak GB  ratio  worker GB  seconds  kept")
    rows = []
    for text in arguments.cases:
        case, n_rec = Case.read(text), arguments.receivers
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "survey.h5"
            setup = case.setup(path, arguments.memory_gb, n_rec, arguments.threads)
            choice = chosen(setup, case, n_rec)
            row = measure(case, setup) | {"model_gb": choice.memory / 1e9}
        ratio = row["model_gb"] / row["rank_gb"]
        rows.append({"case": text, **row, "model_over_peak": ratio})
        print(
            f"{text:>28}  {row['model_gb']:8.3f}  {row['rank_gb']:8.3f}  {ratio:5.3f}  "
            f"{row['worker_gb']:9.3f}  {row['seconds']:7.1f}  "
            f"{choice.storage.describe(case.steps)}",
            flush=True,
        )
    print(json.dumps(rows))


if __name__ == "__main__":
    main()
