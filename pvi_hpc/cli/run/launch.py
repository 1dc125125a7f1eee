"""Starting and resuming a workflow; Snakemake does the work."""

import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import psutil
import typer

from pvi_hpc.cli.run.ending import end_survivors, refuse_elsewhere
from pvi_hpc.cli.run.process import Workflow
from pvi_hpc.cli.shipped import shipped
from pvi_hpc.config import Project, load_project
from pvi_hpc.config.site import SITE_FILE, site_of
from pvi_hpc.errors import ConfigError, LeaseError
from pvi_hpc.run.interrupt import EXIT_STOPPED, StopFlag
from pvi_hpc.run.owner import begin_workflow, live_owner
from pvi_hpc.run.plan import refuse_changed_runs
from pvi_hpc.run.project import read_statuses
from pvi_hpc.store.layout import ProjectPaths

__all__ = ["EXIT_FAILED", "find_profile", "launch"]

#: Exit code of a workflow of which a step failed.
EXIT_FAILED: Final = 1
#: Folder of the locks of Snakemake; empty unless it runs or was killed.
LOCKS: Final = Path(".snakemake/locks")
#: A disk that does not take so much is full [bytes].
PROBE: Final = 2**16
#: Number of lines of a failed step's log that are shown.
TAIL: Final = 15


def launch(config: str, profile: Path, extra: Sequence[str], *, unlock: bool = False) -> int:
    """Run Snakemake on a configuration and show progress.

    Return 0 where all is done, `EXIT_STOPPED` where it stopped on request, else
    `EXIT_FAILED`.

    Raises
    ------
    ConfigError, CheckpointError
        If the configuration is wrong, or not that of a run that was begun.
    LeaseError
        If another workflow runs in this directory.
    """
    profile = find_profile(profile)
    path, project = _find_config(config, profile)
    refuse_changed_runs(project)
    _refuse_second(project)
    workflow = Workflow(project, profile, ["--configfile", str(path), *extra])
    if unlock:
        refuse_elsewhere(project)
        workflow.unlock()
        end_survivors(project)
    paths = ProjectPaths.of(project.name)
    # Who ends this process means the whole workflow. Snakemake alone would wait for its
    # jobs; the controllers stop at a checkpoint.
    with StopFlag(paths.stop) as stop:
        began = begin_workflow(paths)
        if stop:
            typer.echo(f"Stopped by {stop.received} before anything was started.")
            return EXIT_STOPPED
        typer.echo(
            f"Project '{project.name}': log in {workflow.log}, state with: pvi status "
            f"{project.name}"
        )
        code = workflow.run(stop)
        return _conclude(workflow, code, stop, began)


def find_profile(profile: Path) -> Path:
    """Return a profile's folder: here, or the one for this machine, which comes along.

    Raises
    ------
    ConfigError
        If there is none, or it is one that a site must adapt before its first use.
    """
    if profile.is_dir():
        return profile
    known = {path.name: path for path in shipped("cluster_profiles").iterdir()}
    own = known.get(profile.name)
    if own is None or profile != Path("cluster_profiles") / profile.name:
        raise ConfigError(
            f"'--profile' must be a folder such as cluster_profiles/local, got '{profile}'; "
            f"'pvi init --profile NAME' copies one here: {', '.join(sorted(known))}."
        )
    if site_of(own) is not None:
        raise ConfigError(
            f"'--profile {profile}' is not in this folder, and must be adapted to your site: "
            f"copy it with 'pvi init --profile {own.name}', then edit {profile}/{SITE_FILE}."
        )
    return own


def _find_config(config: str, profile: Path) -> tuple[Path, Project]:
    path = Path(config)
    if not path.exists() and not path.suffix:
        path = ProjectPaths.of(config).config
    if not path.exists():
        raise ConfigError(f"There is no configuration '{config}', and no project of that name.")
    return path, load_project(path, site=site_of(profile))


