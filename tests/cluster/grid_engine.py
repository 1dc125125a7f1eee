"""A private Grid Engine (Son of Grid Engine) on this machine: one cell, one host.

    eval "$(python tests/cluster/grid_engine.py start FOLDER)"; qhost; qstat -f
    python tests/cluster/grid_engine.py stop FOLDER

Needs root and the packages of scripts/install-clusters.sh; touches nothing outside FOLDER.
"""

import argparse
import re
import socket
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

from daemons import Cluster, free_ports, stop_process, wait_until
from grid_engine_settings import BOOTSTRAP, GLOBAL, HOST, PARALLEL, QUEUE, SCHEDULER

__all__ = ["GridEngine"]

INSTALLED = Path("/var/lib/gridengine")
INIT = Path("/usr/share/gridengine/scripts/init_cluster")


class GridEngine(Cluster):
    """Queue `all.q` with so many slots, parallel environments `smp` and `mpi`."""

    name = "Grid Engine"
    programs = ("sge_qmaster", "sge_execd", "qconf", "qsub", "qstat", "qdel", "qacct")

    def __init__(self, folder: Path, slots: int = 12) -> None:
        super().__init__(folder)
        self.slots = slots

    @property
    def environment(self) -> dict[str, str]:
        """Environment that names the cell and the ports of its daemons."""
        return dict(
            line.removeprefix("export ").split("=", 1)
            for line in (self.folder / "env.sh").read_text().splitlines()
        )

    def start(self) -> None:
        """Start qmaster and execd; takes 6 to 10 s."""
        self._make_cell()
        self.command(str(INIT), str(self._root), "pvi", str(self.folder / "spooldb"), "root")
        self.command("/usr/sbin/sge_qmaster")
        wait_until(lambda: self._answers("qconf", "-sh"), 30, "An answer of qmaster")
        self._configure()
        self.command("/usr/sbin/sge_execd")
        wait_until(self._is_ready, 60, "A queue of Grid Engine that takes jobs")

    def stop(self) -> None:
        """Cancel all jobs, end the daemons; takes 2 to 12 s."""
        if not (self.folder / "env.sh").exists():
            return
        with suppress(RuntimeError, subprocess.TimeoutExpired, TimeoutError):
            if jobs := self.jobs():
                self.cancel(*jobs)
                wait_until(lambda: not self.jobs(), 25, "The end of all jobs of Grid Engine")
        for file in (self.folder / "execd").glob("*/execd.pid"):
            stop_process(file)
        stop_process(self.folder / "qmaster" / "qmaster.pid")

    def jobs(self) -> dict[str, str]:
        """Return the state of every job that waits or runs, by its id."""
        lines = self.command("qstat", "-u", "*").splitlines()[2:]
        return {words[0]: words[4] for words in map(str.split, lines) if words}

    def cancel(self, *jobs: str) -> None:
        """Cancel jobs."""
        if jobs:
            self.command("qdel", *jobs)

    def submit(self, script: Path, *options: str) -> str:
        """Submit a job script and return the job's id."""
        return self.command("qsub", "-terse", *options, str(script)).strip()

    @property
    def _root(self) -> Path:
        return self.folder / "root"

    def _make_cell(self) -> None:
        common = self._root / "pvi" / "common"
        for folder in (common, self.folder / "qmaster" / "job_scripts",
                       self.folder / "spooldb", self.folder / "execd"):  # fmt: skip
            folder.mkdir(parents=True, exist_ok=True)
        for name in ("bin", "lib", "util", "utilbin"):
            with suppress(FileExistsError):
                (self._root / name).symlink_to(INSTALLED / name)
        ports = free_ports(2)
        values = {
            "SGE_ROOT": str(self._root),
            "SGE_CELL": "pvi",
            "SGE_CLUSTER_NAME": "pvi",
            "SGE_QMASTER_PORT": str(ports[0]),
            "SGE_EXECD_PORT": str(ports[1]),
        }
        lines = [f"export {name}={value}\n" for name, value in values.items()]
        (self.folder / "env.sh").write_text("".join(lines))
        host = socket.gethostname()
        (common / "act_qmaster").write_text(f"{host}\n")
        # 127.0.0.1 is called 'localhost': without this line every client is refused.
        (common / "host_aliases").write_text(f"{host} localhost\n")
        (common / "bootstrap").write_text(BOOTSTRAP.format(folder=self.folder))

    def _configure(self) -> None:
        host = socket.gethostname()
        values = {"folder": self.folder, "host": host, "slots": self.slots}
        current = self.command("qconf", "-sconf").split("\n", 1)[1]
        # A long value goes on in the next line, which replacing it would leave behind.
        joined = re.sub(r"\\\n\s*", "", current)
        self._hand_in("-Mconf", _replace(joined, GLOBAL, values), name="global")
        self._hand_in("-Msconf", _replace(self.command("qconf", "-ssconf"), SCHEDULER, values))
        self.command("qconf", "-as", host)
        memory = {"mem_free": "mf MEMORY <= YES YES 0 0"}
        self._hand_in("-Mc", _replace(self.command("qconf", "-sc"), memory, values))
        self._hand_in("-Ae", HOST.format(**values))
        for name in ("smp", "mpi"):
            self._hand_in("-Ap", PARALLEL.format(name=name))
        self._hand_in("-Aq", QUEUE.format(**values))

    def _hand_in(self, option: str, text: str, name: str = "settings") -> None:
        """Give qconf a file; for -Mconf the file's name says which configuration it is."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / name
            path.write_text(text)
            self.command("qconf", option, str(path))

    def _answers(self, *words: str) -> bool:
        with suppress(RuntimeError):
            self.command(*words)
            return True
        return False

    def _is_ready(self) -> bool:
        lines = self.command("qstat", "-f").splitlines()
        # The sixth column holds the faults of a queue: none when there are five.
        return any(line.startswith("all.q@") and len(line.split()) == 5 for line in lines)


def _replace(text: str, settings: dict[str, str], values: dict[str, object]) -> str:
    """Set `name value` lines of a Grid Engine configuration."""
    for name, value in settings.items():
        line = f"{name} {value.format(**values)}"
        text, n = re.subn(rf"^{name} .*$", line, text, flags=re.MULTILINE)
        if n != 1:
            raise RuntimeError(f"Grid Engine's configuration has {n} lines '{name}'.")
    return text


def main() -> None:
    """Start or stop one from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["start", "stop"])
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    cluster = GridEngine(arguments.folder)
    getattr(cluster, arguments.what)()
    if arguments.what == "start":
        print((cluster.folder / "env.sh").read_text(), end="")


if __name__ == "__main__":
    main()
