"""A chain whose controller, scheduler and workers share one job of Slurm."""

import shlex
import sys
from pathlib import Path

from chain import MANY, PVI, Chain
from daemons import wait_until

__all__ = ["AllocatedChain"]

SCRIPT = """\
#!/bin/bash
#SBATCH --job-name=chain --requeue --open-mode=append
#SBATCH --nodes=2 --ntasks=2 --cpus-per-task=2 --mem=1500M
#SBATCH --output={log}
{exports}
cd {folder}
# The controller takes the place of the shell, and so gets its signals.
exec {command}
"""


class AllocatedChain(Chain):
    """Its controller is the batch script of a job on two nodes.

    `options` are further ones of sbatch.
    """

    job = ""
    options: tuple[str, ...] = ()

    def start(self, until: int = MANY) -> None:
        """Submit the job."""
        assert self.cluster is not None
        own = {
            k: v
            for k, v in self.environment.items()
            if k.startswith(("PVI_", "PYTHON", "OMP_"))
        }
        exports = [f"export {name}={shlex.quote(value)}" for name, value in own.items()]
        script = self.folder / "job.sh"
        script.write_text(
            SCRIPT.format(
                log=self.folder / "log",
                folder=self.folder,
                exports="\n".join(
                    [*exports, f"export PATH={Path(sys.executable).parent}:$PATH"]
                ),
                command=shlex.join([*PVI, *self.command(until)]),
            )
        )
        self.job = self.cluster.submit(script, *self.options)

    def finish(self) -> None:
        """Let it go on a little, stop it as Slurm does, and check what it did."""
        assert self.cluster is not None
        if self.job not in self.cluster.jobs():
            self.start()
        self.advance(3)
        self.stop()
        self.check_gone()
        self.check_bits()

    def stop(self) -> None:
        """Send the controller SIGTERM, and wait for the end of the job."""
        assert self.cluster is not None
        self.cluster.command("scancel", "--batch", "--signal=TERM", self.job)
        self.wait_gone()
        assert "Stopped by SIGTERM" in self.log, self.log[-3000:]

    def wait_gone(self, patience_s: float = 90.0) -> None:
        """Wait for the end of the job."""
        wait_until(
            lambda: self.job not in self._jobs(), patience_s, f"The end of job {self.job}"
        )

    def check_running(self) -> None:
        """Check that the job has not ended; it may wait to be started again."""
        assert self.job in self._jobs(), f"Job {self.job} ended: {self.log[-3000:]}"
