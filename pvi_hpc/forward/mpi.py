"""MPI in a process that is no rank: not started before it is needed, and without a network.

mpi4py starts MPI when it is imported. That takes shared memory, which is short in containers
(a bus error ends the process), and opens ports on every interface of the node.
"""

import atexit
import os
import sys
from typing import TYPE_CHECKING, Any, Final

import mpi4py

if TYPE_CHECKING:
    from mpi4py import MPI

__all__ = ["library_version", "this_process"]

#: Keep MPICH (UCX, libfabric) and Open MPI from opening ports for a process alone.
OFFLINE: Final = {"UCX_TLS": "self", "FI_TCP_IFACE": "lo", "OMPI_MCA_btl": "self"}


def library_version() -> str:
    """Return what the MPI library that mpi4py runs says of itself."""
    text: str = _mpi().Get_library_version()
    return text


def this_process() -> "MPI.Comm":
    """Return the communicator of this process alone; MPI is started if it does not run."""
    mpi = _mpi()
    if not mpi.Is_initialized():
        before = {name: os.environ.get(name) for name in OFFLINE}
        os.environ.update(OFFLINE)
        try:
            mpi.Init_thread()
        finally:  # What this process starts may be ranks of several nodes.
            for name, value in before.items():
                del os.environ[name]
                if value is not None:
                    os.environ[name] = value
        atexit.register(_end)
    alone: MPI.Comm = mpi.COMM_SELF
    return alone


def _mpi() -> Any:
    if "mpi4py.MPI" not in sys.modules:
        mpi4py.rc.initialize = False
    from mpi4py import MPI

    return MPI


def _end() -> None:
    mpi = _mpi()
    if not mpi.Is_finalized():
        mpi.Finalize()
