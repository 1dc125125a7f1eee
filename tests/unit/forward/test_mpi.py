"""MPI in a process that is no rank; each in one of its own, for it starts once only."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

BEFORE = """
import os, psutil
from pathlib import Path
from pvi_hpc.forward.acoustic.library import load
load("float32", 8)
from mpi4py import MPI

def listening():
    found = psutil.Process().net_connections("inet")
    return [c.laddr for c in found if c.status == psutil.CONN_LISTEN]

def shared():
    mine = f"_{os.getpid():x}_"
    return [path.name for path in Path("/dev/shm").iterdir() if mine in path.name]
"""
NOT_STARTED = "print(MPI.Is_initialized(), listening(), shared())"
ALONE = """
from pvi_hpc.forward.mpi import this_process
os.environ["UCX_TLS"] = "all"
os.environ.pop("OMPI_MCA_btl", None)
print(this_process().size, this_process().allgather(3), listening())
print(os.environ["UCX_TLS"], "OMPI_MCA_btl" in os.environ)
"""
PETSC_LATER = """
import torch
from pvi_hpc.forward.mpi import this_process
from pvi_hpc.numerics.petsc import load_petsc
alone = this_process()
vector = load_petsc("a test").Vec().createSeq(3, comm=alone)
print(vector.size)
"""
LEFT = "import sys; print(os.getpid(), file=sys.stderr)"


def run(code):
    return subprocess.run(
        [sys.executable, "-c", BEFORE + code], capture_output=True, text=True, check=True
    )


def test_the_solver_is_found_without_starting_mpi():
    assert run(NOT_STARTED).stdout == "False [] []\n"


def test_a_process_alone_opens_no_port_and_keeps_its_environment():
    done = run(ALONE + LEFT)
    assert done.stdout == "1 [3] []\nall False\n"
    name = f"_{int(done.stderr):x}_"
    assert not [path for path in Path("/dev/shm").iterdir() if name in path.name]


@pytest.mark.skipif(find_spec("petsc4py") is None, reason="petsc4py is not installed")
def test_petsc_ends_before_the_mpi_that_was_there_before_it():
    assert run(PETSC_LATER).stdout == "3\n"
