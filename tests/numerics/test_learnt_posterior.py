"""Learnt posteriors against known ones, their repeatability, and verdicts on wrong ones."""

from importlib.metadata import entry_points

import numpy as np
import pytest
import torch
from torch import nn

from pvi_hpc.diagnostics.learnt import HeldOut, verdict_on
from pvi_hpc.errors import ConfigError
from pvi_hpc.inference.amortised.learning import Keep, TrainingPairs, learn
from pvi_hpc.inference.amortised.networks.network import Network, load_network
from pvi_hpc.inference.amortised.posterior import Amortised
from pvi_hpc.inference.amortised.settings import NetworkSettings, TrainingSettings
from pvi_hpc.inference.amortised.summary import Summary
from pvi_hpc.inference.amortised.training import TrainingState
from pvi_hpc.numerics.standard_normal import HALF_LOG_2PI
from pvi_hpc.priors.uniform import Uniform

KINDS = sorted(entry_points(group="pvi_hpc.networks").names)
SMALL = {
    "mixture": {"components": 2, "hidden": [32]},
    "marginals": {"components": 2, "hidden": [32]},
    "affine_coupling": {"layers": 2, "hidden": [32]},
    "spline_flow": {"layers": 1, "hidden": [32]},
}
#: Its layers are those of the spline flow with another transform.
LONG = {"affine_coupling": pytest.param("affine_coupling", marks=pytest.mark.long)}
MATRIX = np.array([[1.0, 0.7, 0.0], [0.0, 1.0, -0.4], [0.3, 0.0, 0.6], [0.5, 0.5, 0.5]])
NOISE = np.array([0.5, 0.5, 0.7, 1.0])


def linear_pairs(n, seed=1):
    theta = np.random.default_rng(seed).standard_normal((n, 3)).astype(np.float32)
    return TrainingPairs(theta, (theta @ MATRIX.T).astype(np.float32), NOISE)


def exact(data):
    """Return mean `(n,)` and covariance of the posterior of a linear problem."""
    weighted = MATRIX / NOISE[:, None] ** 2
    covariance = np.linalg.inv(np.eye(3) + MATRIX.T @ weighted)
    return covariance @ weighted.T @ data, covariance


def settings_of(kind):
    return NetworkSettings(kind=kind, options=SMALL.get(kind, {}))


@pytest.mark.parametrize("kind", [LONG.get(kind, kind) for kind in KINDS])
def test_a_linear_problem_is_learnt(kind):
    training = TrainingSettings(max_epochs=14, patience=4, drops=1, learning_rate=4e-3)
    fitted, _ = learn(linear_pairs(8000), settings_of(kind), training)
    rows = np.random.default_rng(2).standard_normal((40, 4)) @ np.diag([1.1, 1.1, 1, 1])
    mean, sd = fitted.posterior(rows).moments()
    known = np.array([exact(row)[0] for row in rows])
    true_sd = np.sqrt(np.diag(exact(rows[0])[1]))
    # The networks are small, and trained for seconds.
    assert np.sqrt(np.mean(((mean - known) / true_sd) ** 2)) < 0.15
    assert np.abs(np.mean(sd, axis=0) / true_sd - 1).max() < 0.06
    if kind == "marginals":
        return
    # The joint density at the mean, which is that of the normalised exact posterior.
    _, log_det = np.linalg.slogdet(exact(rows[0])[1])
    peak = fitted.posterior(rows).log_prob(known[:, None])[:, 0]
    assert abs(np.mean(peak) - (-3 * HALF_LOG_2PI - 0.5 * log_det)) < 0.15


@pytest.mark.parametrize("kind", KINDS)
def test_samples_have_the_density_that_is_said(kind):
    """The mean of `1 / q` over draws is, of those in a box, the volume of the box."""
    network = load_network(settings_of(kind), 2, 3, seed=3)
    x = torch.tensor([[0.3, -1.0, 0.5]])
    eps = np.random.default_rng(4).standard_normal((1, 40000, network.n_random))
    with torch.no_grad():
        theta = network.sample(x, torch.from_numpy(eps).float())[0]
        log_q = network.log_prob(theta, x.expand(len(theta), 3)).double().numpy()
    low, high = np.quantile(theta.numpy(), [0.2, 0.8], axis=0)
    inside = ((theta.numpy() > low) & (theta.numpy() < high)).all(axis=1)
    estimates = np.where(inside, np.exp(-log_q), 0.0)
    error = estimates.std() / np.sqrt(len(estimates))
    assert abs(estimates.mean() - np.prod(high - low)) < 4 * error + 1e-3 * np.prod(high - low)


class Interrupted(Keep):
    """Stops after each epoch, and keeps the state as a checkpoint does."""

    def __init__(self):
        self.trees = {}

    def load(self, member):
        tree = self.trees.get(member)
        return None if tree is None else TrainingState.from_tree(tree)

    def after_epoch(self, member, state):
        self.trees[member] = state.to_tree()
        return True


@pytest.mark.parametrize("kind", KINDS)
def test_training_ends_in_the_same_bits_whenever_it_is_interrupted(kind):
    training = TrainingSettings(
        max_epochs=4, patience=1, drops=1, members=2, learning_rate=0.05, batch=128
    )
    pairs, network = linear_pairs(600), settings_of(kind)
    whole, states = learn(pairs, network, training)
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        keep, found, calls = Interrupted(), None, 0
        while found is None:
            found, calls = learn(pairs, network, training, keep=keep), calls + 1
    finally:
        torch.set_num_threads(before)
    assert calls > 3
    for a, b in zip(whole.members, found[0].members, strict=True):
        for name, value in a.state_dict().items():
            assert torch.equal(value, b.state_dict()[name]), name
    assert [s.history for s in states] == [s.history for s in found[1]]
    row = np.array([0.5, 1.0, -0.3, 0.2])
    assert np.array_equal(whole.posterior(row).sample(7), found[0].posterior(row).sample(7))


