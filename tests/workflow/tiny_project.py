"""A project in a folder of its own, driven through the `pvi` command."""

import os
import subprocess
import sys
from contextlib import chdir, redirect_stdout
from io import StringIO
from pathlib import Path

import yaml

from pvi_hpc.cli.app import app
from pvi_hpc.config import Project as Config
from pvi_hpc.config import load_project
from pvi_hpc.errors import PviError
from pvi_hpc.run.plan import segment_end, write_project
from pvi_hpc.store.layout import ProjectPaths

__all__ = ["Project"]

HERE = Path(__file__).parent
SNAKEFILE = HERE.parents[1] / "Snakefile"
#: Longest time of a command; pytest ends a test earlier, unless told to wait [s].
LIMIT_S = 3000


class Project:
    """A folder with a configuration in it, and `pvi` to run there."""

    snakefile = SNAKEFILE

    def __init__(self, folder: Path, **changes: object) -> None:
        self.folder = folder
        self.tree = {**yaml.safe_load((HERE / "tiny.yaml").read_text()), **changes}
        if not (folder / "tiny.yaml").exists():
            self.write()

    def write(self, **changes: object) -> None:
        """Write the configuration with other sections."""
        self.tree = {**self.tree, **changes}
        (self.folder / "tiny.yaml").write_text(yaml.safe_dump(self.tree))

    def keep(self, *names: str) -> None:
        """Write the configuration with these of its runs only."""
        self.write(runs=[run for run in self.tree["runs"] if run["name"] in names])

    @property
    def results(self) -> Path:
        return self.folder / "results" / str(self.tree["name"])

    def start(self, *words: str) -> "subprocess.Popen[str]":
        """Start a `pvi` command."""
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        return subprocess.Popen(
            ["pvi", *words],
            cwd=self.folder,
            env={**os.environ, "PATH": path, "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def pvi(self, *words: str, code: int = 0) -> str:
        """Run a `pvi` command to its end; check its exit code and return what it printed."""
        process = self.start(*words)
        text, _ = process.communicate(timeout=LIMIT_S)
        assert process.returncode == code, text
        return text

    def call(self, *words: str, code: int = 0) -> str:
        """Call a `pvi` command in this process; check its exit code and return what it said.

        For all that is not about processes: a new one takes 4 seconds to begin.
        """
        with chdir(self.folder), redirect_stdout(StringIO()) as output:
            try:
                found = app(list(words), standalone_mode=False) or 0
            except PviError as error:
                print(error)
                found = 2
        assert found == code, output.getvalue()
        return output.getvalue()

    def steps(self, last: str = "report") -> None:
        """Do in this process what the rules of the workflow do, up to a rule."""
        project = self._begin()
        for run in project.resolved:
            self.call("check", "--project", project.name, "--run", run.name)
            for index in range(project.segments):
                self.call(*segment_words(project, run.name, index))
            for rule in ("posterior", "predictive") if last != "segment" else ():
                self.call(rule, project.name, run.name)
                if rule == last:
                    break
        if last == "report":
            self.call("report", project.name)

    def start_controller(self, run: str) -> "subprocess.Popen[str]":
        """Start the controller of the first segment of a run, without Snakemake."""
        return self.start(*segment_words(self._begin(), run, 0))

    def _begin(self) -> Config:
        """Do what Snakemake does first, and make the survey if there is none."""
        with chdir(self.folder):
            project = load_project("tiny.yaml")
            paths = ProjectPaths.of(project.name)
            paths.config.parent.mkdir(parents=True, exist_ok=True)
            write_project(project, paths.config)
        if not (self.results / "survey.h5").exists():
            self.call("prepare", project.name)
        return project


def segment_words(project: Config, run: str, index: int) -> tuple[str, ...]:
    """Return the `pvi` command of a segment."""
    until = segment_end(project, project.run(run), index)
    manifest = ProjectPaths.of(project.name).run(run).folder / "segments" / f"{index}.json"
    return "segment", project.name, run, "--until", str(until), "--manifest", str(manifest)
