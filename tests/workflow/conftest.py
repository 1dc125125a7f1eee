"""A project in a folder of its own, driven through the `pvi` command."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

HERE = Path(__file__).parent
SNAKEFILE = HERE.parents[1] / "Snakefile"


class Project:
    """A folder with a configuration in it, and `pvi` to run there."""

    snakefile = SNAKEFILE

    def __init__(self, folder: Path, **changes: object) -> None:
        self.folder = folder
        self.tree = yaml.safe_load((HERE / "tiny.yaml").read_text())
        self.write(**changes)

    def write(self, **changes: object) -> None:
        """Write the configuration with other sections."""
        self.tree = {**self.tree, **changes}
        (self.folder / "tiny.yaml").write_text(yaml.safe_dump(self.tree))

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
        text, _ = process.communicate(timeout=600)
        assert process.returncode == code, text
        return text


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project that nothing was run of."""
    return Project(tmp_path)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The tiny project, run to its end by `pvi run`. Tests must not change it."""
    k_hat = {"blocks": [1, 1, 2], "draws": 25}
    posterior = {"samples": 20, "predictive_draws": 2, "k_hat": k_hat}
    made = Project(tmp_path_factory.mktemp("finished"), posterior=posterior)
    made.output = made.pvi("run", "tiny.yaml")  # type: ignore[attr-defined]
    return made
