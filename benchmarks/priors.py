"""Time the Whittle-Matern prior: PETSc on MPI ranks, its iterations by size, both solvers.

    python benchmarks/priors.py [--cells 100] [--ranks 2] [--sizes 50 100 150] [--variances]

The last line is one JSON object. Lengths vary in space by a factor of two and layers dip, but
where cosine transforms are compared. `cpu_s` of a rank is what an idle core would need.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from mpi4py import MPI
from numpy.typing import NDArray
from scipy.sparse import csr_array

from pvi_hpc.library.make import make_prior
from pvi_hpc.numerics.petsc import BoxSolver
from pvi_hpc.priors.correlations.coefficients import rotated_tensor
from pvi_hpc.priors.correlations.operator import operator_matrix
from pvi_hpc.priors.correlations.spde import SpdeCorrelation

Box = tuple[slice, slice, slice]
SETTING = "benchmarks/priors.py"


def tensor(n: int, part: Box) -> NDArray[np.float64]:
    """Return dipping coefficients of a part of `n` cubed cells; lengths of 0.04 to 0.2 `n`."""
    z, y, x = np.meshgrid(*(np.arange(s.start, s.stop) / n for s in part), indexing="ij")
    across = 0.04 * n * (1 + 0.5 * np.sin(6 * x))
    along = 0.1 * n * (1.5 + 0.5 * np.cos(5 * y + 4 * x))
    dip = 25 * np.sin(5 * x + 2 * z)
    return rotated_tensor([across, along, along], dip, 0 * dip)


def timed(work: Callable[[], Any]) -> tuple[Any, dict[str, float]]:
    """Return what some work returns, and its wall and processor time [s]."""
    wall, cpu = time.perf_counter(), time.process_time()
    found = work()
    return found, {
        "wall_s": round(time.perf_counter() - wall, 3),
        "cpu_s": round(time.process_time() - cpu, 3),
    }


def box_solver(n: int, comm: Any = None) -> BoxSolver:
    """Return the solver of the dipping coefficients on `n` cubed cells."""

    def matrix(part: Box) -> csr_array:
        return operator_matrix(tensor(n, part), np.ones([s.stop - s.start for s in part], bool))

    return BoxSolver((n, n, n), matrix, 1e-10, SETTING, comm)


def on_ranks(n: int) -> dict[str, Any]:
    """Measure set-up and draws on all ranks; compare the field with that of one rank."""
    comm = MPI.COMM_WORLD
    solver, setup = timed(lambda: box_solver(n, comm))
    xi = np.random.default_rng(1).standard_normal((n, n, n))
    own = xi[solver.own].reshape(-1)
    field, draw = timed(lambda: solver.solve(own))
    twice, _ = timed(lambda: solver.solve(own))
    found = {
        "setup": setup,
        "draw": draw,
        "iterations": solver.iterations,
        "repeats_to_the_bit": bool((field == twice).all()),
    }
    parts = comm.gather((solver.own, field))
    if comm.rank == 0 and parts is not None:
        whole = np.empty((n, n, n))
        for own_box, values in parts:
            whole[own_box] = values.reshape(whole[own_box].shape)
        alone = box_solver(n).solve(xi.reshape(-1)).reshape(n, n, n)
        found["differs_from_one_rank"] = float(abs(whole - alone).max() / alone.std())
    return found


def iterations(sizes: list[int]) -> dict[str, int]:
    """Return the iterations of one solve on one rank, by the number of cells of an edge."""
    found = {}
    for n in sizes:
        solver = box_solver(n)
        solver.solve(np.random.default_rng(1).standard_normal(n**3))
        found[str(n)] = solver.iterations
        print(f"{n} cubed: {solver.iterations} iterations", flush=True)
    return found


def both_solvers(n: int) -> dict[str, Any]:
    """Compare PETSc with cosine transforms where both serve."""
    tables = {"depth_m": [0], "lower_m_s": [1500], "upper_m_s": [4500]}
    keys = {"length_m": [0.05 * n, 0.1 * n, 0.1 * n], "unknowns": "cells", **tables}
    cosine: Any
    cosine, setup = timed(lambda: make_prior("whittle_matern", (n, n, n), **keys))
    xi = np.random.default_rng(2).standard_normal(n**3)
    solver = BoxSolver((n, n, n), lambda part: aligned(n, part), 1e-10, SETTING)
    rows = cosine.sample(np.random.default_rng(2), 1)
    field = cosine.marginal.to_normal(torch_of(rows))[0].numpy()
    expected = field / cosine.correlation.scale.reshape(-1)
    apart = abs(solver.solve(xi) - expected).max() / expected.std()
    _, draw = timed(lambda: cosine.sample(np.random.default_rng(3), 1))
    return {"cosine_setup": setup, "cosine_draw": draw, "differ": float(apart)}


def aligned(n: int, part: Box) -> csr_array:
    """Return the operator of constant lengths."""
    one = np.ones([s.stop - s.start for s in part])
    lengths = rotated_tensor([0.05 * n * one, 0.1 * n * one, 0.1 * n * one], 0 * one, 0 * one)
    return operator_matrix(lengths, one.astype(bool))


def torch_of(rows: NDArray[np.float64]) -> Any:
    """Return an array as a tensor."""
    import torch

    return torch.from_numpy(rows)


def variances(n: int) -> dict[str, float]:
    """Return the time of a whole correlation on one rank, its variances estimated."""
    everywhere = slice(0, n), slice(0, n), slice(0, n)
    _, spent = timed(
        lambda: SpdeCorrelation(tensor(n, everywhere), np.ones((n, n, n), bool), 2, 1e-10)
    )
    return spent


def main() -> None:
    """Run every part; ranks print theirs as one line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--cells", type=int, default=100)
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--sizes", type=int, nargs="*", default=[50, 100, 150])
    parser.add_argument("--variances", action="store_true")
    parser.add_argument("--part", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.part:
        part = on_ranks(given.cells)
        if MPI.COMM_WORLD.rank == 0:
            print(json.dumps(part))
        return
    command = ["mpiexec", "-n", str(given.ranks), sys.executable, __file__, "--part"]
    command += ["--cells", str(given.cells)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    print(done.stdout, end="", flush=True)
    found: dict[str, Any] = {
        "cells": given.cells**3,
        "ranks": given.ranks,
        **json.loads(done.stdout.splitlines()[-1]),
        "solvers": both_solvers(given.cells),
        "iterations_by_size": iterations(given.sizes),
    }
    found["matern_setup_s"] = found["setup"]["wall_s"]
    found["matern_draw_s"] = found["draw"]["wall_s"]
    if given.variances:
        found["variances"] = variances(given.cells)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
