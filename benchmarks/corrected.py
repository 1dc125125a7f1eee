"""Measure a corrected posterior: acceptance in 10,000 unknowns, and agreement with HMC.

    python benchmarks/corrected.py [--circle]

Linear straight-ray tomography on 100 x 100 cells under a smooth prior, in whitened unknowns,
whose posterior is exact by the 120 data; chains from a mean field at its optimum. With
`--circle` also the tomography of a slow disc of `variational_circle.py`, 441 unknowns and not
linear: chains from PSVI 5 x 5 against Hamiltonian Monte Carlo. Last line: one JSON object.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "numerics"))

from tomography import NOISE_S, PRIOR_SD, ray_lengths
from variational_circle import circle
from variational_savings import FAMILIES, defaults

from pvi_hpc.diagnostics.convergence import effective_sample_size, r_hat
from pvi_hpc.diagnostics.samplers import sample_chains
from pvi_hpc.diagnostics.samplers.corrected import Evaluation, advance, begin
from pvi_hpc.families.load import load_family
from pvi_hpc.inference.methods.vi import VariationalInference

__all__ = ["figures"]

Array = NDArray[np.float64]

SIDE, SENSORS, CHAINS = 100, 16, 4
#: Correlation length in cells, and radius of the disc whose mean is asked for.
LENGTH, DISC = 12.0, 19.0
WARMUP, DRAWS = 1000, 4000


def smooth(rows: Array) -> Array:
    """Return fields of a periodic Gaussian covariance from white ones `(..., SIDE^2)`."""
    k = 2 * np.pi * np.fft.fftfreq(SIDE)
    power = np.exp(-0.5 * LENGTH**2 * (k[:, None] ** 2 + k**2)) + 1e-3
    root = np.sqrt(power / power.mean())
    grids = rows.reshape(-1, SIDE, SIDE)
    return np.asarray(np.fft.ifft2(root * np.fft.fft2(grids)).real.reshape(rows.shape))


def sampled(
    evaluate: Callable[[Array], Evaluation], n: int, warmup: int, draws: int
) -> tuple[Any, Array]:
    """Return the last state of the chains, and the values `(C, D, K)` of their draws."""
    state, kept = begin(evaluate, CHAINS, n, 1), []
    for i in range(warmup + draws):
        state = advance(state, evaluate, warmup, 1)
        if i >= warmup:
            kept.append(state.values)
    return state, np.stack(kept, axis=1)


def figures() -> dict[str, float]:
    """Return acceptance, step and effective draws of the linear problem, and its disc mean."""
    n, rng = SIDE * SIDE, np.random.default_rng(1)
    # The field's operator is symmetric: rows of the data by white unknowns are smoothed rows.
    operator = smooth(PRIOR_SD * ray_lengths(SIDE, SENSORS)) / NOISE_S
    data = operator @ rng.standard_normal(n) + rng.standard_normal(len(operator))
    gram = operator @ operator.T + np.eye(len(operator))
    mean = operator.T @ np.linalg.solve(gram, data)
    sd = 1 / np.sqrt(1 + np.sum(operator**2, axis=0))
    y, x = np.indices((SIDE, SIDE)).reshape(2, -1) - (SIDE - 1) / 2
    inside = np.hypot(x, y) < DISC
    disc = smooth(inside / inside.sum())
    pulled = operator @ disc
    exact = float(np.sqrt(disc @ disc - pulled @ np.linalg.solve(gram, pulled)))

    def evaluate(eps: Array) -> Evaluation:
        theta = mean + sd * eps
        residual = theta @ operator.T - data
        log_p = -0.5 * np.sum(residual**2, axis=1) - 0.5 * np.sum(theta**2, axis=1)
        return Evaluation(log_p + 0.5 * np.sum(eps**2, axis=1), (theta @ disc)[:, None])

    begun = time.process_time()
    state, kept = sampled(evaluate, n, WARMUP, DRAWS)
    effective = float(effective_sample_size(kept)[0])
    return {
        "corrected_unknowns": float(n),
        "corrected_acceptance": state.accepted / DRAWS,
        "corrected_step": state.step,
        "corrected_disc_sd_ratio": float(kept.std()) / exact,
        "corrected_disc_sd_ratio_of_fit": float(np.sqrt(np.sum((sd * disc) ** 2))) / exact,
        "corrected_effective": effective,
        "corrected_effective_per_1000_simulations": 1000
        * effective
        / (CHAINS * (WARMUP + DRAWS)),
        "corrected_r_hat": float(r_hat(kept)[0]),
        "corrected_cpu_s": time.process_time() - begun,
    }


def by_circle() -> dict[str, float]:
    """Return how chains from PSVI and HMC differ on the slow disc, in posterior sds."""
    target = circle()
    family = load_family(FAMILIES["psvi"], np.ones((1, 21, 21), bool))
    method = VariationalInference(family, target, *defaults(), 1)
    fit = method.init(torch.zeros(family.n, dtype=torch.float64), 1.0)
    while fit.iteration < method.n_iterations:
        fit, _ = method.step(fit)

    def evaluate(eps: Array) -> Evaluation:
        numbers = torch.from_numpy(eps)
        with torch.no_grad():
            theta = family.sample(fit.parameters, numbers)
            log_p = target.log_prob(theta)
        log_q = family.log_q(fit.parameters, numbers)
        return Evaluation((log_p - log_q).numpy(), theta.numpy())

    begun = time.process_time()
    state, kept = sampled(evaluate, family.n, 2000, 20000)
    took = time.process_time() - begun
    start = family.sample(fit.parameters, torch.from_numpy(state.eps)).detach().numpy()
    begun = time.process_time()
    hmc = sample_chains(target.log_prob, start, warmup=500, draws=1500, seed=2)
    thin = kept[:, ::10]
    flat = thin.reshape(-1, family.n)
    sd = hmc.flat.std(axis=0)
    shift = np.abs(flat.mean(axis=0) - hmc.flat.mean(axis=0)) / sd
    of_fit, sd_of_fit = (part.numpy() for part in method.moments(fit))
    effective = effective_sample_size(thin)
    errors = np.hypot(1 / np.sqrt(effective), 1 / np.sqrt(hmc.effective_sample_size))
    return {
        "circle_acceptance": state.accepted / 20000,
        "circle_step": state.step,
        "circle_effective_smallest": float(effective.min()),
        "circle_effective_median": float(np.median(effective)),
        "circle_r_hat_largest": float(r_hat(thin).max()),
        "circle_mean_shift_median": float(np.median(shift)),
        "circle_mean_shift_largest": float(shift.max()),
        "circle_mean_shift_in_errors_rms": float(np.sqrt(np.mean((shift / errors) ** 2))),
        "circle_sd_ratio_median": float(np.median(flat.std(axis=0) / sd)),
        "circle_fit_mean_shift_largest": float(
            (np.abs(of_fit - hmc.flat.mean(axis=0)) / sd).max()
        ),
        "circle_fit_sd_ratio_median": float(np.median(sd_of_fit / sd)),
        "circle_hmc_effective_smallest": float(hmc.effective_sample_size.min()),
        "circle_hmc_gradients": float(hmc.evaluations * CHAINS),
        "circle_cpu_s": took,
        "circle_hmc_cpu_s": time.process_time() - begun,
    }


def main() -> None:
    """Print the figures as one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--circle", action="store_true", help="also the slow disc")
    given = parser.parse_args()
    torch.set_num_threads(1)
    found = figures()
    if given.circle:
        found |= by_circle()
    print(json.dumps(found))


if __name__ == "__main__":
    main()
