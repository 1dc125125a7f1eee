"""Seconds and memory of an SVGD update, the target's own seconds left out.

Float32 particles on a cheap quadratic log density, RBF kernel with the median bandwidth, Adam.
`python benchmarks/variational_svgd.py --particles 500` measures the memory of 500 x 1e6. The
last line is one JSON object.
"""

import argparse
import json
import resource
import time
from collections.abc import Sequence

import torch

from pvi_hpc.cost import SimulationCount
from pvi_hpc.inference.method import load_method
from pvi_hpc.inference.settings import (
    InferenceSettings,
    MethodSettings,
    OptimiserSettings,
    StartSettings,
)
from pvi_hpc.inference.target import TargetValue

__all__ = ["measure", "svgd"]


class Quadratic:
    """`log p = -|theta - 0.3|^2 / 2`; remembers the seconds that it took itself."""

    seconds = 0.0

    def batches(self, iteration: int, n: int) -> Sequence[tuple[int, ...]]:
        """Return no shots."""
        return [()] * n

    def value(self, theta: torch.Tensor, batches: object = None) -> TargetValue:
        """Evaluate at `theta` `(S, n)`."""
        start = time.perf_counter()
        gradient = 0.3 - theta
        log_density = -0.5 * (gradient * gradient).sum(dim=1, dtype=torch.float64)
        zero = torch.zeros_like(log_density)
        self.seconds += time.perf_counter() - start
        return TargetValue(zero, log_density, gradient, zero, SimulationCount())


class Cells:
    """A number of unknowns is all that particles need of a family."""

    def __init__(self, n: int) -> None:
        self.n = n


def measure(particles: int, n: int, updates: int) -> dict[str, float]:
    """Return the lowest seconds of `updates` after a first one, and the peak memory [GB]."""
    target = Quadratic()
    settings = InferenceSettings(
        method=MethodSettings(kind="svgd"),
        iterations=updates + 1,
        samples=particles,
        precision="single",
        optimiser=OptimiserSettings(step=0.01),
    )
    method = load_method(Cells(n), target, settings, StartSettings(), 1)
    state = method.init(torch.zeros(n, dtype=torch.float64), 1.0)
    seconds = []
    for _ in range(updates + 1):
        target.seconds, start = 0.0, time.perf_counter()
        state, _ = method.step(state)
        seconds.append(time.perf_counter() - start - target.seconds)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return {"seconds": min(seconds[1:] or seconds), "peak_gb": peak}


def svgd() -> dict[str, float]:
    """Return the figures of 100 particles of a million unknowns."""
    found = measure(100, 1_000_000, updates=2)
    return {"svgd_100x1e6_s": found["seconds"], "svgd_100x1e6_gb": found["peak_gb"]}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--particles", type=int)
    parser.add_argument("--unknowns", type=int, default=1_000_000)
    parser.add_argument("--updates", type=int, default=2)
    chosen = parser.parse_args()
    if chosen.particles is None:
        print(json.dumps(svgd()))
    else:
        print(json.dumps(measure(chosen.particles, chosen.unknowns, chosen.updates)))
