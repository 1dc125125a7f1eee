"""Reference samplers draw from the density they are given."""

import numpy as np
import pytest
import torch

from pvi_hpc.diagnostics.samplers import sample_chains
from pvi_hpc.diagnostics.samplers.transitions import Hmc
from pvi_hpc.errors import ConfigError, NonFiniteError

N = 5
ROOT = np.tril(np.random.default_rng(0).normal(0, 0.5, (N, N)), -1) + np.diag(
    [0.3, 1.0, 2.0, 0.7, 5.0]
)
MEAN = np.array([1.0, -2.0, 0.0, 3.0, 0.5])
PRECISION = torch.from_numpy(np.linalg.inv(ROOT @ ROOT.T))


def gaussian(theta):
    shifted = theta - torch.from_numpy(MEAN)
    return -0.5 * ((shifted @ PRECISION) * shifted).sum(dim=1)


def starts(chains, rng):
    return MEAN + 3 * rng.standard_normal((chains, N))


@pytest.mark.parametrize(
    ("kernel", "draws"), [("hmc", 1000), ("mala", 4000), ("random_walk", 20000)]
)
def test_every_kernel_recovers_a_correlated_gaussian(kernel, draws):
    start = starts(6, np.random.default_rng(1))
    chains = sample_chains(gaussian, start, kernel=kernel, warmup=draws, draws=draws, seed=3)
    assert chains.r_hat.max() < 1.03
    size = chains.effective_sample_size
    error = np.sqrt(np.diag(ROOT @ ROOT.T) / size)
    assert np.all(np.abs(chains.flat.mean(axis=0) - MEAN) < 4 * error)
    relative = np.linalg.inv(ROOT) @ np.cov(chains.flat.T) @ np.linalg.inv(ROOT).T
    assert np.abs(relative - np.eye(N)).max() < 6 / np.sqrt(size.min())


def test_hmc_finds_both_sides_of_a_ring():
    def ring(theta):
        return -0.5 * ((theta.norm(dim=1) - 2) / 0.2) ** 2

    start = np.random.default_rng(2).normal(0, 2, (8, 2))
    chains = sample_chains(ring, start, warmup=500, draws=1000)
    radius = np.linalg.norm(chains.flat, axis=1)
    # p(r) is r exp(-(r - 2)^2 / 0.08): mean 2 + 0.02.
    assert abs(radius.mean() - 2.02) < 0.02 and abs(radius.std() - 0.2) < 0.02
    assert np.abs(chains.flat.mean(axis=0)).max() < 0.4


def test_the_same_seed_gives_the_same_draws():
    start = starts(2, np.random.default_rng(3))
    runs = [sample_chains(gaussian, start, warmup=20, draws=30, seed=s) for s in (4, 4, 5)]
    assert np.array_equal(runs[0].draws, runs[1].draws)
    assert not np.array_equal(runs[0].draws, runs[2].draws)


def test_a_wall_is_never_crossed():
    def half(theta):
        return torch.where(theta[:, 0] > 0, -theta[:, 0], torch.nan)

    chains = sample_chains(
        half, np.ones((4, 1)), kernel=Hmc(max_leapfrogs=4), warmup=200, draws=2000
    )
    assert chains.flat.min() > 0 and abs(chains.flat.mean() - 1) < 0.15


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"kernel": "nuts"}, ConfigError, "must be one of"),
        ({"start": np.zeros(3)}, ConfigError, "shape"),
        ({"draws": 0}, ConfigError, "at least 1"),
        ({"log_prob": lambda t: -(t**2)}, ConfigError, "not over the states"),
        ({"log_prob": lambda t: (t[:, 0] - 1).log()}, NonFiniteError, "chain 0"),
    ],
)
def test_what_cannot_work_is_refused(change, error, message):
    arguments = {"log_prob": gaussian, "start": np.zeros((2, N))} | change
    with pytest.raises(error, match=message):
        sample_chains(arguments.pop("log_prob"), arguments.pop("start"), **arguments)