class Known(Network):
    """The exact posterior of the linear problem, its sds and correlations made wrong."""

    def __init__(self, factor, mean_shift=0.0, diagonal=False):
        super().__init__()
        covariance = exact(np.zeros(4))[1]
        if diagonal:
            covariance = np.diag(np.diag(covariance))
        self.low = torch.from_numpy(factor * np.linalg.cholesky(covariance)).float()
        self.gain = torch.from_numpy(np.array([exact(row)[0] for row in np.eye(4)])).float()
        self.shift = mean_shift
        self.unused = nn.Parameter(torch.zeros(1))

    @classmethod
    def from_options(cls, n, d, options):
        raise NotImplementedError

    @property
    def n_random(self):
        return 3

    def log_prob(self, theta, x):
        white = torch.linalg.solve_triangular(
            self.low, (theta - x @ self.gain - self.shift).T, upper=False
        )
        return -0.5 * (white**2).sum(0) - self.low.diagonal().log().sum() - 3 * HALF_LOG_2PI

    def sample(self, x, eps):
        return (x @ self.gain)[:, None] + self.shift + eps @ self.low.T


def verdict_of(network, n=1000):
    nothing, one = np.empty(0), np.ones(4)
    summary = Summary(one > 0, 0 * one, one, np.empty((4, 0)), np.eye(4), nothing)
    amortised = Amortised([network], summary, np.zeros(3), np.ones(3))
    pairs = linear_pairs(n, seed=6)
    return verdict_on(amortised, HeldOut(pairs.theta.astype(float), pairs.noisy(7)), 100)


def test_the_exact_posterior_passes():
    found = verdict_of(Known(1.0))
    assert found.passed and found.sentence.startswith("CALIBRATED")
    assert min(found.p_values.values()) > 0.01
    assert set(found.p_values) == {"SBC", "TARP", "highest density"}


@pytest.mark.parametrize(
    ("network", "fails", "word"),
    [
        (Known(0.8), {"SBC", "highest density"}, "over-confident"),
        (Known(1.3), {"SBC", "highest density"}, "under-confident"),
        (Known(1.0, mean_shift=0.15), {"SBC"}, "biased"),
        (Known(1.0, diagonal=True), {"highest density"}, "NOT CALIBRATED"),
    ],
    ids=["narrow", "wide", "shifted", "uncorrelated"],
)
def test_wrong_networks_are_caught(network, fails, word):
    found = verdict_of(network)
    assert not found.passed and found.sentence.startswith("NOT CALIBRATED")
    assert word in found.sentence
    assert all(found.p_values[name] < 0.01 for name in fails), found.p_values


def test_the_density_of_a_box_is_that_of_its_values():
    """With a uniform prior the density over the box integrates to one, and is 0 outside."""
    low, high = np.array([500.0]), np.array([2500.0])
    training = TrainingSettings(max_epochs=6, learning_rate=0.01)
    theta = np.random.default_rng(1).standard_normal((2000, 1)).astype(np.float32)
    pairs = TrainingPairs(theta, theta, np.array([1.0]))
    fitted, _ = learn(pairs, settings_of("mixture"), training, unknowns=Uniform(low, high))
    posterior = fitted.posterior([[1.2], [-0.3]])
    grid = np.linspace(500.5, 2499.5, 2000)
    density = np.exp(posterior.log_prob(grid[:, None]))
    assert np.allclose(density.sum(axis=1), 1, atol=2e-3)
    mean, sd = posterior.moments(draws=20000)
    assert np.allclose((density * grid).sum(axis=1), mean[:, 0], atol=4 * sd.max() / 140)
    draws = posterior.sample(500)
    assert draws.shape == (2, 500, 1) and draws.min() >= 500 and draws.max() <= 2500
    level = posterior.quantiles([0.1, 0.9], draws=20000)
    inside = (density * (grid >= level[:, :1, 0]) * (grid <= level[:, 1:, 0])).sum(axis=1)
    assert np.allclose(inside, 0.8, atol=0.02)


def test_data_unlike_those_of_the_training_are_warned_of():
    training = TrainingSettings(max_epochs=1)
    fitted, _ = learn(linear_pairs(4000), settings_of("mixture"), training)
    far = np.array([6.0, -6.0, 6.0, -6.0])
    usual = linear_pairs(300, seed=9).noisy(3)
    found = fitted.posterior(np.concatenate([usual, far[None]]))
    assert found.outside[-1] and found.p_value[-1] < 0.005
    assert np.mean(found.outside[:-1]) < 0.04
    assert "number" in found.warnings[0] and "300" in found.warnings[0]
    with pytest.raises(ConfigError, match=r"shape \(4,\)"):
        fitted.posterior(np.zeros(3))
    with pytest.raises(ConfigError, match="finite"):
        fitted.posterior([0, np.nan, 0, 0])


def test_wrong_options_name_the_setting():
    with pytest.raises(ConfigError, match=r"amortised\.network\.options\.bins"):
        load_network(NetworkSettings(kind="mixture", options={"bins": 4}), 2, 2, 1)
    with pytest.raises(ConfigError, match="lower 'components'"):
        load_network(NetworkSettings(kind="mixture"), 500, 2, 1)
    with pytest.raises(ConfigError, match="at least 2 unknowns"):
        load_network(NetworkSettings(kind="affine_coupling"), 1, 2, 1)
