"""Measure a corrected posterior in 10,000 unknowns; part of `make bench-priors`.

Linear straight-ray tomography on 100 x 100 cells under a smooth prior, in whitened unknowns,
whose posterior is exact by the 120 data; chains from a mean field at its optimum. The last
line is one JSON object.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "numerics"))

from tomography import NOISE_S, PRIOR_SD, ray_lengths

from pvi_hpc.diagnostics.convergence import effective_sample_size, r_hat
from pvi_hpc.diagnostics.samplers.corrected import Evaluation, advance, begin

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


if __name__ == "__main__":
    print(json.dumps(figures()))
