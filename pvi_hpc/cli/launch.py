"""Starting and resuming a workflow; Snakemake does the work."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import psutil
import typer

import pvi_hpc
from pvi_hpc.cli.ending import ask_to_stop, end_survivors, refuse_elsewhere
from pvi_hpc.cli.progress import Display, progress_display
from pvi_hpc.config import Project, load_project
from pvi_hpc.config.site import site_of
from pvi_hpc.errors import ConfigError
from pvi_hpc.run.interrupt import EXIT_STOPPED
from pvi_hpc.run.plan import refuse_changed_runs
from pvi_hpc.store.layout import ProjectPaths

__all__ = ["find_profile", "launch"]

ROOT = Path(pvi_hpc.__file__).parents[1]
#: Number of lines of a failed step's log that are shown.
TAIL = 15


def launch(config: str, profile: Path, extra: Sequence[str], *, unlock: bool = False) -> int:
    """Run Snakemake on a configuration and show progress; return its exit code."""
    profile = find_profile(profile)
    path, project = _find_config(config, profile)
    refuse_changed_runs(project)
    command = [*_snakemake(profile), "--configfile", str(path), *extra]
    if unlock:
        refuse_elsewhere(project)
        _unlock(command, project)
        end_survivors(project)
    log = ProjectPaths.of(project.name).log
    log.parent.mkdir(parents=True, exist_ok=True)
    typer.echo(f"Project '{project.name}': log in {log}, state with: pvi status {project.name}")
    with log.open("a") as stream:
        start = stream.tell()
        process = subprocess.Popen(
            command,
            stdout=stream,
            stderr=subprocess.STDOUT,
            env=_environment(),
            preexec_fn=_ignore_warnings_of_the_end,
        )
        # Who ends this process means the whole workflow. Snakemake alone would wait for its
        # jobs; the controllers stop at a checkpoint.
        asked = []
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
            signal.signal(number, lambda *_: asked.append(ask_to_stop(project)))
        code = _follow(process, project, log, start)
    _conclude(project, log, start, code)
    return EXIT_STOPPED if code and asked else code


def _ignore_warnings_of_the_end() -> None:
    # Snakemake would die of what a batch system sends to all of a job; `pvi segment` listens.
    for number in (signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)


def _find_config(config: str, profile: Path) -> tuple[Path, Project]:
    path = Path(config)
    if not path.exists() and not path.suffix:
        path = ProjectPaths.of(config).config
    if not path.exists():
        raise ConfigError(f"There is no configuration '{config}', and no project of that name.")
    return path, load_project(path, site=site_of(profile))


def find_profile(profile: Path) -> Path:
    """Return a profile's folder: here, or one that comes with the package.

    Raises
    ------
    ConfigError
        If there is none.
    """
    if not profile.exists() and not profile.is_absolute():
        profile = ROOT / profile
    if not profile.is_dir():
        raise ConfigError(
            f"'--profile' must be a folder such as cluster_profiles/local: {profile}"
        )
    return profile


def _snakemake(profile: Path) -> list[str]:
    for folder in (Path.cwd(), ROOT):
        if (folder / "Snakefile").exists():
            break
    else:
        raise ConfigError("There is no Snakefile here; start pvi in the project's directory.")
    site = site_of(profile)
    return [
        *(sys.executable, "-m", "snakemake", "--snakefile", str(folder / "Snakefile")),
        *("--workflow-profile", str(profile)),
        *(("--config", f"site={site}") if site else ()),
    ]


def _environment() -> dict[str, str]:
    # Rules call `pvi`: the one of this environment, also where it is not activated.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    return {**os.environ, "PATH": path}


def _unlock(command: list[str], project: Project) -> None:
    for process in psutil.process_iter(["cmdline", "cwd"]):
        words = process.info["cmdline"] or []
        called = words[1:3] == ["-m", "snakemake"] or "snakemake" in map(_name, words[:2])
        if called and process.info["cwd"] == str(Path.cwd()):
            raise ConfigError(
                f"A workflow is still running in this directory (process {process.pid}); wait "
                f"for it, or stop it with: pvi stop {project.name}"
            )
    done = subprocess.run(
        [*command, "--unlock"], capture_output=True, text=True, env=_environment(), check=False
    )
    if done.returncode:
        raise ConfigError(f"Cannot unlock the workflow:\n{done.stderr.strip()}")


def _name(word: str) -> str:
    return Path(word).name


def _follow(process: "subprocess.Popen[bytes]", project: Project, log: Path, start: int) -> int:
    with progress_display(project) as display:
        while True:
            try:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(timeout=0.5)
                _refresh(display, log, start)
            except KeyboardInterrupt:
                # The terminal sent it to Snakemake and the controllers too: let them finish.
                display.console.print("Stopping at the next checkpoint ...")
            if process.returncode is not None:
                return process.returncode


def _refresh(display: Display, log: Path, start: int) -> None:
    done = [line for line in _new_lines(log, start) if " steps (" in line]
    display.refresh(f"workflow: {done[-1].strip()}" if done else "workflow: starting")


def _new_lines(log: Path, start: int) -> list[str]:
    with log.open(errors="replace") as stream:
        stream.seek(start)
        return stream.read().splitlines()


def _conclude(project: Project, log: Path, start: int, code: int) -> None:
    paths = ProjectPaths.of(project.name)
    if code == 0:
        typer.echo(f"Done. Open {paths.report / 'index.html'}")
        return
    lines = _new_lines(log, start)
    logs = [Path(line.split()[1]) for line in lines if line.strip().startswith("log: ")]
    for path in dict.fromkeys(logs):
        if path.exists() and "Error" in (text := path.read_text(errors="replace")):
            typer.echo(f"--- end of {path}", err=True)
            typer.echo("\n".join(text.splitlines()[-TAIL:]), err=True)
    if not logs:
        typer.echo("\n".join(lines[-TAIL:]), err=True)
    typer.echo(
        f"The workflow ended with code {code}; nothing that was computed is lost. "
        f"Whole log: {log}. Go on with: pvi resume {project.name}",
        err=True,
    )
