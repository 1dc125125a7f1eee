"""Launchers of the ranks of a gang: this node's mpiexec, or the site's launcher."""

import os
import shutil
import sys
from pathlib import Path
from typing import Final

from pvi_hpc.execution.failures import GangError
from pvi_hpc.execution.gang.scratch import free_memory
from pvi_hpc.execution.settings import Launcher

__all__ = ["gang_environment", "launch_command", "want_of_memory"]

#: Variables by which an MPI finds the batch job around it, and would start ranks through it:
#: inside an srun step it then waits for an inner step that can never start.
JOB_VARIABLES: Final = ("SLURM", "PMI_", "PMIX_", "OMPI_", "PRTE_", "PE_HOSTFILE", "HYDRA_")
#: Ranks of one node share memory. These keep each MPI's network libraries from opening ports on
#: it: UCX (MPICH) and Open MPI open none then, libfabric (MPICH) one on loopback.
ONE_NODE: Final = {
    "FI_TCP_IFACE": "lo",
    "OMPI_MCA_btl": "^tcp",
}
#: Memory that UCX wants in /dev/shm for each rank [bytes], measured 4.4 MB; with less there it
#: must use System V's, which the other members of the user's group can open.
UCX_BYTES: Final = 6_000_000
#: Memory that the ranks of a node share in /dev/shm, for each of them [bytes], measured 1.06 MB
#: with MPICH; where there is less, touching it is a bus error.
SHARED_BYTES: Final = 1_100_000


def launch_command(launcher: Launcher) -> tuple[str, ...]:
    """Return a command that takes `-n RANKS PROGRAM`.

    Raises
    ------
    GangError
        If it is not there.
    """
    if launcher == "srun":
        # One step for the gang; MPICH speaks PMI-2. A rank that fails ends the others.
        return _found("srun"), "--mpi=pmi2", "--kill-on-bad-exit=1", "--overlap"
    if launcher == "qrsh":
        return _mpiexec(), "-rmk", "sge", "-launcher", "sge"
    if launcher == "mpirun":
        return (_found("mpirun"),)
    return (_mpiexec_of_one_node(),)


def gang_environment(launcher: Launcher, ranks: int, threads: int) -> dict[str, str]:
    """Return the environment of a gang.

    One on a single node knows nothing of its job, and no network.
    """
    environment = dict(os.environ)
    if launcher == "fork":
        environment = {k: v for k, v in environment.items() if not k.startswith(JOB_VARIABLES)}
        environment |= {"HYDRA_LAUNCHER": "fork", "HYDRA_RMK": "user", **ONE_NODE}
        roomy = free_memory() > UCX_BYTES * ranks
        environment["UCX_TLS"] = "self,posix" if roomy else "self,sysv"
        if os.getuid() == 0:  # Open MPI refuses root, as in containers, without these.
            environment |= {"OMPI_ALLOW_RUN_AS_ROOT": "1"}
            environment |= {"OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    environment["OMP_NUM_THREADS"] = str(threads)
    environment["OPENBLAS_NUM_THREADS"] = "1"
    return environment


def want_of_memory(ranks: int) -> str:
    """Return what to do about a `/dev/shm` too small for so many ranks, or nothing."""
    free, needed = free_memory(), SHARED_BYTES * ranks
    if free >= needed:
        return ""
    return (
        f"/dev/shm has {free / 1e6:.2f} MB free, and {ranks} MPI ranks share "
        f"{needed / 1e6:.1f} MB there; enlarge it (a container's: --shm-size=1g), or remove "
        "what fills it."
    )


def _mpiexec_of_one_node() -> str:
    """Return MPICH's launcher that forks the ranks, if it is there.

    It speaks to them through pipes. MPICH's usual one, Hydra, listens to the whole network.
    """
    mpiexec = Path(_mpiexec())
    forking = mpiexec.with_name("mpiexec.gforker")
    return str(forking if forking.exists() else mpiexec)


def _mpiexec() -> str:
    beside = Path(sys.executable).with_name("mpiexec")
    return str(beside) if beside.exists() else _found("mpiexec")


def _found(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise GangError(
            "start", f"No '{name}' in PATH; install an MPI or set 'execution.cluster.launcher'."
        )
    return path
