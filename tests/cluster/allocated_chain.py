"""Chains whose controller, scheduler and workers share one job of a batch system."""

import math
import os
import shlex
import sys
from abc import abstractmethod
from pathlib import Path

from chain import MANY, PVI, Chain
from daemons import busyness, wait_until

__all__ = ["AllocatedChain", "GridEngineChain", "SlurmChain"]

SCRIPT = """\
#!/bin/bash
{directives}
{exports}
cd {folder}
# The controller takes the place of the shell, and so gets its signals.
exec {command}
"""


class AllocatedChain(Chain):
    """Its controller is the script of a job; `options` are further ones of its submission."""

    job = ""
    options: tuple[str, ...] = ()
    directives = ""

    @property
    @abstractmethod
    def short_time(self) -> tuple[str, ...]:
        """Walltime and the warning before it, as options of the submission."""

    @abstractmethod
    def warn(self) -> None:
        """Send the controller what comes before the end of its job."""

    @abstractmethod
    def preempt(self) -> None:
        """Take the job's place away, so that it is queued again."""

    def start(self, until: int = MANY) -> None:
        """Submit the job."""
        assert self.cluster is not None
        own = {
            k: v
            for k, v in self.environment.items()
            if k.startswith(("PVI_", "PYTHON", "OMP_"))
        }
        own["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{self.environment['PATH']}"
        exports = [f"export {name}={shlex.quote(value)}" for name, value in own.items()]
        script = self.folder / "job.sh"
        script.write_text(
            SCRIPT.format(
                directives=self.directives.format(log=self.folder / "log"),
                folder=self.folder,
                exports="\n".join(exports),
                command=shlex.join([*PVI, *self.command(until)]),
            )
        )
        self.job = self.cluster.submit(script, *self.options)

    @property
    def is_running(self) -> bool:
        """True if its job waits or runs."""
        return self.job in self._jobs()

    def stop(self) -> None:
        """Warn the controller, and wait for the end of the job."""
        before = self.log.count("Stopped by SIG")
        self.warn()
        self.wait_gone()
        assert self.log.count("Stopped by SIG") == before + 1, self.log[-3000:]

    def wait_gone(self, patience_s: float = 90.0) -> None:
        """Wait for the end of the job."""
        wait_until(lambda: not self.is_running, patience_s, f"The end of job {self.job}")

    def check_running(self) -> None:
        """Check that the job has not ended; it may wait to be started again."""
        assert self.is_running, f"Job {self.job} ended: {self.log[-3000:]}"


class SlurmChain(AllocatedChain):
    """On two nodes of Slurm."""

    directives = (
        "#SBATCH --job-name=chain --requeue --open-mode=append\n"
        "#SBATCH --nodes=2 --ntasks=2 --cpus-per-task=2 --mem=1500M\n"
        "#SBATCH --output={log}"
    )

    @property
    def short_time(self) -> tuple[str, ...]:
        """A minute more than the controller needs: it stops a minute before its job ends."""
        return (f"--time={1 + math.ceil(busyness())}", "--signal=B:USR1@25")

    def warn(self) -> None:
        """Send SIGTERM to the controller alone."""
        assert self.cluster is not None
        self.cluster.command("scancel", "--batch", "--signal=TERM", self.job)

    def preempt(self) -> None:
        """Submit an urgent job that takes all nodes, and wait for its end."""
        assert self.cluster is not None
        urgent = self.folder / "urgent.sh"
        urgent.write_text("#!/bin/bash\nsleep 2\n")
        options = ("--partition=urgent", "--nodes=3", "--exclusive", "--output=/dev/null")
        job, cluster = self.cluster.submit(urgent, *options), self.cluster
        wait_until(lambda: job not in cluster.jobs(), 90, "The end of the urgent job")


class GridEngineChain(AllocatedChain):
    """In four slots of one host of Grid Engine."""

    directives = "#$ -N chain -S /bin/bash -pe smp 4 -r y -notify -j y\n#$ -o {log}"

    @property
    def short_time(self) -> tuple[str, ...]:
        """So much that the controller has begun when the warning comes."""
        warning = int(30 + 15 * busyness())
        return ("-l", f"s_rt={warning},h_rt={warning + 60}")

    def warn(self) -> None:
        """Delete the job: with -notify, SIGUSR2 comes first."""
        assert self.cluster is not None
        self.cluster.cancel(self.job)

    def preempt(self) -> None:
        """Have the job rescheduled: SIGUSR2, and later its end."""
        assert self.cluster is not None
        self.cluster.command("qmod", "-rj", self.job)
