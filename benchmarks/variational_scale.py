"""The variational update alone: seconds an iteration and peak memory, by size.

    python benchmarks/variational_scale.py [section ...]

A quadratic log density of independent cells, float32 parameters, 4 samples in pairs, Adam,
the default estimator, two threads. Each section runs in a process of its own, so that the peak
of memory is its own, the interpreter's included. Prints a line each; the last is one JSON
object.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

SAMPLES = 4
THREADS = 2
STENCIL = [5, 5, 5]


def psvi(n: float) -> dict[str, float]:
    """Return seconds an iteration and gigabytes of PSVI 5 x 5 x 5 on about `n` cells."""
    side = round(n ** (1 / 3))
    return measure("structured", (side, side, side), {"stencil": STENCIL})


def mean_field(n: float) -> dict[str, float]:
    """Return seconds an iteration and gigabytes of independent cells."""
    side = round(n ** (1 / 3))
    return measure("mean_field", (side, side, side), {})


#: Names of figures, and what gives them.
SECTIONS: dict[str, tuple[Callable[[float], dict[str, float]], float]] = {
    "psvi_1e5": (psvi, 1e5),
    "psvi_1e6": (psvi, 1e6),
    "psvi_1e7": (psvi, 1e7),
    "mean_field_1e5": (mean_field, 1e5),
    "mean_field_1e6": (mean_field, 1e6),
    "mean_field_1e7": (mean_field, 1e7),
}


def measure(kind: str, shape: tuple[int, int, int], options: dict) -> dict[str, float]:
    """Iterate, and return the median time and the peak of memory."""
    import numpy as np
    import torch

    from pvi_hpc.cost import SimulationCount
    from pvi_hpc.families.load import load_family
    from pvi_hpc.families.settings import FamilySettings
    from pvi_hpc.inference.methods.vi import VariationalInference
    from pvi_hpc.inference.settings import InferenceSettings, StartSettings
    from pvi_hpc.inference.target import TargetValue

    class Quadratic:
        """log density -0.5 * sum((theta - 1)^2 * 4), cheap on purpose."""

        def batches(self, iteration, n):
            return [()] * n

        def value(self, theta, batches=None):
            gradient = (1 - theta).mul_(4)
            log_density = torch.tensor([-0.125 * float(g @ g) for g in gradient]).double()
            zero = torch.zeros_like(log_density)
            return TargetValue(zero, log_density, gradient, zero, SimulationCount())

    torch.set_num_threads(THREADS)
    family = load_family(FamilySettings(kind=kind, options=options), np.ones(shape, bool))
    settings = InferenceSettings(samples=SAMPLES, iterations=1000, precision="single")
    method = VariationalInference(family, Quadratic(), settings, StartSettings())
    state = method.init(torch.zeros(family.n), 0.3)
    seconds, cpu = [], []
    while len(seconds) < 4 or sum(seconds) < 1 or (sum(seconds) < 10 and len(seconds) < 12):
        start, cpu_start = time.perf_counter(), time.process_time()
        state, info = method.step(state)
        seconds.append(time.perf_counter() - start)
        cpu.append(time.process_time() - cpu_start)
    assert np.isfinite(info.elbo)
    return {
        "s": statistics.median(seconds[1:]),
        "cpu_s": statistics.median(cpu[1:]),
        "gb": peak(),
        "n": family.n,
    }


def peak() -> float:
    """Return the largest memory of this process so far [GB]."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def run(name: str) -> dict[str, float]:
    """Return what a section gives, in a process of its own."""
    command = [sys.executable, __file__, "--one", name]
    environment = {**os.environ, "OMP_NUM_THREADS": str(THREADS)}
    answer = subprocess.run(command, check=True, capture_output=True, env=environment)
    return json.loads(answer.stdout.splitlines()[-1])


def main() -> None:
    """Run the sections that are named, or all."""
    names = sys.argv[1:]
    if names[:1] == ["--one"]:
        function, n = SECTIONS[names[1]]
        print(json.dumps(function(n)))
        return
    found = {}
    for name in names or SECTIONS:
        figures = run(name)
        found |= {f"{name}_s": figures["s"], f"{name}_gb": figures["gb"]}
        print(
            f"{name:15} {figures['s']:.4f} s ({figures['cpu_s']:.4f} s CPU), "
            f"{1e9 * figures['s'] / figures['n']:.0f} ns an unknown, {figures['gb']:.2f} GB",
            flush=True,
        )
    print(json.dumps(found))


if __name__ == "__main__":
    main()
