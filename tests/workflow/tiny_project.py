"""A project in a folder of its own, driven through the `pvi` command."""

import os
import subprocess
import sys
from pathlib import Path

import yaml

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
