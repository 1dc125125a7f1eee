"""Ends the worker jobs of runs whose controllers are gone."""

from pvi_hpc.config import Project
from pvi_hpc.errors import SimulationError
from pvi_hpc.execution.executor import Workplace, load_executor
from pvi_hpc.execution.lease import Lease
from pvi_hpc.execution.ledger import Ledger
from pvi_hpc.execution.worker_jobs import BatchExecutor
from pvi_hpc.store.layout import ProjectPaths

__all__ = ["end_jobs"]


def end_jobs(project: Project) -> int:
    """Cancel what dead controllers of a project left in the queue; return how many jobs.

    A live controller ends its own.
    """
    paths, ended = ProjectPaths.of(project.name), 0
    for run in project.resolved:
        files = paths.run(run.name)
        place = Workplace(files.folder, Ledger(files.ledger))
        try:
            executor = load_executor(run.execution, place)
            if isinstance(executor, BatchExecutor) and not Lease(files.lease).held():
                ended += executor.cancel_leftovers()
        except SimulationError:
            continue  # No batch system here: nothing of this run can wait in it.
    return ended
