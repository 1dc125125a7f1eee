"""Noise sds inferred beside a model, from all shots and from minibatches, to the bit."""

import numpy as np
import pytest
import torch

from pvi_hpc.cost import SimulationCount
from pvi_hpc.families.gaussian.full_rank import FullRank
from pvi_hpc.forward.simulator import BatchResult, NoiseResult
from pvi_hpc.grid import Grid
from pvi_hpc.inference.methods.vi import VariationalInference
from pvi_hpc.inference.noise import NoisePrior
from pvi_hpc.inference.noise_inference import NOISE, NoiseInference, factors_of
from pvi_hpc.inference.settings import (
    HessianSettings,
    InferenceSettings,
    OptimiserSettings,
    StartSettings,
)
from pvi_hpc.inference.state import State
from pvi_hpc.priors.normal import NormalSettings
from pvi_hpc.problem.likelihood import GaussianLikelihood, NoiseGroups
from pvi_hpc.problem.model_map import ModelMap
from pvi_hpc.problem.posterior import Posterior

SHAPE = (1, 2, 3)
N_SHOTS, PER_SHOT = 8, 40
#: The first ten data of a shot are twice as noisy as they are said to be, the others half.
SD = np.where(np.arange(PER_SHOT) < 10, 2.0, 0.5)
GROUPS = [slice(0, 10), slice(10, PER_SHOT)]
PRIOR = NoisePrior(1.0, 1.0)


class Linear:
    """Each shot measures 40 weighted sums of the cells, in units of 100 m/s."""

    def __init__(self, seed=3):
        rng = np.random.default_rng(seed)
        self.rows = rng.standard_normal((N_SHOTS, PER_SHOT, *SHAPE))
        truth = rng.standard_normal(SHAPE)
        noise = SD * rng.standard_normal((N_SHOTS, PER_SHOT))
        self.data = np.tensordot(self.rows, truth, axes=3) + noise
        self.given = []

    def misfit_and_gradient(self, models, shots, precisions=()):
        self.given.append(precisions)
        misfits, gradients, squares = [], [], []
        weights = np.ones(PER_SHOT)
        for group, value in zip(GROUPS, precisions, strict=False):
            weights[group] = value
        for model, chosen in zip(models, shots, strict=True):
            rows = self.rows[list(chosen)]
            theta = (model.astype(np.float64) - 2000) / 100
            residual = np.tensordot(rows, theta, axes=3) - self.data[list(chosen)]
            misfits.append(0.5 * float((weights * residual**2).sum()))
            gradients.append(np.tensordot(weights * residual, rows, axes=2) / 100)
            squares.append(np.array([(residual[:, g] ** 2).sum() for g in GROUPS]))
        done = SimulationCount(done=sum(map(len, shots)))
        return BatchResult(np.array(misfits), np.array(gradients), done, tuple(squares))


class Noisy(Linear):
    """The same, with gradients of noise."""

    def noise_gradients(self, models, shots, keys, precisions=()):
        self.weighed = precisions
        weights = np.ones(PER_SHOT)
        for group, value in zip(GROUPS, precisions, strict=True):
            weights[group] = value
        found = []
        for _, shot in zip(models, shots, strict=True):
            signs = [np.random.default_rng([key, shot]).choice([-1.0, 1.0], PER_SHOT)
                     for key in keys]  # fmt: skip
            roots = np.sqrt(weights)
            found.append(
                [np.tensordot(roots * sign, self.rows[shot], axes=1) / 100 for sign in signs]
            )
        return NoiseResult(np.array(found), SimulationCount(done=len(shots)))


def inference(simulator, per_sample=None, start=None, whole=False, in_start=False, **settings):
    """Return full-rank VI of six cells, with the noise of both groups as unknowns."""
    grid = Grid(SHAPE, (50.0, 50.0, 50.0))
    law = NormalSettings(kind="normal", depth_m=(0.0,), mean_m_s=(2000.0,), sd_m_s=(100.0,),
                         lower_m_s=(1000.0,), upper_m_s=(3000.0,))  # fmt: skip
    model_map = ModelMap.build(law.cells(grid), law, np.full(SHAPE, 2000.0))
    counts = np.tile([10.0, 30.0], (N_SHOTS, 1))
    groups = NoiseGroups(counts, PRIOR)
    n_data = N_SHOTS * PER_SHOT
    likelihood = GaussianLikelihood(simulator, N_SHOTS, n_data, per_sample, 4, 2, groups)
    family = FullRank.from_options(model_map.active, FullRank.Options())
    method = VariationalInference(
        family,
        Posterior(model_map, likelihood),
        InferenceSettings(**{"iterations": 150, "samples": 8, **settings}),
        seed=4,
        start=start or StartSettings(),
    )
    return NoiseInference(method, likelihood, PRIOR, groups.n_data, whole, in_start)


