"""The workers of a run, as the simulator that its inference uses."""

import logging
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pvi_hpc.config import Project, Run
from pvi_hpc.data.survey import Survey
from pvi_hpc.data.survey_file import write_survey
from pvi_hpc.errors import SimulationError
from pvi_hpc.execution.executor import LeavesJobs, Workplace, load_executor, never
from pvi_hpc.execution.lease import Lease
from pvi_hpc.execution.ledger import Ledger
from pvi_hpc.forward.setup import SimulationSetup
from pvi_hpc.problem.forward import simulation_setup
from pvi_hpc.store.layout import ProjectPaths, RunPaths

if TYPE_CHECKING:
    from pvi_hpc.execution.dask_simulator import DaskSimulator

__all__ = ["end_jobs", "simulate_survey", "workers_of"]

log = logging.getLogger(__name__)


def end_jobs(project: Project) -> int:
    """Cancel what dead controllers of a project left in the queue; return how many jobs.

    A live controller ends its own.
    """
    paths, ended = ProjectPaths.of(project.name), 0
    for run in project.resolved:
        for files in paths.run(run.name).workplaces:
            place = Workplace(files.folder, Ledger(files.ledger))
            try:
                executor = load_executor(run.execution, place)
                if isinstance(executor, LeavesJobs) and not Lease(files.lease).held():
                    ended += executor.cancel_leftovers()
            except SimulationError as error:
                told = "Worker jobs of '%s' cannot be ended here: %s"
                log.warning(told, files.folder.relative_to(paths.folder), error)
    return ended


@contextmanager
def workers_of(
    run: Run, setup: SimulationSetup, paths: RunPaths, stop: Callable[[], bool] = never
) -> "Iterator[DaskSimulator]":
    """Yield a simulator whose workers are up; they are gone when the block is left.

    Raises
    ------
    StopRequestedError
        If `stop` says so while there are no workers.
    """
    # It brings Dask, which takes a second that commands without workers do not wait.
    from pvi_hpc.execution.dask_simulator import DaskSimulator

    ledger = Ledger(paths.ledger)
    executor = load_executor(run.execution, Workplace(paths.folder, ledger, stop))
    with DaskSimulator(executor, setup, run.execution, ledger) as simulator:
        yield simulator


def simulate_survey(
    run: Run, geometry: Survey, model: NDArray[np.float32], folder: Path
) -> list[NDArray[np.float32]]:
    """Return the clean traces of a model, `(n_receivers, n_samples)` a shot.

    `folder` is one that workers on other nodes see; a folder in it is made, whose name no run
    can have, and removed when all went well.
    """
    paths = RunPaths(folder / ".simulation")
    paths.folder.mkdir(parents=True, exist_ok=True)
    with Lease(paths.lease):
        file = paths.folder / "geometry.h5"
        write_survey(geometry, file)
        with workers_of(run, simulation_setup(run, file), paths) as simulator:
            traces = simulator.simulate(model[None], [range(len(geometry.shots))])[0]
    shutil.rmtree(paths.folder, ignore_errors=True)
    return traces
