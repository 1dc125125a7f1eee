"""The share of an iteration's wall time that two local workers spend simulating.

    python benchmarks/local_efficiency.py

The demo's mean-field run (config/demo.yaml) as it is, real controller, workers, gangs and
solver, with so many more time steps that a simulation takes `--seconds`. Printed:

simulation   forward and adjoint run of one shot, on its worker [s]
iteration    wall time with checkpoint, the median [s]
share        simulation seconds of both workers / (2 x wall time), the median
"""

import argparse
import itertools
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from pvi_hpc.config import Run, load_project
from pvi_hpc.data.survey_file import write_survey
from pvi_hpc.problem.forward import survey_geometry
from pvi_hpc.run import controller
from pvi_hpc.run.interrupt import StopFlag
from pvi_hpc.run.segment import advance_run
from pvi_hpc.store.layout import RunPaths

DEMO = Path(__file__).parents[1] / "config" / "demo.yaml"
#: Time steps of a data sample in the run that tells how long one takes.
TRIAL = 4


def make_run(iterations: int, steps: int) -> Run:
    """Return the demo's mean-field run without its MAP phase."""
    run = load_project(DEMO).shared_run
    return run.model_copy(
        update={
            "start": run.start.model_copy(update={"map_iterations": 0}),
            "inference": run.inference.model_copy(update={"iterations": iterations}),
            "forward": run.forward.model_copy(update={"steps_per_sample": steps}),
        }
    )


def measure(iterations: int, steps: int) -> tuple[float, np.ndarray[Any, Any], float]:
    """Return seconds of a simulation, of each iteration but the first, and the share."""
    run, ends = make_run(iterations, steps), []
    report = controller.Controller._report

    def note(self: Any, progress: Any, *arguments: Any) -> None:
        ends.append((time.perf_counter(), progress.count))
        report(self, progress, *arguments)

    controller.Controller._report = note  # type: ignore[method-assign]
    geometry = survey_geometry(run)
    rng = np.random.default_rng(1)
    shape = len(geometry.shots[0].receivers), geometry.n_samples
    with tempfile.TemporaryDirectory() as folder:
        survey = Path(folder) / "survey.h5"
        write_survey(
            geometry.with_data([rng.standard_normal(shape) for _ in geometry.shots]), survey
        )
        advance_run(run, survey, RunPaths(Path(folder) / "run"), iterations, StopFlag())
    controller.Controller._report = report  # type: ignore[method-assign]
    # The first iteration starts the gangs; the last entry is the end of the run.
    pairs = list(itertools.pairwise(ends[1:-1]))
    walls = np.array([b[0] - a[0] for a, b in pairs])
    simulated = np.array([b[1].seconds - a[1].seconds for a, b in pairs])
    done = sum(b[1].done - a[1].done for a, b in pairs)
    share = float(np.median(simulated / (run.execution.workers * walls)))
    return simulated.sum() / done, walls, share


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=5.0, help="a simulation")
    parser.add_argument("--iterations", type=int, default=5)
    a = parser.parse_args()
    trial, _, share = measure(4, TRIAL)
    print(f"trial: simulation {trial:.2f} s, share {share:.1%}", flush=True)
    steps = max(1, round(TRIAL * a.seconds / trial))
    seconds, walls, share = measure(a.iterations, steps)
    print(f"{steps} steps a sample: simulation {seconds:.2f} s, iteration "
          f"{np.median(walls):.2f} s, share {share:.1%}")  # fmt: skip


if __name__ == "__main__":
    main()