def advance(method, state, until):
    infos = []
    while state.iteration < until:
        state, info = method.step(state)
        infos.append(info)
    return state, infos


def first(method):
    return method.init(method.method.target.map.start_theta(), 0.3)


def gibbs(simulator, n=4000):
    """Return draws of both factors from the exact posterior, by Gibbs sampling."""
    rng = np.random.default_rng(7)
    rows = simulator.rows.reshape(N_SHOTS * PER_SHOT, -1)
    data = simulator.data.reshape(-1)
    group = np.tile(np.arange(PER_SHOT) >= 10, N_SHOTS).astype(int)
    square, found = np.ones(2), []
    for _ in range(n):
        weighted = rows / square[group][:, None]
        precision = np.eye(6) + rows.T @ weighted
        mean = np.linalg.solve(precision, weighted.T @ data)
        theta = mean + np.linalg.solve(np.linalg.cholesky(precision).T, rng.standard_normal(6))
        r2 = (data - rows @ theta) ** 2
        for g in range(2):
            a, b = 1 + 0.5 * (group == g).sum(), 1 + 0.5 * r2[group == g].sum()
            square[g] = 1 / rng.gamma(a, 1 / b)
        found.append(np.sqrt(square))
    return np.array(found[200:])


@pytest.fixture(scope="module")
def exact():
    return gibbs(Linear())


@pytest.mark.parametrize("per_sample", [None, 3])
def test_the_factors_are_those_of_the_exact_posterior(exact, per_sample):
    optimiser = OptimiserSettings(kind="natural")
    method = inference(Linear(), per_sample, optimiser=optimiser)
    state, infos = advance(method, first(method), 150)
    factors = factors_of(state.memory)
    sd = exact.std(axis=0)
    # VI leaves out what factors and model share; a minibatch adds the noise of its sums.
    error = np.abs(factors.sd - exact.mean(axis=0)) / sd
    assert (error < (0.15 if per_sample is None else 0.6)).all(), error
    low, high = factors.interval(0.9)
    inside = ((exact > low) & (exact < high)).mean(axis=0)
    assert (np.abs(inside - 0.9) < (0.02 if per_sample is None else 0.1)).all(), inside
    assert infos[-1].chi_squared == pytest.approx(0.25 * 4 + 0.75 * 0.25, rel=0.2)


def test_the_elbo_grows_and_is_below_the_evidence():
    simulator = Linear()
    method = inference(simulator, optimiser=OptimiserSettings(kind="natural"))
    _, infos = advance(method, first(method), 150)
    elbo = np.array([info.elbo for info in infos])
    assert np.mean(elbo[-20:]) > np.mean(elbo[:5])
    # The evidence, without sum(log(2 pi) / 2): Gaussian in the model, then a grid of factors.
    rows, data = simulator.rows.reshape(-1, 6), simulator.data.reshape(-1)
    group = np.tile(np.arange(PER_SHOT) >= 10, N_SHOTS).astype(int)
    logs = []
    edges = np.exp(np.linspace(-2.2, 2.2, 81))
    prior = NoisePrior(1.0, 1.0)
    for a in edges:
        for b in edges:
            square = np.array([a, b])
            # By Sylvester and Woodbury in the space of the six cells.
            weighted = rows / square[group][:, None]
            inner, pulled = np.eye(6) + rows.T @ weighted, weighted.T @ data
            log_det = np.linalg.slogdet(inner)[1] + np.log(square[group]).sum()
            fit = data @ (data / square[group]) - pulled @ np.linalg.solve(inner, pulled)
            value = -0.5 * (log_det + fit)
            value += np.sum(prior.shape * np.log(prior.scale) - 2 * np.log(square) - 1 / square)
            logs.append(value + np.log(a) + np.log(b))  # d(square) = square d(log square)
    step = 4.4 / 80
    evidence = np.logaddexp.reduce(logs) + 2 * np.log(step)
    final = np.mean(elbo[-50:])
    error = np.std(elbo[-50:]) / np.sqrt(50)
    assert final < evidence + 3 * error
    assert final > evidence - 0.5 - 3 * error


