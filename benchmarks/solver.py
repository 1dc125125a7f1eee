"""Speed of the acoustic solver: padded cells a second, and the cost of a gradient."""

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np

from pvi_hpc.simulate.acoustic_solver import AcousticSolver, SolverSettings
from pvi_hpc.simulate.stability import max_time_step

SPACING = (20.0, 20.0, 20.0)
CASES = (((45, 65, 65), 400), ((128, 128, 128), 100))  # padded cells, time steps
N_PML = 10
FASTEST = 4500.0


def seconds(function: Callable[[], object], repeats: int) -> float:
    """Median wall time; the first call, which touches the memory, is left out."""
    function()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def measure(padded: tuple[int, ...], nt: int, threads: int, repeats: int) -> str:
    """One row of the table."""
    shape = tuple(n - 2 * N_PML for n in padded)
    dt = 0.9 * max_time_step(FASTEST, SPACING)
    settings = SolverSettings(
        shape, SPACING, dt, pml_velocity=3000.0, pml_frequency=8.0, n_pml=N_PML, threads=threads
    )
    rng = np.random.default_rng(1)
    model = rng.uniform(2000.0, FASTEST, shape)
    extent = (np.array(shape) - 1) * SPACING
    source, receivers = extent * (0.3, 0.5, 0.5), rng.uniform(size=(50, 3)) * extent
    t = np.pi * 8.0 * (np.arange(nt) * dt - 0.15)
    wavelet = (1 - 2 * t**2) * np.exp(-(t**2))
    with AcousticSolver(settings) as solver:
        solver.set_model(model)
        forward = seconds(lambda: solver.forward(source, wavelet, receivers), repeats)

        def both() -> None:
            solver.gradient(solver.forward(source, wavelet, receivers, store=True))

        gradient = seconds(both, repeats)
    cells = np.prod(padded) * nt
    size = "x".join(map(str, padded))
    return f"{size:>12} {threads:8d} {cells / forward / 1e9:16.2f} {gradient / forward:17.2f}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    arguments = parser.parse_args()
    print("padded cells  threads  forward Gcells/s  gradient/forward")
    for padded, nt in CASES:
        for threads in arguments.threads:
            print(measure(padded, nt, threads, arguments.repeats))


if __name__ == "__main__":
    main()
