"""A private Slurm on this machine: munge, controller and a few virtual nodes, no accounting.

    eval "$(python tests/cluster/slurm.py start FOLDER)"; sinfo; squeue
    python tests/cluster/slurm.py stop FOLDER

Needs root and the packages of scripts/install-clusters.sh; touches nothing outside FOLDER.
"""

import argparse
import os
import secrets
import shutil
import socket
import subprocess
from contextlib import suppress
from pathlib import Path

from daemons import Cluster, free_ports, stop_process, wait_until

__all__ = ["Slurm"]

#: Slurm's own, which a started job must not lose: some programs strip SLURM_* variables.
COMMANDS = ("sbatch", "scancel", "scontrol", "sinfo", "squeue", "srun")

CONFIGURATION = """\
ClusterName=pvitest
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
# A requeued job waits for the end of its credential: 120 s by default.
AuthInfo=socket={folder}/munge/munge.sock,cred_expire=5
SlurmctldPort={ports[0]}
SlurmctldPidFile={folder}/run/slurmctld.pid
SlurmdPidFile={folder}/run/slurmd.%n.pid
SlurmctldLogFile={folder}/log/slurmctld.log
SlurmdLogFile={folder}/log/slurmd.%n.log
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
TmpFS={folder}/tmp/%n
# No cgroups: they need rights over the machine that a container has not.
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=sched_interval=2,sched_min_interval=200000,bf_interval=3,batch_sched_delay=0
JobRequeue=1
JobFileAppend=1
KillWait=10
# A job at its limit ends then, not up to a minute later.
OverTimeLimit=0
MinJobAge=600
InactiveLimit=0
Waittime=0
MailProg=/bin/true
SlurmctldTimeout=60
SlurmdTimeout=30
# Nodes may claim more cores than this machine has.
SlurmdParameters=config_overrides
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
PreemptExemptTime=0
{nodes}
PartitionName=normal Nodes=ALL Default=YES PriorityTier=1 PreemptMode=REQUEUE {common}
PartitionName=urgent Nodes=ALL PriorityTier=100 PreemptMode=OFF {common}
"""
COMMON = "DefaultTime=60 MaxTime=INFINITE DefMemPerCPU=500 OverSubscribe=NO State=UP"
NODE = (
    "NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs={cpus} Boards=1 "
    "SocketsPerBoard=1 CoresPerSocket={cpus} ThreadsPerCore=1 RealMemory=8000 State=UNKNOWN"
)


class Slurm(Cluster):
    """Nodes `n1`, `n2`, ... of `cpus` cores each, partitions `normal` and, before it, `urgent`.

    A job in `urgent` preempts and requeues those in `normal`.
    """

    name = "Slurm"
    programs = ("munged", "slurmctld", "slurmd", *COMMANDS)

    def __init__(self, folder: Path, nodes: int = 3, cpus: int = 4) -> None:
        super().__init__(folder)
        self.nodes = [f"n{i + 1}" for i in range(nodes)]
        self.cpus = cpus

    @property
    def environment(self) -> dict[str, str]:
        """SLURM_CONF, and a folder of commands that keep it, first on PATH."""
        path = os.environ.get("PATH", "")
        commands = str(self.folder / "bin")
        if commands not in path.split(os.pathsep):
            path = f"{commands}{os.pathsep}{path}"
        return {"SLURM_CONF": str(self.folder / "slurm.conf"), "PATH": path}

    def start(self) -> None:
        """Start munged, slurmctld and one slurmd a node; takes about a second."""
        for name in ("munge", "state", "spool", "log", "run", "bin", "tmp"):
            (self.folder / name).mkdir(parents=True, exist_ok=True, mode=0o755)
        for node in self.nodes:
            (self.folder / "spool" / node).mkdir(exist_ok=True)
            (self.folder / "tmp" / node).mkdir(exist_ok=True)
        self._write_configuration()
        self._write_commands()
        self._start_munge()
        self.command("slurmctld")
        for node in self.nodes:
            self.command("slurmd", "-N", node)
        wait_until(self._all_idle, 60, "An idle state of all nodes of Slurm")

    def stop(self) -> None:
        """Cancel all jobs, end the daemons; takes 1 to 8 s."""
        with suppress(RuntimeError, subprocess.TimeoutExpired, TimeoutError):
            if jobs := self.jobs():
                self.cancel(*jobs)
                wait_until(lambda: not self.jobs(), 25, "The end of all jobs of Slurm")
        for file in (self.folder / "run").glob("slurmd.*.pid"):
            stop_process(file)
        stop_process(self.folder / "run" / "slurmctld.pid")
        stop_process(self.folder / "munge" / "munged.pid")

    def jobs(self) -> dict[str, str]:
        """Return the state of every job that waits or runs, by its id."""
        lines = self.command("squeue", "--noheader", "--format=%i %T").splitlines()
        return dict(line.split() for line in lines)

    def cancel(self, *jobs: str) -> None:
        """Cancel jobs."""
        if jobs:
            self.command("scancel", *jobs)

    def submit(self, script: Path, *options: str) -> str:
        """Submit a job script and return the job's id."""
        return self.command("sbatch", "--parsable", *options, str(script)).strip()

    def is_up(self, node: str) -> bool:
        """Tell whether a node takes jobs."""
        state = self.command("sinfo", "--noheader", "--nodes", node, "--format=%T").strip()
        return state in ("idle", "mixed", "allocated")

    def _all_idle(self) -> bool:
        states = self.command("sinfo", "--noheader", "--Node", "--format=%N %T").splitlines()
        return set(states) == {f"{node} idle" for node in self.nodes}

    def _write_configuration(self) -> None:
        host = socket.gethostname().partition(".")[0]
        ports = free_ports(1 + len(self.nodes))
        nodes = "\n".join(
            NODE.format(name=name, host=host, port=port, cpus=self.cpus)
            for name, port in zip(self.nodes, ports[1:], strict=True)
        )
        text = CONFIGURATION.format(
            host=host, folder=self.folder, ports=ports, nodes=nodes, common=COMMON
        )
        (self.folder / "slurm.conf").write_text(text)

    def _write_commands(self) -> None:
        for name in COMMANDS:
            path = self.folder / "bin" / name
            conf = self.environment["SLURM_CONF"]
            path.write_text(f'#!/bin/sh\nSLURM_CONF={conf} exec {shutil.which(name)} "$@"\n')
            path.chmod(0o755)

    def _start_munge(self) -> None:
        munge = self.folder / "munge"
        key = munge / "munge.key"
        key.touch(mode=0o400)
        key.write_bytes(secrets.token_bytes(1024))
        names = {"key-file": "munge.key", "socket": "munge.sock", "pid-file": "munged.pid",
                 "log-file": "munged.log", "seed-file": "munged.seed"}  # fmt: skip
        options = [f"--{option}={munge / name}" for option, name in names.items()]
        # --force: the folder may lie under /tmp, which others can write to.
        self.command("munged", "--force", *options)


def main() -> None:
    """Start or stop one from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["start", "stop"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--nodes", type=int, default=3)
    arguments = parser.parse_args()
    cluster = Slurm(arguments.folder, arguments.nodes)
    getattr(cluster, arguments.what)()
    if arguments.what == "start":
        print("\n".join(f"export {k}={v}" for k, v in cluster.environment.items()))


if __name__ == "__main__":
    main()
