"""Snakemake as a child process: started, followed, told to stop once, and never left behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import psutil
import yaml

from pvi_hpc.cli.run.ending import ask_controllers
from pvi_hpc.cli.run.progress import Display, progress_display
from pvi_hpc.cli.shipped import shipped
from pvi_hpc.config import Project
from pvi_hpc.config.site import site_of
from pvi_hpc.errors import ConfigError
from pvi_hpc.execution.lease import Lease
from pvi_hpc.run.interrupt import StopFlag
from pvi_hpc.store.layout import ProjectPaths

__all__ = ["Workflow"]

#: Snakemake without jobs that was asked to stop is ended after so long [s].
PATIENCE_S: Final = 10.0
#: The same where its jobs are in a queue, and it may wait for news of them [s].
QUEUE_PATIENCE_S: Final = 600.0


class Workflow:
    """Snakemake on one project.

    Parameters
    ----------
    project
        Whose workflow it is.
    profile
        Folder of the Snakemake profile.
    options
        More words for Snakemake's command line.
    """

    def __init__(self, project: Project, profile: Path, options: Sequence[str]) -> None:
        self.project, self.paths = project, ProjectPaths.of(project.name)
        self.log = self.paths.log
        self.command = [*_snakemake(profile), *options]
        self.patience_s = QUEUE_PATIENCE_S if _submits(profile) else PATIENCE_S
        self._start = 0
        self._told = False
        self._quiet_since: float | None = None

    def run(self, stop: StopFlag) -> int:
        """Run Snakemake to its end, with progress; return its code, negative for a signal.

        Where something asks to stop, Snakemake and the controllers are told, once.
        """
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("a") as stream:
            self._start = stream.tell()
            process = subprocess.Popen(
                self.command,
                stdout=stream,
                stderr=subprocess.STDOUT,
                env=_environment(),
                preexec_fn=_ignore_warnings_of_the_end,
            )
            try:
                return self._follow(process, stop)
            except BaseException:
                # It must not go on where nobody sees it.
                self._tell(process)
                process.wait()
                raise

    def unlock(self) -> None:
        """Remove the lock that a Snakemake that was killed has left behind.

        Raises
        ------
        ConfigError
            If Snakemake cannot.
        """
        done = subprocess.run(
            [*self.command, "--unlock"],
            capture_output=True,
            text=True,
            env=_environment(),
            check=False,
            start_new_session=True,  # signals to the group are for the workflow
        )
        if done.returncode:
            raise ConfigError(f"Cannot unlock the workflow:\n{done.stderr.strip()}")

    def new_lines(self) -> list[str]:
        """Return what Snakemake has written since `run`."""
        with self.log.open(errors="replace") as stream:
            stream.seek(self._start)
            return stream.read().splitlines()

    def _follow(self, process: "subprocess.Popen[bytes]", stop: StopFlag) -> int:
        with progress_display(self.project) as display:
            while True:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(timeout=0.5)
                self._refresh(display)
                if process.returncode is not None:
                    return process.returncode
                if stop:
                    if not self._told:
                        display.console.print("Stopping at the next checkpoint ...")
                    self._tell(process)
                    self._end_if_stuck(process)

    def _tell(self, process: "subprocess.Popen[bytes]") -> None:
        if not self._told:
            self._told = True
            ask_controllers(self.project)
            process.terminate()

    def _end_if_stuck(self, process: "subprocess.Popen[bytes]") -> None:
        """Kill a Snakemake that does not end although all its jobs have."""
        if self._jobs(process):
            self._quiet_since = None
            return
        now = time.monotonic()
        self._quiet_since = self._quiet_since or now
        if now - self._quiet_since > self.patience_s:
            process.kill()

    def _jobs(self, process: "subprocess.Popen[bytes]") -> bool:
        """Return whether a process of Snakemake, or a controller anywhere, still works."""
        with suppress(psutil.NoSuchProcess):
            for child in psutil.Process(process.pid).children(recursive=True):
                with suppress(psutil.NoSuchProcess):
                    if child.status() != psutil.STATUS_ZOMBIE:
                        return True
        runs = (self.paths.run(run.name) for run in self.project.resolved)
        return any(Lease(place.lease).held() for run in runs for place in run.workplaces)

    def _refresh(self, display: Display) -> None:
        try:
            done = [line for line in self.new_lines() if " steps (" in line]
            display.refresh(f"workflow: {done[-1].strip()}" if done else "workflow: starting")
        except OSError:
            # Whoever read this has gone, or the disk is full: that must not end a run of weeks.
            sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115 (until the end)


def _snakemake(profile: Path) -> list[str]:
    # Never a Snakefile of the folder, which may be anybody's.
    snakefile = shipped("Snakefile")
    site = site_of(profile)
    return [
        *(sys.executable, "-m", "snakemake", "--snakefile", str(snakefile)),
        *("--workflow-profile", str(profile)),
        *(("--config", f"site={site}") if site else ()),
    ]


def _submits(profile: Path) -> bool:
    """Return whether a profile lets Snakemake send its jobs to a queue."""
    path = profile / "config.yaml"
    tree = yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else None
    return isinstance(tree, dict) and tree.get("executor", "local") != "local"


def _environment() -> dict[str, str]:
    # Rules call `pvi`: the one of this environment, also where it is not activated.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    return {**os.environ, "PATH": path}


def _ignore_warnings_of_the_end() -> None:
    # Snakemake would die of what a batch system sends to all of a job; `pvi segment` listens.
    for number in (signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)
