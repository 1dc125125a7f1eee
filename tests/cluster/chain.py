"""A run of the tiny project on some executor, and what may be asked of it and done to it."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from daemons import Cluster, busyness, wait_until
from marked import marked_processes
from record import Record, read_record

from pvi_hpc.config import load_project
from pvi_hpc.run.plan import write_project

if TYPE_CHECKING:
    from template import Template

__all__ = ["Chain"]

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PVI = [sys.executable, str(HERE / "recorded_pvi.py")]
#: Names the folder of the chain in every process that belongs to it, jobs included.
MARK = "PVI_CHAIN"
#: Everything must be gone so soon after the end [s].
END_S = 15.0
#: More iterations than any chain does.
MANY = 5_000


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
        template: "Template",
        folder: Path,
        cluster: Cluster | None = None,
        fault: str = "slow@0.2",
        execution: Mapping[str, Any] | None = None,
    ) -> None:
        self.template, self.folder, self.cluster = template, folder, cluster
        self.fault, self.execution = fault, execution or {}
        self.controller: subprocess.Popen[bytes] | None = None
        #: Longest time until nothing was left of an ended controller [s].
        self.gone_s = 0.0

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
        """Log of its controllers."""
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
            timeout=300 * busyness(),
            check=False,
        )
        assert done.returncode == code, f"{words}: {done.returncode}\n{done.stdout}"
        return done.stdout

    def command(self, until: int = MANY) -> list[str]:
        """Return the command of a controller, without the recording interpreter."""
        return ["segment", "chain", "run", "--until", str(until),
                "--manifest", f"{self.run}/{until}.json"]  # fmt: skip

    def start(self, until: int = MANY) -> None:
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

    @property
    def is_running(self) -> bool:
        """True if it has a controller, or is about to have one."""
        return self.controller is not None and self.controller.poll() is None

    def go_on(self) -> None:
        """Start a controller if there is none."""
        if not self.is_running:
            self.start()

    def finish(self) -> None:
        """Let it go on a little, stop it, and check all that it ever did."""
        self.go_on()
        self.advance(3)
        self.stop()
        self.check_gone()
        self.check_bits()

    def wait_end(self, patience_s: float = 180.0) -> int:
        """Wait for the end of the controller; return its exit code."""
        controller = self.controller
        assert controller is not None
        wait_until(lambda: controller.poll() is not None, patience_s, "A controller's end")
        return int(controller.returncode)

    def stop(self) -> None:
        """Ask the controller to stop as `pvi stop` does, and wait for that."""
        assert self.controller is not None
        self.controller.send_signal(signal.SIGTERM)
        code = self.wait_end()
        assert code == 75, f"A stopped controller must exit with 75, got {code}:\n{self.log}"

    def record(self) -> Record:
        """Read what the controllers did."""
        return read_record(self.folder / "record")

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
        assert self.controller is None or self.is_running, f"It ended: {self.log[-3000:]}"

    def pids(self, kind: str = "any") -> list[int]:
        """Return its living processes: any, worker or rank, jobs included."""
        return marked_processes(f"{MARK}={self.folder}", kind)

    def check_gone(self) -> None:
        """Check that no process and no job is left soon; note after how long."""

        def is_gone() -> bool:
            return not self.pids() and not self._jobs()

        try:
            waited = wait_until(is_gone, END_S, "The end of all processes and jobs")
        except TimeoutError as error:
            commands = [Path(f"/proc/{pid}/cmdline").read_text() for pid in self.pids()]
            raise AssertionError(f"{error} Left: {commands}, jobs {self._jobs()}") from error
        self.gone_s = max(self.gone_s, waited)

    def check_bits(self) -> None:
        """Check that every iteration ever done had the bits of the undisturbed run.

        And that no restart did more than one of them again: that whose checkpoint was missing.
        """
        record = self.record()
        expected = self.template.expected(max(i for i, _ in record.digests))
        wrong = [i for i, digest in record.digests if expected[i] != digest]
        assert not wrong, f"Iterations {wrong[:5]} of {self.folder} have other bits."
        assert record.lost <= 1, f"{record.lost} iterations of {self.folder} were lost."

    def _jobs(self) -> dict[str, str]:
        return self.cluster.jobs() if self.cluster else {}
