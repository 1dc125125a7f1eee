"""Cost of controller and scheduler beside simulations of a given duration and model size.

    python benchmarks/scheduling.py --workers 64 --seconds 10 --cells 1000000

Runs the real controller, inference, dispatcher and Dask scheduler; workers and their solver
are those of benchmarks/light_workers.py. Every row is a run in a process of its own:

ideal        simulations of an iteration / workers [s]
iteration    time from one iteration to the next, checkpoints included [s], the median
efficiency   ideal / iteration
batch        of what is not ideal: sending models, placing, summing, fetching gradients [s]
update       of what is not ideal: the variational update and checkpoints [s]
CPU          of the process of controller and scheduler, an iteration [s]
memory       the most that process held [MiB]
"""

import argparse
import itertools
import multiprocessing
import resource
import statistics
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from light_workers import LightExecutor

from pvi_hpc.config import Run
from pvi_hpc.data.survey_file import write_survey
from pvi_hpc.execution.dask_simulator import DaskSimulator
from pvi_hpc.problem.forward import survey_geometry
from pvi_hpc.run import workers
from pvi_hpc.run.interrupt import StopFlag
from pvi_hpc.run.segment import advance_run
from pvi_hpc.store.layout import RunPaths

SHAPES = {
    15_680: (20, 28, 28),  # config/demo.yaml
    100_000: (40, 50, 50),
    1_000_000: (100, 100, 100),
    10_000_000: (200, 200, 250),
}


@dataclass(frozen=True)
class Case:
    """One row: `tasks` simulations for each worker and iteration, of `seconds` each.

    A sample has at most `shots` of them.
    """

    workers: int
    seconds: float
    cells: int
    tasks: int
    shots: int
    iterations: int


class TimedSimulator(DaskSimulator):
    """Notes when batches begin and end, and the CPU time of this process."""

    marks: list[tuple[float, float, float]]

    def misfit_and_gradient(self, models: Any, shots: Any, precisions: Any = ()) -> Any:
        """Simulate; see DaskSimulator."""
        start, cpu = time.perf_counter(), time.process_time()
        result = super().misfit_and_gradient(models, shots, precisions)
        TimedSimulator.marks.append((start, time.perf_counter(), cpu))
        return result


def measure(case: Case) -> str:
    """Run a case and return its row."""
    TimedSimulator.marks = []
    workers.load_executor = lambda *_: LightExecutor(case.seconds)  # type: ignore[attr-defined]
    workers.DaskSimulator = TimedSimulator  # type: ignore[misc,attr-defined]
    run = make_run(case)
    with tempfile.TemporaryDirectory() as folder:
        survey, paths = Path(folder) / "survey.h5", RunPaths(Path(folder) / "run")
        write_survey(with_noise(survey_geometry(run)), survey)
        advance_run(run, survey, paths, case.iterations, StopFlag())
    starts, ends, cpus = zip(*TimedSimulator.marks, strict=True)
    whole = statistics.median(b - a for a, b in itertools.pairwise(starts))
    batch = statistics.median(b - a for a, b in zip(starts, ends, strict=True))
    cpu = statistics.median(b - a for a, b in itertools.pairwise(cpus))
    ideal = case.tasks * case.seconds
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return (
        f"{case.workers:7d} {case.cells:9d} {case.seconds:8.1f} {case.tasks:5d} {ideal:8.2f} "
        f"{whole:9.2f} {ideal / whole:10.1%} {batch - ideal:7.2f} {whole - batch:7.2f} "
        f"{cpu:6.2f} {memory:7.0f}"
    )


def make_run(case: Case) -> Run:
    """Return a run with as many simulations an iteration as the case asks for."""
    tasks = case.workers * case.tasks
    shots = next(n for n in range(min(case.shots, tasks // 2), 0, -1) if tasks % (2 * n) == 0)
    line = {"first_m": 100, "last_m": 900, "n": shots}
    points = {"depth_m": 50, "x": {"first_m": 500, "last_m": 500, "n": 1}}
    synthetic = {
        "model": {"velocity_top_m_s": 2100, "velocity_bottom_m_s": 3000},
        "sources": {**points, "y": line},
        "receivers": {**points, "y": {**line, "n": 2}},
        "n_samples": 201,
        "dt_s": 0.005,
        "noise_level": 0.1,
    }
    return Run.model_validate(
        {
            "name": "scheduling",
            "grid": {"shape": SHAPES[case.cells], "spacing_m": 50},
            "survey": {
                "format": "synthetic",
                "wavelet": {"ricker": {"peak_hz": 4, "delay_s": 0.3}},
                "synthetic": synthetic,
            },
            "prior": {
                "kind": "uniform",
                "depth_m": [0, 1000],
                "lower_m_s": [1600, 2300],
                "upper_m_s": [2700, 4000],
            },
            "inference": {"iterations": case.iterations, "samples": tasks // shots},
            "execution": {
                "workers": case.workers,
                "shots_per_task": 1,
                "controller_threads": 2,
            },
        }
    )


def with_noise(geometry: Any) -> Any:
    """Return the survey with data, which nobody looks at."""
    rng = np.random.default_rng(1)
    traces = (len(geometry.shots[0].receivers), geometry.n_samples)
    return geometry.with_data([rng.standard_normal(traces) for _ in geometry.shots])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workers", type=int, nargs="+", default=[16, 64, 256])
    parser.add_argument("--seconds", type=float, nargs="+", default=[1.0], help="a simulation")
    parser.add_argument("--cells", type=int, nargs="+", default=[100_000], choices=SHAPES)
    parser.add_argument("--tasks", type=int, default=2, help="of a worker an iteration")
    parser.add_argument("--shots", type=int, default=16, help="of a sample, at most")
    parser.add_argument("--iterations", type=int, default=4)
    a = parser.parse_args()
    print("workers     cells  seconds tasks    ideal iteration efficiency   batch  update    "
          "CPU  memory")  # fmt: skip
    spawn = multiprocessing.get_context("spawn")
    for size in itertools.product(a.workers, a.seconds, a.cells):
        case = Case(*size, a.tasks, a.shots, a.iterations)
        with ProcessPoolExecutor(1, mp_context=spawn) as pool:
            print(pool.submit(measure, case).result(), flush=True)


if __name__ == "__main__":
    main()
