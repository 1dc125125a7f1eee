"""Ends the worker jobs of runs whose controllers are gone."""

import logging

from pvi_hpc.config import Project
from pvi_hpc.errors import SimulationError
from pvi_hpc.execution.cluster.worker_jobs import BatchExecutor
from pvi_hpc.execution.executor import Workplace, load_executor
from pvi_hpc.execution.lease import Lease
from pvi_hpc.execution.ledger import Ledger
from pvi_hpc.store.layout import ProjectPaths

__all__ = ["end_jobs"]

log = logging.getLogger(__name__)


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
        except SimulationError as error:
            log.warning("Worker jobs of run '%s' cannot be ended here: %s", run.name, error)
    return ended
