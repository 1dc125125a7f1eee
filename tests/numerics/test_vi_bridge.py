"""The log density of `theta` through transform, bridge and likelihood."""

import numpy as np
import pytest
import torch
from vi_targets import QuadraticSimulator

from pvi_hpc.errors import ConfigError
from pvi_hpc.grid import Grid
from pvi_hpc.inference.starts.given_curvature import hessian_products
from pvi_hpc.priors.normal import NormalSettings
from pvi_hpc.problem.bridge import Bridge
from pvi_hpc.problem.likelihood import GaussianLikelihood, NoData
from pvi_hpc.problem.model_map import ModelMap
from pvi_hpc.problem.posterior import Posterior

GRID = Grid((4, 3, 5), (50.0, 50.0, 50.0))
N_SHOTS = 6
PRIOR = NormalSettings(
    kind="normal",
    depth_m=(0.0, 150.0),
    lower_m_s=(1500.0, 1700.0),
    upper_m_s=(2500.0, 4000.0),
    mean_m_s=(1800.0, 2300.0),
    sd_m_s=(300.0, 900.0),
    fixed_above_m=40.0,
)


class Float64Bridge(Bridge):
    """Hands float64 models over, in which a Taylor test has digits to spare."""

    def array(self, model):
        return model.detach().numpy()


def posterior(shots_per_sample=None, samples_per_batch=1):
    simulator = QuadraticSimulator(np.random.default_rng(1), GRID.shape, N_SHOTS)
    likelihood = GaussianLikelihood(
        simulator, N_SHOTS, 2 * N_SHOTS, shots_per_sample, 9, samples_per_batch
    )
    model_map = ModelMap.build(PRIOR.cells(GRID), PRIOR, np.full(GRID.shape, 2000.0))
    return Posterior(model_map, likelihood)


def normal(seed, *shape):
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape))


def remainders(target, theta, direction, batches, factor=1.0):
    """Return step lengths, Taylor remainders, and measured and predicted slope."""
    value = target.value(theta, batches)
    slope = factor * float((value.gradient * direction).sum())

    def density(h):
        moved = target.value(theta + h * direction, batches)
        return float((moved.log_likelihood + moved.log_prior).sum())

    steps = 2.0 ** -np.arange(5, 12)
    remainder = [abs(density(h) - density(0) - h * slope) for h in steps]
    measured = (density(1e-4) - density(-1e-4)) / 2e-4
    return steps, remainder, measured, slope


@pytest.mark.parametrize("shots_per_sample", [None, 4])
def test_the_log_density_passes_the_taylor_test(shots_per_sample):
    target = posterior(shots_per_sample)
    target.likelihood.bridge = Float64Bridge(target.likelihood.bridge.simulator)
    theta, direction = normal(2, 3, target.map.n), normal(3, 3, target.map.n)
    batches = target.batches(0, 3)
    steps, remainder, measured, slope = remainders(target, theta, direction, batches)
    assert 1.9 < np.polyfit(np.log(steps), np.log(remainder), 1)[0] < 2.1
    assert slope == pytest.approx(measured, rel=1e-6)
    # The test itself must see a gradient that is 1 % too long.
    *_, measured, slope = remainders(target, theta, direction, batches, factor=1.01)
    assert slope != pytest.approx(measured, rel=1e-6)


def test_each_sample_has_its_own_gradient():
    target = posterior()
    theta = normal(4, 3, target.map.n)
    together = target.value(theta)
    for i in range(3):
        alone = target.value(theta[i : i + 1])
        torch.testing.assert_close(alone.gradient[0], together.gradient[i])
        torch.testing.assert_close(alone.log_likelihood[0], together.log_likelihood[i])


def test_the_simulator_is_called_once_in_float32_and_its_cost_is_kept():
    target = posterior(4)
    value = target.value(normal(5, 2, target.map.n), target.batches(0, 2))
    simulator = target.likelihood.bridge.simulator
    assert (simulator.calls, simulator.dtype) == (1, np.float32)
    assert value.count.done == 8


def test_autograd_goes_through_misfits_and_simulates_nothing_again():
    simulator = QuadraticSimulator(np.random.default_rng(1), GRID.shape, N_SHOTS)
    models = [2000 + 100 * normal(seed, *GRID.shape) for seed in (8, 9)]
    shots = [(0, 1), (2,)]
    known = simulator.misfit_and_gradient([m.float().numpy() for m in models], shots)
    simulator.calls = 0
    leaves = [model.requires_grad_() for model in models]
    misfits = Bridge(simulator).misfit(iter(leaves), shots)
    misfits.square().sum().backward()
    for leaf, misfit, gradient in zip(leaves, known.misfits, known.gradients, strict=True):
        np.testing.assert_allclose(leaf.grad, 2 * misfit * gradient, rtol=1e-12)
    assert simulator.calls == 1


def test_a_second_derivative_of_misfits_is_refused():
    simulator = QuadraticSimulator(np.random.default_rng(1), GRID.shape, N_SHOTS)

    def log_prob(theta):
        models = (2000 + row.reshape(GRID.shape) for row in theta)
        misfits = Bridge(simulator).misfit(models, [(0,)] * len(theta))
        return -misfits - theta.square().sum(dim=1)

    theta = normal(3, GRID.size)
    with pytest.raises(ConfigError, match=r"no second derivative.*give 'hvp' as a function"):
        hessian_products(log_prob)(theta, theta[None])


def test_minibatches_average_to_all_shots():
    target = posterior(2)
    theta = normal(6, 1, target.map.n)
    pairs = [(i, j) for i in range(N_SHOTS) for j in range(i + 1, N_SHOTS)]
    value = target.value(theta.expand(len(pairs), -1), pairs)
    full = target.value(theta)
    torch.testing.assert_close(value.log_likelihood.mean(), full.log_likelihood[0])
    torch.testing.assert_close(value.chi_squared.mean(), full.chi_squared[0])
    torch.testing.assert_close(value.gradient.mean(dim=0), full.gradient[0])


def test_minibatches_are_keyed_sorted_and_shared_by_pairs():
    likelihood = posterior(3, samples_per_batch=2).likelihood
    batches = [likelihood.batch(i, j) for i in range(20) for j in range(4)]
    assert all(len(set(b)) == 3 and list(b) == sorted(b) for b in batches)
    assert all(batches[k] == batches[k + 1] for k in range(0, 80, 2))
    assert len(set(batches)) > 10
    assert batches == [likelihood.batch(i, j) for i in range(20) for j in range(4)]
    assert set().union(*batches) == set(range(N_SHOTS))


def test_more_shots_than_there_are_means_all():
    assert posterior(99).likelihood.batch(0, 0) == tuple(range(N_SHOTS))


def test_without_data_only_the_prior_is_left():
    target = posterior()
    blind = Posterior(target.map, NoData())
    theta = normal(7, 2, target.map.n)
    value = blind.value(theta, blind.batches(0, 2))
    torch.testing.assert_close(value.gradient, -theta)
    assert (value.log_likelihood == 0).all()
    assert value.count.done == 0
