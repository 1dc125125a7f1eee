"""One segment of a run: lease, workers, newest checkpoint, iterations, manifest."""

import hashlib
import json
import logging
from contextlib import nullcontext
from pathlib import Path

from pvi_hpc.config import Run
from pvi_hpc.cost import SimulationCount
from pvi_hpc.data.survey_file import file_hash
from pvi_hpc.errors import CheckpointError, StopRequestedError
from pvi_hpc.execution.lease import Lease
from pvi_hpc.inference.history import History
from pvi_hpc.problem.forward import simulation_setup
from pvi_hpc.problem.problem import Problem
from pvi_hpc.run.controller import Controller, Progress, from_tree
from pvi_hpc.run.interrupt import StopFlag
from pvi_hpc.run.workers import workers_of
from pvi_hpc.store.atomic import write_text
from pvi_hpc.store.checkpoint import CheckpointStore
from pvi_hpc.store.layout import RunPaths

__all__ = ["advance_run", "load_progress", "write_manifest"]

log = logging.getLogger(__name__)


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
            workers_of(run, simulation_setup(run, survey), paths, stop.__bool__)
            if simulates
            else nullcontext()
        )
        try:
            with workers as simulator:
                controller = Controller(run, paths, problem.method(simulator), store, lease)
                return controller.advance(progress, until, stop)
        except StopRequestedError:  # Before the first worker was up.
            return progress


def load_progress(problem: Problem, survey: Path, paths: RunPaths) -> Progress:
    """Return the newest checkpoint of a run that has one; errors as `advance_run`."""
    progress = _newest(_store(problem, survey, paths))
    if progress is None:
        raise CheckpointError(
            f"'{paths.checkpoints}' has no checkpoint that verifies; run the inversion again."
        )
    return progress


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
    start = hashlib.sha256(problem.model_map.start.tobytes()).hexdigest()
    parts = (problem.run.fingerprint(), file_hash(survey)[:16], start[:16])
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
