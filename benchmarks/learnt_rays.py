"""The learnt posterior of `config/amortised.yaml` beside HMC, on observed and held-out data.

    python docs/examples/circle_rays.py && pvi sample-prior config/amortised.yaml
    pvi learn config/amortised.yaml && python benchmarks/learnt_rays.py config/amortised.yaml

Prints one JSON object: of the observed data and of held-out pairs, the difference of the means
in sds of HMC, and the ratio of the sds.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import torch

from pvi_hpc.config import load_project
from pvi_hpc.diagnostics.samplers.chains import sample_chains
from pvi_hpc.priors.load import load_prior
from pvi_hpc.run.amortised.bank import Bank, recipe_of
from pvi_hpc.run.amortised.lesson import observed
from pvi_hpc.run.amortised.load import load_learnt
from pvi_hpc.store.layout import ProjectPaths

sys.path.insert(0, "docs/examples")
from circle_rays import NOISE_SD, lengths

#: Number of held-out data that HMC samples, beside the observed ones.
HELD_OUT = 2


def main(config: str) -> None:
    """Compare, and print."""
    project = load_project(config)
    run, paths = project.resolved[0], ProjectPaths.of(project.name)
    files, settings = paths.run(run.name), project.amortised
    prior, network = load_prior(run.prior, run.cells), load_learnt(run, files.network)
    matrix = torch.from_numpy(lengths(run.grid.grid.shape, 1000.0, 12).toarray())
    recipe = recipe_of(run, paths.survey, files.bank, settings.draws, settings.draws_per_chunk)
    data = Bank(recipe).pairs().data[-HELD_OUT:].astype(np.float64)
    data += NOISE_SD * np.random.default_rng(2).standard_normal(data.shape)
    rows = np.concatenate([observed(paths.survey)[None], data])
    begun = time.perf_counter()
    posterior = network.posterior(rows)
    mean, sd = posterior.moments(draws=4000)
    seconds = time.perf_counter() - begun
    found = []
    for row, its_mean, its_sd in zip(torch.from_numpy(rows), mean, sd, strict=True):

        def log_prob(theta, row=row):
            times = (1 / prior.from_normal(theta)) @ matrix.T
            return -0.5 * ((times - row) ** 2).sum(1) / NOISE_SD**2 - 0.5 * (theta**2).sum(1)

        start = np.random.default_rng(3).standard_normal((4, matrix.shape[1]))
        chains = sample_chains(log_prob, start, warmup=600, draws=1500)
        values = prior.from_normal(torch.from_numpy(chains.flat)).numpy()
        ratio = its_sd / values.std(axis=0)
        away = (its_mean - values.mean(axis=0)) / values.std(axis=0)
        found.append(
            {
                "r_hat": float(chains.r_hat.max()),
                "mean_rms_sd": float(np.sqrt(np.mean(away**2))),
                "mean_worst_sd": float(np.abs(away).max()),
                "sd_ratio_median": float(np.median(ratio)),
                "sd_ratio_range": [float(ratio.min()), float(ratio.max())],
            }
        )
    learnt = {"learnt_seconds": seconds, "p_values": posterior.p_value.tolist()}
    print(json.dumps({**learnt, "hmc_seconds": time.perf_counter() - begun, "data": found}))


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else str(Path("config/amortised.yaml")))
