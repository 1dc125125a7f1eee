"""The nodes of the job that this process runs in, and how to start something on each."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pvi_hpc.errors import ConfigError
from pvi_hpc.execution.cluster.queues import call

__all__ = ["Node", "allocated_nodes"]


@dataclass(frozen=True)
class Node:
    """A node, and the command in front of what shall run there."""

    name: str
    launcher: tuple[str, ...] = ()


def allocated_nodes(environment: Mapping[str, str] = os.environ) -> list[Node]:
    """Return the nodes of this Slurm or Grid Engine job; outside of one, this machine.

    Raises
    ------
    ConfigError
        If Grid Engine's list of hosts cannot be read.
    SimulationError
        If Slurm does not tell the nodes.
    """
    if "SLURM_JOB_ID" in environment:
        return _slurm(environment)
    if "PE_HOSTFILE" in environment:
        return _grid_engine(Path(environment["PE_HOSTFILE"]))
    return [Node("here")]


def _slurm(environment: Mapping[str, str]) -> list[Node]:
    number = environment["SLURM_JOB_ID"]
    # Snakemake's plugin hides the list from its jobs.
    listed = environment.get("SLURM_JOB_NODELIST") or call(
        ["squeue", "--noheader", "--job", number, "--format", "%N"]
    )
    names = call(["scontrol", "show", "hostnames", listed.strip()]).split()
    # A batch script runs on the first one; all of a node's cores go to one step.
    step = ("srun", f"--jobid={number}", "--overlap", "--mem=0", "--nodes=1", "--ntasks=1")
    extra = ("--cpu-bind=none", "--export=ALL", "--mpi=none", "--input=none")
    return [
        Node(name, () if i == 0 else (*step, *extra, f"--nodelist={name}"))
        for i, name in enumerate(names)
    ]


def _grid_engine(hosts: Path) -> list[Node]:
    try:
        names = [line.split()[0] for line in hosts.read_text().splitlines() if line.strip()]
    except OSError as error:
        raise ConfigError(
            f"'PE_HOSTFILE' must list the hosts of this job; {hosts} cannot be read: {error}"
        ) from error
    here = os.uname().nodename.partition(".")[0]
    remote = ("qrsh", "-inherit", "-nostdin", "-V")
    return [
        Node(name, () if name.partition(".")[0] == here else (*remote, name)) for name in names
    ]
