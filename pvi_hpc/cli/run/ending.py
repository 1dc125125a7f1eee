"""Stopping a workflow and its controllers, and what an earlier workflow left running."""

import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

import psutil
import typer

from pvi_hpc.config import Project
from pvi_hpc.errors import LeaseError
from pvi_hpc.execution.lease import Lease
from pvi_hpc.run.owner import live_owner, read_owner
from pvi_hpc.run.project import find_project
from pvi_hpc.run.workers import end_jobs
from pvi_hpc.store.atomic import write_text
from pvi_hpc.store.layout import ProjectPaths

__all__ = [
    "ask_controllers",
    "ask_to_stop",
    "end_survivors",
    "refuse_elsewhere",
    "stop_project",
]

#: Longest time to wait for a suspended controller [s].
PATIENCE_S: Final = 60.0


def stop_project(name: str) -> None:
    """Ask the workflow and the controllers of a project to stop at a safe point."""
    project = find_project(name)
    asked = ask_to_stop(project)
    ended = end_jobs(project)
    if not asked and not ended:
        typer.echo(
            f"Nothing of '{name}' is running. A workflow that is just starting stops, too."
        )
        return
    typer.echo(f"Asked to stop; state with: pvi status {name}. Go on with: pvi resume {name}")


def ask_to_stop(project: Project) -> bool:
    """Tell workflow and controllers, here by a signal, elsewhere by a file; False: none."""
    paths = ProjectPaths.of(project.name)
    asked = ask_controllers(project)
    return _ask(paths.owner, paths.stop) or asked


def ask_controllers(project: Project) -> bool:
    """Tell the controllers only; errors and result as `ask_to_stop`."""
    paths = ProjectPaths.of(project.name)
    try:
        # Reaches a controller on another host, or one that Snakemake is about to start. A
        # workflow that is starting compares its date with its own beginning.
        write_text(paths.stop, "")
    except OSError as error:
        typer.echo(
            f"Only this host is told: '{paths.stop}' cannot be written: {error}", err=True
        )
    asked = [_ask(lease.path, paths.stop) for lease in _leases(project)]
    return any(asked)


def refuse_elsewhere(project: Project) -> None:
    """Raise `LeaseError` if a live controller on another host works on a run."""
    for lease in _leases(project):
        lease.refuse_elsewhere()


def end_survivors(project: Project) -> None:
    """Stop controllers here that outlived their workflow, each at a checkpoint.

    Raises
    ------
    LeaseError
        If one is suspended, and stays so, or is another user's.
    """
    folder = ProjectPaths.of(project.name).folder
    for lease in _leases(project):
        process = live_owner(lease.path) if lease.held() else None
        if process is None:
            continue
        name = lease.path.parent.relative_to(folder)
        try:
            _terminate(process)
        except psutil.AccessDenied as error:
            raise LeaseError(
                f"Run '{name}' is worked on by process {process.pid} of user "
                f"{process.username()}, who alone can end it; ask for that, or wait."
            ) from error
        typer.echo(
            f"Run '{name}' outlived its workflow (process {process.pid}): stopping it at a "
            "checkpoint ..."
        )
        _wait(lease, process)


def _leases(project: Project) -> list[Lease]:
    runs = [ProjectPaths.of(project.name).run(run.name) for run in project.resolved]
    return [Lease(place.lease) for run in runs for place in run.workplaces]


def _wait(lease: Lease, process: psutil.Process) -> None:
    """Wait until a controller, which may have an iteration to finish, gives its lease back."""
    moved = time.monotonic()
    while lease.held():
        if not _suspended(process):
            moved = time.monotonic()
        elif time.monotonic() - moved > PATIENCE_S:
            raise LeaseError(
                f"The controller of '{lease.path.parent}', process {process.pid}, is suspended "
                f"and does not stop; let it go on with 'kill -CONT {process.pid}', or end it "
                f"with 'kill -KILL {process.pid}', then try again."
            )
        time.sleep(0.2)


def _suspended(process: psutil.Process) -> bool:
    try:
        return bool(process.status() == psutil.STATUS_STOPPED)
    except psutil.NoSuchProcess:
        return False


def _ask(path: Path, stop: Path) -> bool:
    """Tell whom a file names as owner; False if there is nobody."""
    try:
        owner = read_owner(path)
    except LeaseError as error:  # The others are told all the same.
        typer.echo(str(error), err=True)
        return False
    told = "told by a file" if stop.exists() else "stop it there"
    if owner.get("name", socket.gethostname()) != socket.gethostname():
        typer.echo(f"{path.parent} is worked on by {owner['name']}: {told}.")
        return True
    process = live_owner(path)
    if process is None:
        return False
    try:
        _terminate(process)
    except psutil.AccessDenied:
        user = f"user {process.username()} (process {process.pid})"
        typer.echo(f"{path.parent} is worked on by {user}: {told}.")
    return True


def _terminate(process: psutil.Process) -> None:
    with suppress(psutil.NoSuchProcess):
        process.terminate()
        time.sleep(0.1)
