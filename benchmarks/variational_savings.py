"""Gradients to within 1 % of the best ELBO: our defaults against plain Adam from L = I.

The target is the linear tomography of tests/numerics/tomography.py (576 cells, 120 rays), so
that the best ELBO of a family, and that of every iterate, is known exactly. The gap that 1 %
is of is that of L = I at the prior's mean. Plain: reparameterised gradients of two independent
samples, Adam with a constant step, the best of a grid; ours: L-BFGS and the curvature, then
Adam.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any, Final

import numpy as np
import torch
from scipy.sparse import csc_array

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "numerics"))
from tomography import Tomography, tomography

from pvi_hpc.diagnostics.known_gaussian import dense_factor, optimal_factor
from pvi_hpc.families.load import load_family
from pvi_hpc.families.settings import FamilySettings
from pvi_hpc.inference.methods.vi import VariationalInference
from pvi_hpc.inference.settings import (
    EstimatorSettings,
    HessianSettings,
    InferenceSettings,
    OptimiserSettings,
    StartSettings,
)
from pvi_hpc.inference.target import Target

__all__ = ["FAMILIES", "Gap", "defaults", "figures", "plain", "savings", "show"]

FAMILIES: Final = {
    "mean_field": FamilySettings(),
    "psvi": FamilySettings(kind="structured", options={"stencil": [1, 5, 5]}),
}
STEPS: Final = (0.01, 0.03, 0.1, 0.3)
SEEDS: Final = range(1, 11)
SHARE: Final = 0.01
#: Gradients after which a fit counts as not having arrived.
MOST: Final = 3000
#: Variational iterations between two evaluations of the exact ELBO, after the first ones.
EVERY: Final = 5

Gap = Callable[[Any], float]


def figures(seeds: range = SEEDS) -> dict[str, float]:
    """Return how many times fewer gradients ours takes, medians over seeds, and counts."""
    target, found = tomography(), {}
    for name, settings in FAMILIES.items():
        family = load_family(settings, target.active)
        found |= savings(name, target, family, gap_of(target, family), seeds)
    return found


def savings(
    name: str, target: Target, family: Any, gap: Gap, seeds: range = SEEDS
) -> dict[str, float]:
    """Return ratio and counts of a family, keys with `name`; seed 0 tunes the step."""
    tuned = {step: count(target, family, gap, *plain(step), 0) for step in STEPS}
    step = min(tuned, key=tuned.__getitem__)
    theirs = median(count(target, family, gap, *plain(step), seed) for seed in seeds)
    ours = median(count(target, family, gap, *defaults(), seed) for seed in seeds)
    return {
        f"gradients_saved_{name}": theirs / ours,
        f"gradients_ours_{name}": ours,
        f"gradients_plain_{name}": theirs,
        f"step_plain_{name}": step,
    } | {f"gradients_plain_{name}_step_{k}": v for k, v in tuned.items()}


def plain(step: float) -> tuple[InferenceSettings, StartSettings]:
    """Return the settings of plain reparameterised Adam from L = I."""
    settings = InferenceSettings(
        iterations=MOST // 2,
        samples=2,
        estimator=EstimatorSettings(draws="independent", landing="never"),
        optimiser=OptimiserSettings(step=step, schedule="constant"),
    )
    return settings, StartSettings(sd=1.0)


def defaults() -> tuple[InferenceSettings, StartSettings]:
    """Return settings with L-BFGS and the curvature as a start, and Adam."""
    start = StartSettings(
        sd=1.0,
        map_iterations=15,
        map_optimiser="lbfgs",
        map_step=0.3,
        hessian=HessianSettings(max_sd=100.0),
    )
    return InferenceSettings(iterations=300, samples=2), start


def count(
    target: Target,
    family: Any,
    gap: Gap,
    settings: InferenceSettings,
    start: StartSettings,
    seed: int,
) -> float:
    """Return the gradients until the ELBO is within `SHARE` of its first gap."""
    method = VariationalInference(family, target, settings, start, seed)
    state = method.init(torch.zeros(family.n, dtype=torch.float64), start.sd)
    first, gradients = gap(state.parameters), 0
    while gradients < MOST and state.iteration < method.n_iterations:
        state, info = method.step(state)
        gradients += info.count.done
        early = state.iteration <= start.iterations + EVERY
        if (early or state.iteration % EVERY == 0) and gap(state.parameters) < SHARE * first:
            return gradients
    return float("inf")


def gap_of(target: Tomography, family: Any) -> Gap:
    """Return the function from parameters to the ELBO that is missing [nats]."""
    precision = target.precision
    fresh = family.initial(torch.zeros(target.n, dtype=torch.float64), 1.0)
    pattern = np.eye(target.n, dtype=bool)
    if "coefficients" in fresh:
        fresh["coefficients"] += 1
        pattern = dense_factor(family, fresh) != 0

    def loss(factor: Any, log_det: float, shift: Any) -> float:
        trace = float(factor.multiply(csc_array(precision @ factor)).sum())
        return 0.5 * (trace + shift @ precision @ shift) - log_det

    optimum = optimal_factor(precision, pattern)
    best = loss(csc_array(optimum), np.log(np.diag(optimum)).sum(), np.zeros(target.n))

    def gap(parameters: Any) -> float:
        factor = csc_array(dense_factor(family, parameters))
        log_det = float(parameters["log_sd"].sum())
        return loss(factor, log_det, parameters["mu"].numpy() - target.mean) - best

    return gap


def show(found: dict[str, float]) -> None:
    """Print all counts, then the two ratios as JSON."""
    for key, value in found.items():
        print(f"{key:45} {value:g}")
    print(json.dumps({k: v for k, v in found.items() if k.startswith("gradients_saved")}))


if __name__ == "__main__":
    torch.set_num_threads(1)
    show(figures())
