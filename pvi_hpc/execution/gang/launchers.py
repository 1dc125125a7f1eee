"""Launchers of the ranks of a gang: this node's mpiexec, or the site's launcher."""

import os
import shutil
import sys
from pathlib import Path
from typing import Final

from pvi_hpc.execution.failures import GangError
from pvi_hpc.execution.settings import Launcher

__all__ = ["gang_environment", "launch_command"]

#: Variables by which an MPI finds the batch job around it, and would start ranks through it:
#: inside an srun step it then waits for an inner step that can never start.
JOB_VARIABLES: Final = ("SLURM", "PMI_", "PMIX_", "OMPI_", "PRTE_", "PE_HOSTFILE", "HYDRA_")


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
    return (_mpiexec(),)


def gang_environment(launcher: Launcher, threads: int) -> dict[str, str]:
    """Return the environment of a gang; one on a single node knows nothing of its job."""
    environment = dict(os.environ)
    if launcher == "fork":
        environment = {k: v for k, v in environment.items() if not k.startswith(JOB_VARIABLES)}
        environment |= {"HYDRA_LAUNCHER": "fork", "HYDRA_RMK": "user"}
        if os.getuid() == 0:  # Open MPI refuses root, as in containers, without these.
            environment |= {"OMPI_ALLOW_RUN_AS_ROOT": "1"}
            environment |= {"OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    environment["OMP_NUM_THREADS"] = str(threads)
    environment["OPENBLAS_NUM_THREADS"] = "1"
    return environment


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