def _refuse_second(project: Project) -> None:
    """Raise `LeaseError` if a workflow, of this project or another, runs in this directory."""
    for path in sorted(Path("results").glob(f"*/{ProjectPaths.of(project.name).owner.name}")):
        owner = live_owner(path)
        if owner is not None:
            raise LeaseError(_second(owner.pid, path.parent.name))
    for process in psutil.process_iter(["cmdline", "cwd"]):
        words = process.info["cmdline"] or []
        called = words[1:3] == ["-m", "snakemake"] or "snakemake" in map(_name, words[:2])
        if called and process.info["cwd"] == str(Path.cwd()):
            raise LeaseError(_second(process.pid, None))


def _second(pid: int, running: str | None) -> str:
    stop = f"pvi stop {running}" if running else f"kill {pid}"
    of = f" (of the project '{running}')" if running else ""
    return (
        f"A workflow is still running in this directory: process {pid}{of}. One directory "
        f"holds one workflow at a time: wait for it, stop it with '{stop}', or start the other "
        "one in a directory of its own."
    )


def _name(word: str) -> str:
    return Path(word).name


def _conclude(workflow: Workflow, code: int, stop: StopFlag, began: float) -> int:
    """Say how a workflow ended; return the exit code."""
    project, lines = workflow.project, workflow.new_lines()
    if code == 0:
        typer.echo(_done(workflow.paths, lines, began))
        return 0
    stopped = bool(stop) or _runs_stopped(project, began)
    if stopped and any(LOCKS.glob("*")):
        with suppress(ConfigError):  # `pvi resume` tries again
            workflow.unlock()
    if any("LockException" in line for line in lines):
        typer.echo(
            "Snakemake's lock of this directory is taken: another workflow runs in it, perhaps "
            f"on another host, or one was killed. 'pvi resume {project.name}' removes what a "
            "killed one left.",
            err=True,
        )
    elif not stopped:
        _show_logs(lines)
        _say_if_full(workflow.paths.folder)
    if stopped:
        typer.echo(
            f"Stopped; nothing that was computed is lost. Go on with: pvi resume {project.name}"
        )
        return EXIT_STOPPED
    typer.echo(
        f"The workflow ended with code {code}; nothing that was computed is lost. "
        f"Whole log: {workflow.log}. Go on with: pvi resume {project.name}",
        err=True,
    )
    return EXIT_FAILED


def _done(paths: ProjectPaths, lines: Sequence[str], began: float) -> str:
    page = paths.report / "index.html"
    if page.exists():
        nothing = any(line.startswith("Nothing to be done") for line in lines)
        if nothing or page.stat().st_mtime >= began:
            return f"Done. Open {page}"
    return "Snakemake did what it was asked for; the report was not made."


def _say_if_full(folder: Path) -> None:
    """Say that the disk takes no more: logs that are on it cannot."""
    try:
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(bytes(PROBE))
            probe.flush()
    except OSError as error:
        typer.echo(
            f"The disk of '{folder}' takes nothing more: {error.strerror}. Make room (for "
            "files too: 'df -i'), or make the folder writable.",
            err=True,
        )


def _runs_stopped(project: Project, began: float) -> bool:
    """Return whether controllers stopped, say at the end of their jobs, and none failed."""
    states = {s.state for s in read_statuses(project) if s.updated >= began}
    return "stopped" in states and "failed" not in states


def _show_logs(lines: Sequence[str]) -> None:
    logs = [Path(line.split()[1]) for line in lines if line.strip().startswith("log: ")]
    for path in dict.fromkeys(logs):
        if path.exists() and "Error" in (text := path.read_text(errors="replace")):
            typer.echo(f"--- end of {path}", err=True)
            typer.echo("\n".join(text.splitlines()[-TAIL:]), err=True)
    if not logs:
        typer.echo("\n".join(lines[-TAIL:]), err=True)
