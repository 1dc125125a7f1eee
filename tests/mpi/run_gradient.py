"""Traces, gradients and Born traces of one shot; see `main` for the arguments."""

import sys

import numpy as np
from mpi4py import MPI

from pvi_hpc.forward.acoustic.acoustic_solver import (
    AcousticSolver,
    SolverSettings,
    decomposition,
)
from pvi_hpc.forward.acoustic.history.storage import Storage

NT = 90


def main(shape_text: str, free_surface: str, order: str, output: str) -> None:
    """Same problem on any number of ranks: shape nz,ny,nx and surface 0 or 1, as texts."""
    shape = tuple(int(n) for n in shape_text.split(","))
    settings = SolverSettings(
        shape,
        (10.0, 12.0, 11.0),
        1.2e-3,
        pml_velocity=2500.0,
        pml_frequency=15.0,
        n_pml=4,
        order=int(order),
        free_surface=bool(int(free_surface)),
        dtype="float64",
    )
    rng = np.random.default_rng(0)
    extent = (np.array(shape) - 1) * settings.spacing
    model = rng.uniform(1800.0, 2900.0, shape)
    source, receivers = rng.uniform(0.1, 1, 3) * extent, rng.uniform(0.1, 1, (6, 3)) * extent
    with AcousticSolver(settings, MPI.COMM_WORLD) as solver:
        solver.set_model(model)
        wavelet = rng.standard_normal(NT)
        traces = solver.forward(source, wavelet, receivers, store=True)
        residual = rng.standard_normal(traces.shape)
        gradient, by_wavelet = solver.gradients(residual)
        direction = rng.standard_normal(shape)
        born = solver.born(source, wavelet, receivers, direction).linearised
    again = []
    for storage in (Storage(segment=40, slots=1), Storage(every=2, packed=True)):
        with AcousticSolver(settings, MPI.COMM_WORLD, storage) as solver:
            solver.set_model(model)
            solver.forward(source, wavelet, receivers, store=True)
            again.append(solver.gradient(residual))
    if MPI.COMM_WORLD.rank == 0:
        dims = decomposition(settings, MPI.COMM_WORLD.size)
        results = {
            "traces": traces,
            "gradient": gradient,
            "by_wavelet": by_wavelet,
            "born": born,
            "replayed": again[0],
            "decimated": again[1],
        }
        np.savez(output, dims=np.array(dims), **results)


if __name__ == "__main__":
    main(*sys.argv[1:])
