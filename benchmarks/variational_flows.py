"""KL of flows to three densities in the plane: `python benchmarks/variational_flows.py`.

A line a flow and target: both KLs [nats], gradients used, seconds. The last line is one JSON
object with `KL(q || p)`. Without `--family` each density gets the flow that suits it, which
takes about a minute: splines end at 5 standard deviations and cut a banana's ends.
"""

import argparse
import json
import time

import torch

import pvi_hpc
from pvi_hpc.diagnostics.plane import TARGETS, plane_kl

__all__ = ["flow_kl"]

#: Layers and networks of each flow.
FLOWS = {
    "planar": {"layers": 32},
    "radial": {"layers": 32},
    "affine_coupling": {"layers": 8, "hidden": [32, 32]},
    "spline_coupling": {"layers": 4, "hidden": [32, 32]},
    "iaf": {"layers": 6, "hidden": [32, 32]},
    "maf": {"layers": 6, "hidden": [32, 32]},
}
SUITED = {
    "banana": "affine_coupling",
    "ring": "spline_coupling",
    "three_modes": "spline_coupling",
}


def flow_kl(
    family: str, target: str, iterations: int, samples: int, step: float
) -> tuple[float, float]:
    """Return `KL(q || p)` and `KL(p || q)` [nats] of a flow fitted to a density."""
    fitted = pvi_hpc.fit(
        TARGETS[target],
        2,
        family={"kind": family, "options": FLOWS[family]},
        iterations=iterations,
        samples=samples,
        estimator={"landing": "never"},
        optimiser={"step": step, "final": 0.01},
        start={"sd": 1.0},
    )
    return plane_kl(lambda x: torch.from_numpy(fitted.log_prob(x.numpy())), TARGETS[target])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--family", choices=["all", *FLOWS])
    parser.add_argument("--iterations", type=int, default=600)
    parser.add_argument("--samples", type=int, default=64)
    parser.add_argument("--step", type=float, default=0.02)
    chosen = parser.parse_args()
    pairs = list(SUITED.items())
    if chosen.family:
        names = FLOWS if chosen.family == "all" else [chosen.family]
        pairs = [(shape, name) for name in names for shape in SUITED]
    found = {}
    for shape, name in pairs:
        begin = time.perf_counter()
        forward, backward = flow_kl(name, shape, chosen.iterations, chosen.samples, chosen.step)
        found[f"{name}_{shape}_kl"] = forward
        print(
            f"{name:16} {shape:12} KL(q||p) {forward:.4f}  KL(p||q) {backward:.4f}  "
            f"{chosen.iterations * chosen.samples} gradients  "
            f"{time.perf_counter() - begin:.0f} s",
            flush=True,
        )
    print(json.dumps(found))
