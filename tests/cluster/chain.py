"""A run of the tiny project on some executor, and what may be asked of it and done to it."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from daemons import Cluster, wait_until
from marked import marked_processes

from pvi_hpc.config import load_project
from pvi_hpc.plan import write_project

__all__ = ["END_S", "Chain", "Template"]

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PVI = [sys.executable, str(HERE / "recorded_pvi.py")]
#: Names the folder of the chain in every process that belongs to it, jobs included.
MARK = "PVI_CHAIN"
#: Everything must be gone so soon after the end [s].
END_S = 15.0
#: More iterations than any chain does.
MANY = 5000


class Template:
    """The prepared project that chains copy, and the bits of its undisturbed run.

    `ranks` are part of the run: they change the last bits of its sums.
    """

    def __init__(self, folder: Path, ranks: int = 1) -> None:
        self.folder, self.ranks = folder, ranks
        self._expected: dict[int, str] = {}
        chain = Chain(self, folder / "reference", fault="none@0")
        chain.make(prepare=True)
        self.reference = chain

    def tree(self, execution: Mapping[str, Any]) -> dict[str, Any]:
        """Return the configuration of a chain: one run of the tiny project."""
        tree = yaml.safe_load((HERE.parent / "workflow" / "tiny.yaml").read_text())
        tree["name"] = "chain"
        tree["runs"] = [{"name": "run"}]
        tree["start"]["map_iterations"] = 0
        tree["inference"]["iterations"] = MANY
        tree["execution"] |= {"ranks": self.ranks, "timeout_s": 60, **execution}
        tree["segments"] = 1
        return dict(tree)

    def expected(self, iterations: int) -> dict[int, str]:
        """Return the digests of an undisturbed local run, at least so many."""
        if len(self._expected) < iterations:
            process = self.reference.start(until=max(iterations + 100, 300))
            code = process.wait(timeout=1200)
            assert code == 0, self.reference.log
            self._expected = dict(self.reference.record().digests)
        return self._expected


@dataclass
class Record:
    """What the controllers of a chain did: digests in order, and iterations done twice."""

    digests: list[tuple[int, str]] = field(default_factory=list)
    starts: int = 0
    lost: int = 0


class Chain:
    """One run in a folder of its own.

    Parameters
    ----------
    template
        What it is a copy of.
    folder
        Where it runs.
    cluster
        Batch system of its workers; None: local ones.
    fault
        What its gangs do, see tests/faults/faulty_gang.py. By default they only take long,
        so that there is something to disturb.
    execution
        Settings that differ.
    """

    def __init__(
        self,
        template: Template,
        folder: Path,
        cluster: Cluster | None = None,
        fault: str = "slow@0.2",
        execution: Mapping[str, Any] | None = None,
    ) -> None:
        self.template, self.folder, self.cluster = template, folder, cluster
        self.fault, self.execution = fault, execution or {}
        self.controller: subprocess.Popen[bytes] | None = None

    @property
    def results(self) -> Path:
        """Folder of the project's results."""
        return self.folder / "results" / "chain"

    @property
    def run(self) -> Path:
        """Folder of the run."""
        return self.results / "run"

    @property
    def log(self) -> str:
        """What its controllers said."""
        return (self.folder / "log").read_text(errors="replace")

    @property
    def environment(self) -> dict[str, str]:
        """Environment of its controllers, and so of all that they start."""
        own = self.cluster.environment if self.cluster else {}
        path = os.pathsep.join([str(HERE.parent / "faults"), os.environ.get("PYTHONPATH", "")])
        kind = "PVI_FAULT_ONCE" if self.fault.partition("@")[0] not in ("slow", "none") else ""
        settings = {
            MARK: str(self.folder),
            "PVI_RECORD": str(self.folder / "record"),
            "PVI_FAULT": self.fault,
            "PYTHONPATH": path,
            "OMP_NUM_THREADS": "1",
            **({kind: str(self.folder)} if kind else {}),
        }
        return {**os.environ, **own, **settings}

    def make(self, *, prepare: bool = False) -> None:
        """Write the configuration; simulate the survey or copy it."""
        self.results.mkdir(parents=True)
        file = self.folder / "chain.yaml"
        file.write_text(yaml.safe_dump(self.template.tree(self.execution)))
        write_project(load_project(file), self.results / "config.yaml")
        if prepare:
            self.pvi("prepare", "chain")
            return
        for name in ("survey.h5", "survey.json"):
            shutil.copy(self.template.reference.results / name, self.results / name)

    def pvi(self, *words: str, code: int = 0) -> str:
        """Run a `pvi` command to its end and return what it printed."""
        done = subprocess.run(
            [*PVI, *words],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == code, f"{words}: {done.returncode}\n{done.stdout}"
        return done.stdout

    def command(self, until: int = MANY) -> list[str]:
        """Return the command of a controller, without the recording interpreter."""
        return ["segment", "chain", "run", "--until", str(until),
                "--manifest", f"{self.run}/{until}.json"]  # fmt: skip

    def start(self, until: int = MANY) -> "subprocess.Popen[bytes]":
        """Start a controller."""
        with (self.folder / "log").open("a") as log:
            self.controller = subprocess.Popen(
                [*PVI, *self.command(until)],
                cwd=self.folder,
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return self.controller

    def finish(self) -> None:
        """Let it go on a little, stop it as `pvi stop` does, and check what it did."""
        if self.controller is None or self.controller.poll() is not None:
            self.start()
        self.advance(3)
        self.stop()
        self.check_gone()
        self.check_bits()

    def stop(self) -> None:
        """Ask the controller to stop at its next checkpoint, and wait for that."""
        assert self.controller is not None
        self.controller.send_signal(signal.SIGTERM)
        code = self.controller.wait(timeout=120)
        assert code == 75, f"A stopped controller must exit with 75, got {code}:\n{self.log}"

    def record(self) -> Record:
        """Read what the controllers did."""
        found, path = Record(), self.folder / "record"
        for line in path.read_text().splitlines() if path.exists() else []:
            first, second = line.split()
            if first != "start":
                found.digests.append((int(first), second))
                continue
            last = found.digests[-1][0] if found.digests else 0
            found.starts += 1
            found.lost = max(found.lost, last - int(second))
        return found

    @property
    def iteration(self) -> int:
        """Last iteration that any controller finished."""
        digests = self.record().digests
        return digests[-1][0] if digests else 0

    def advance(self, iterations: int, patience_s: float = 400.0) -> None:
        """Wait until so many more iterations are done."""
        begun = len(self.record().digests)

        def has_advanced() -> bool:
            self.check_running()
            return len(self.record().digests) >= begun + iterations

        wait_until(has_advanced, patience_s, f"Iterations of {self.folder}")

    def wait_healthy(self, without: set[int] | None = None, patience_s: float = 400.0) -> None:
        """Wait until every worker has a whole gang that runs none of the pids in `without`."""
        wanted = 2 * self.template.ranks

        def is_healthy() -> bool:
            self.check_running()
            ranks = set(self.pids("rank"))
            return len(ranks) == wanted and not ranks & (without or set())

        wait_until(is_healthy, patience_s, f"{wanted} ranks of {self.folder}")

    def check_running(self) -> None:
        """Check that the controller has not ended."""
        ended = self.controller is not None and self.controller.poll() is not None
        assert not ended, f"The controller ended: {self.log[-3000:]}"

    def pids(self, kind: str = "any") -> list[int]:
        """Return its living processes: any, worker or rank, jobs included."""
        return marked_processes(f"{MARK}={self.folder}", kind)

    def check_gone(self) -> float:
        """Check that no process and no job is left soon; return after how long [s]."""
        start = time.monotonic()

        def is_gone() -> bool:
            return not self.pids() and not (self.cluster and self._jobs())

        try:
            wait_until(is_gone, END_S, "The end of all processes and jobs")
        except TimeoutError as error:
            commands = [Path(f"/proc/{pid}/cmdline").read_text() for pid in self.pids()]
            raise AssertionError(f"{error} Left: {commands}, jobs {self._jobs()}") from error
        return time.monotonic() - start

    def check_bits(self) -> None:
        """Check that every iteration ever done had the bits of the undisturbed run."""
        digests = self.record().digests
        expected = self.template.expected(max(i for i, _ in digests))
        wrong = [i for i, digest in digests if expected[i] != digest]
        assert not wrong, f"Iterations {wrong[:5]} of {self.folder} have other bits."

    def _jobs(self) -> dict[str, str]:
        return self.cluster.jobs() if self.cluster else {}
