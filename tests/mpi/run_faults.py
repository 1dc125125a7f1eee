"""Give one rank something wrong: every rank must raise, and the solver must go on working."""

import sys
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from mpi4py import MPI

from pvi_hpc.errors import PviError
from pvi_hpc.forward.acoustic.acoustic_solver import AcousticSolver, SolverSettings

COMM = MPI.COMM_WORLD
LAST = COMM.rank == COMM.size - 1
SETTINGS = SolverSettings(
    (24, 24, 24), (10.0,) * 3, 1e-3, pml_velocity=2500.0, pml_frequency=15.0, n_pml=4
)


def raised(function: Callable[[], object]) -> int:
    """1 on every rank that got one of our errors."""
    try:
        function()
    except PviError:
        return 1
    return 0


def main(output: str) -> None:
    """Count the ranks that noticed each fault."""
    good = np.full(SETTINGS.shape, 2000.0)
    source, receivers, wavelet = (100.0,) * 3, np.full((2, 3), 80.0), np.ones(20)
    bad_model = np.full(SETTINGS.shape, np.nan) if LAST else good
    slow = np.full(SETTINGS.shape, -1.0) if LAST else good
    fewer = receivers[:1] if LAST else receivers
    outside = receivers + 1e4 if LAST else receivers
    notices = []
    with AcousticSolver(SETTINGS, COMM) as solver:
        for model in (bad_model, slow, good[1:] if LAST else good):
            notices.append(raised(lambda model=model: solver.set_model(model)))
        solver.set_model(good)
        for points in (fewer, outside):
            notices.append(raised(lambda p=points: solver.forward(source, wavelet, p)))
        shorter = wavelet[:-1] if LAST else wavelet
        notices.append(raised(lambda: solver.forward(source, shorter, receivers)))
        notices.append(raised(lambda: solver.gradient(np.ones((2, 20)))))
        traces = solver.forward(source, wavelet, receivers)
    other = replace(SETTINGS, n_pml=5) if LAST else SETTINGS
    notices.append(raised(lambda: AcousticSolver(other, COMM)))
    counts = COMM.allreduce(np.array(notices))
    if COMM.rank == 0:
        np.savez(output, counts=counts, finite=np.isfinite(traces).all())


if __name__ == "__main__":
    main(*sys.argv[1:])
