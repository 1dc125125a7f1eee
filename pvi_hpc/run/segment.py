"""One segment of a run: lease, workers, newest checkpoint, iterations, manifest."""

import hashlib
import json
import logging
from contextlib import nullcontext
from pathlib import Path
from typing import NamedTuple

from pvi_hpc.config import Run
from pvi_hpc.cost import SimulationCount
from pvi_hpc.data.survey_file import file_hash
from pvi_hpc.errors import CheckpointError, StopRequestedError
from pvi_hpc.execution.lease import Lease
from pvi_hpc.inference.history import History
from pvi_hpc.priors.correlations.cell_files import files_of
from pvi_hpc.problem.forward import simulation_setup
from pvi_hpc.problem.problem import Problem
from pvi_hpc.run.controller import Controller, Progress, from_tree
from pvi_hpc.run.interrupt import StopFlag
from pvi_hpc.run.plan import total_iterations
from pvi_hpc.run.workers import workers_of
from pvi_hpc.store.atomic import write_text
from pvi_hpc.store.checkpoint import CheckpointStore
from pvi_hpc.store.layout import RunPaths
from pvi_hpc.store.state_id import StateId

__all__ = ["Fitted", "advance_run", "load_fitted", "newest_progress", "write_manifest"]

log = logging.getLogger(__name__)


class Fitted(NamedTuple):
    """Result of a run that is done, and the name of its last state."""

    progress: Progress
    id: StateId


def advance_run(
    run: Run, survey: Path, paths: RunPaths, until: int, stop: StopFlag
) -> Progress:
    """Advance a run to iteration `until`, from its newest checkpoint or from its start.

    A run that has converged stays as it is.

    Raises
    ------
    LeaseError
        If another controller works on the run.
    CheckpointError
        If the checkpoints belong to other settings or another survey.
    SimulationError, NonFiniteError
        If simulations fail for good; the newest checkpoint stays.
    """
    with Lease(paths.lease) as lease:
        problem = Problem.build(run, survey)
        store = _store(problem, survey, paths)
        progress = _newest(store) or Progress(
            problem.start(), History(), SimulationCount(), 0.0
        )
        if progress.reached(until) or stop:
            return progress
        simulates = run.inference.use_data
        workers = (
            workers_of(run, simulation_setup(run, survey), paths, stop.asked)
            if simulates
            else nullcontext()
        )
        try:
            with workers as simulator:
                controller = Controller(run, paths, problem.method(simulator), store, lease)
                return controller.advance(progress, until, stop)
        except StopRequestedError:  # Before the first worker was up.
            return progress


def newest_progress(problem: Problem, survey: Path, paths: RunPaths) -> Progress:
    """Return the newest state of a run, done or not.

    Raises
    ------
    CheckpointError
        If there is no checkpoint that verifies, or they belong to other settings.
    """
    progress = _newest(_store(problem, survey, paths))
    if progress is None:
        raise CheckpointError(
            f"'{paths.checkpoints}' has no checkpoint that verifies; run the inversion again."
        )
    return progress


def load_fitted(problem: Problem, survey: Path, paths: RunPaths) -> Fitted:
    """Return the last state of a run that is done.

    Raises
    ------
    CheckpointError
        If the run is not done, its newest checkpoint is damaged or gone, or of other settings.
        Where an older one is there, the segments count as not done any more, so that the
        workflow goes on from it the next time. Where none is, nothing is begun again unasked.
    """
    store, total = _store(problem, survey, paths), total_iterations(problem.run)
    progress = _newest(store)
    resume = f"pvi resume {paths.folder.parent.name}"
    if progress is None:
        raise CheckpointError(
            f"Run '{problem.run.name}' has no checkpoint in '{paths.checkpoints}'. Restore the "
            f"folder; or, to do the whole inversion again, remove '{paths.segments}' and run "
            f"'{resume}'."
        )
    if progress.reached(total):
        return Fitted(progress, StateId.of(store.fingerprint, progress.state.to_tree()))
    for manifest in paths.segments.glob("*.json"):
        manifest.unlink(missing_ok=True)
    raise CheckpointError(
        f"Run '{problem.run.name}' is not done: its newest checkpoint that verifies in "
        f"'{paths.checkpoints}' is of iteration {progress.state.iteration} of {total}. Its "
        f"segments are marked as not done; '{resume}' does what is missing."
    )


def write_manifest(path: Path, run: Run, progress: Progress) -> None:
    """Write the file that tells Snakemake that a segment is done."""
    tree = {
        "run": run.name,
        "fingerprint": run.fingerprint(),
        "iteration": progress.state.iteration,
        "converged": progress.state.converged,
        "simulations": progress.count.done,
        "seconds": progress.seconds,
    }
    write_text(path, json.dumps(tree, indent=1) + "\n")


def _store(problem: Problem, survey: Path, paths: RunPaths) -> CheckpointStore:
    # Other data or another start are another problem, also where the settings are the same.
    start = hashlib.sha256(problem.model_map.start.tobytes())
    for path in files_of(problem.run.prior):
        start.update(file_hash(path).encode())
    parts = (problem.run.fingerprint(), file_hash(survey)[:16], start.hexdigest()[:16])
    fingerprint = "-".join(parts)
    return CheckpointStore(paths.checkpoints, fingerprint)


def _newest(store: CheckpointStore) -> Progress | None:
    checkpoint = store.load_latest()
    if checkpoint is None:
        return None
    for line in checkpoint.skipped:
        log.warning("Skipped checkpoint: %s", line)
    log.info("Going on at iteration %d (%s)", checkpoint.iteration, checkpoint.path)
    return from_tree(checkpoint.tree)
