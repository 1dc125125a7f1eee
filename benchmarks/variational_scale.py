"""The variational update alone: seconds an iteration and peak memory, by size.

    python benchmarks/variational_scale.py [section ...]

A quadratic log density of independent cells, float32 parameters, 4 samples in pairs, Adam,
the default estimator, as many threads as OMP_NUM_THREADS says (2 if it is not set). Each
section runs in a process of its own and is a figure of `sections()`; the peak is that of the
process less what it held before the method was made. Prints one JSON object.
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

    from pvi_hpc.config.inference import Family, Inference, Start
    from pvi_hpc.families.load import load_family
    from pvi_hpc.inference.target import TargetValue
    from pvi_hpc.inference.vi import VariationalInference
    from pvi_hpc.simulate.simulator import SimulationCount

    class Quadratic:
        """log density -0.5 * sum((theta - 1)^2 * 4), cheap on purpose."""

        def batches(self, iteration, n):
            return [()] * n

        def value(self, theta, batches=None):
            gradient = (1 - theta).mul_(4)
            log_density = torch.tensor([-0.125 * float(g @ g) for g in gradient]).double()
            zero = torch.zeros_like(log_density)
            return TargetValue(zero, log_density, gradient, zero, SimulationCount())

    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))
    before = peak()
    family = load_family(Family(kind=kind, options=options), np.ones(shape, bool))
    settings = Inference(samples=SAMPLES, iterations=1000, precision="single")
    method = VariationalInference(family, Quadratic(), settings, Start())
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
        "interpreter_gb": before,
        "n": family.n,
    }


def peak() -> float:
    """Return the largest memory of this process so far [GB]."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def sections() -> dict[str, float]:
    """Return the figures that `benchmarks/variational.py` reports."""
    figures = {name: run(name) for name in ("psvi_1e6", "psvi_1e7", "mean_field_1e7")}
    return {
        "psvi_1e6_s": figures["psvi_1e6"]["s"],
        "psvi_1e6_gb": figures["psvi_1e6"]["gb"],
        "psvi_1e7_s": figures["psvi_1e7"]["s"],
        "psvi_1e7_gb": figures["psvi_1e7"]["gb"],
        "mean_field_1e7_s": figures["mean_field_1e7"]["s"],
    }


def run(name: str) -> dict[str, float]:
    """Return what a section gives, in a process of its own."""
    command = [sys.executable, __file__, "--one", name]
    environment = {"OMP_NUM_THREADS": "2", **os.environ}
    answer = subprocess.run(command, check=True, capture_output=True, env=environment)
    return json.loads(answer.stdout.splitlines()[-1])


def main() -> None:
    """Run the sections that are named, or those of `sections()`."""
    names = sys.argv[1:]
    if names[:1] == ["--one"]:
        function, n = SECTIONS[names[1]]
        print(json.dumps(function(n)))
    elif names:
        print(json.dumps({name: run(name) for name in names}, indent=1))
    else:
        print(json.dumps(sections()))


if __name__ == "__main__":
    main()