def test_a_resumed_run_gives_the_same_bits():
    method = inference(Linear(), 3, start=StartSettings(map_iterations=5))
    whole, _ = advance(method, first(method), 25)
    part, _ = advance(method, first(method), 11)
    tree = part.to_tree()
    copies = {k: {n: np.array(v) for n, v in p.items()} for k, p in tree["memory"].items()}
    parameters = {n: np.array(v) for n, v in tree["parameters"].items()}
    again = State.from_tree({**tree, "memory": copies, "parameters": parameters})
    method = inference(Linear(), 3, start=StartSettings(map_iterations=5))
    resumed, _ = advance(method, again, 25)
    for name, value in whole.memory[NOISE].items():
        assert torch.equal(resumed.memory[NOISE][name], value), name
    for name, value in whole.parameters.items():
        assert torch.equal(resumed.parameters[name], value), name


@pytest.mark.parametrize("optimiser", ["adam", "lbfgs"])
def test_the_start_compares_with_the_noise_that_is_given(optimiser):
    start = StartSettings(
        map_iterations=12,
        map_optimiser=optimiser,
        hessian=HessianSettings(probes=6),
        map_step=0.3,
    )
    simulator = Linear()
    method = inference(simulator, start=start, whole=optimiser == "lbfgs")
    state, _ = advance(method, first(method), start.iterations)
    given = np.array(simulator.given)
    # One batch an iteration: 12 of the search, the gradient at the mean and 6 probes.
    assert (given[:12] == 1).all()
    assert (given[12] != 1).all()  # The probes already have the factors of the search,
    assert (given[12:] == given[12]).all()  # all of them the same.
    np.testing.assert_array_equal(factors_of(state.memory).precisions, given[-1])
    if optimiser == "lbfgs":
        np.testing.assert_allclose(factors_of(state.memory).sd, [2.0, 0.5], rtol=0.15)
    state, _ = advance(method, state, start.iterations + 2)
    assert (factors_of(state.memory).precisions != given[-1]).all()


def test_factors_move_in_the_search_where_that_is_wanted():
    simulator = Linear()
    method = inference(simulator, start=StartSettings(map_iterations=6), in_start=True)
    advance(method, first(method), 6)
    given = np.array(simulator.given)
    assert (given[0] == 1).all()
    assert (np.abs(np.diff(given, axis=0)).max(axis=1) > 0).all()


def test_a_search_that_has_arrived_hands_its_factors_on():
    start = StartSettings(map_iterations=60, map_optimiser="lbfgs", map_gain=1e-3)
    simulator = Linear()
    method = inference(simulator, start=start, whole=True)
    state, infos = advance(method, first(method), 60)
    assert len(infos) < 40
    np.testing.assert_allclose(factors_of(state.memory).sd, [2.0, 0.5], rtol=0.15)


def test_gradients_of_noise_are_those_of_the_factors_that_were_found():
    hessian = HessianSettings(kind="noise", draws=100, shrink=1.0)
    start = StartSettings(
        map_iterations=30, map_optimiser="lbfgs", map_gain=1e-6, hessian=hessian
    )
    simulator = Noisy()
    method = inference(simulator, start=start, whole=True)
    state, _ = advance(method, first(method), start.iterations)
    factors = factors_of(state.memory)
    np.testing.assert_array_equal(simulator.weighed, factors.precisions)
    rows = simulator.rows.reshape(-1, 6)
    weights = np.tile(np.repeat(factors.precisions, [10, 30]), N_SHOTS)
    exact = np.linalg.inv(np.eye(6) + (rows * weights[:, None]).T @ rows)
    _, sd = method.moments(state)
    # 1,600 products of random signs: five standard errors of a variance are 18 %.
    np.testing.assert_allclose(sd.numpy(), np.sqrt(np.diag(exact)), rtol=0.1)


def test_a_sample_without_a_result_is_left_out():
    class Dropping(Linear):
        def misfit_and_gradient(self, models, shots, precisions=()):
            found = super().misfit_and_gradient(models, shots, precisions)
            found.misfits[3], found.gradients[3] = np.nan, np.nan
            squares = tuple(np.empty(0) if i == 3 else s for i, s in enumerate(found.squares))
            return BatchResult(
                found.misfits, found.gradients, SimulationCount(dropped=1), squares
            )

    method = inference(Dropping())
    state, infos = advance(method, first(method), 20)
    assert np.isfinite(factors_of(state.memory).sd).all()
    assert np.isfinite(infos[-1].elbo)
