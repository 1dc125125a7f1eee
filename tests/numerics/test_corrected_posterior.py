"""Metropolis correction of a fit: the target's moments, whatever the fit, and HMC's."""

from functools import cache

import numpy as np
import pytest
import torch
from sampler_agreement import skewed

from pvi_hpc.diagnostics.convergence import effective_sample_size, r_hat
from pvi_hpc.diagnostics.samplers import sample_chains
from pvi_hpc.diagnostics.samplers.corrected import Corrected, Evaluation, advance, begin
from pvi_hpc.errors import NonFiniteError

CHAINS = 6


def evaluation(log_prob, mean, factor):
    """The weights of a density by `N(mean, factor factor^T)`; values are the states."""
    log_det = np.log(np.diag(factor)).sum()

    def evaluate(eps):
        theta = mean + eps @ factor.T
        log_q = -0.5 * (eps * eps).sum(axis=1) - log_det
        return Evaluation(log_prob(torch.from_numpy(theta)).numpy() - log_q, theta)

    return evaluate


def run(evaluate, n, warmup, draws, seed=3):
    state = begin(evaluate, CHAINS, n, seed)
    kept = np.empty((CHAINS, draws, n))
    for i in range(warmup + draws):
        state = advance(state, evaluate, warmup, seed)
        if i >= warmup:
            kept[:, i - warmup] = state.values
    return state, kept


@cache
def by_hmc():
    start = np.random.default_rng(1).standard_normal((CHAINS, 2))
    return sample_chains(skewed, start, warmup=200, draws=800, seed=2)


def test_a_poor_fit_is_corrected_to_what_hmc_finds():
    """A fit without the skew, off its mean and too wide, of a mild banana."""
    fit = evaluation(skewed, np.array([0.3, 0.2]), np.diag([1.3, 1.5]))
    state, kept = run(fit, 2, 300, 4000)
    hmc = by_hmc()
    assert r_hat(kept).max() < 1.02 and 0.2 < state.accepted / 4000 < 0.6
    for power in (1, 2):
        ours, theirs = kept**power, hmc.draws**power
        size = effective_sample_size(ours), effective_sample_size(theirs)
        flat = ours.reshape(-1, 2), theirs.reshape(-1, 2)
        error = np.hypot(*(f.std(axis=0) / np.sqrt(s) for f, s in zip(flat, size, strict=True)))
        assert (np.abs(flat[0].mean(axis=0) - flat[1].mean(axis=0)) < 4 * error).all()
    # The exact moments: E[y] = 1/2, var[y] = 0.49 + 1/2.
    assert kept[..., 1].mean() == pytest.approx(0.5, abs=0.05)
    assert kept[..., 1].var() == pytest.approx(0.99, abs=0.1)


def test_a_perfect_fit_is_drawn_from_independently():
    mean, factor = np.array([1.0, -2.0, 0.5]), np.diag([0.5, 2.0, 1.0])

    def exact(theta):
        z = (theta - torch.from_numpy(mean)) / torch.from_numpy(np.diag(factor).copy())
        return -0.5 * (z * z).sum(dim=1)

    state, kept = run(evaluation(exact, mean, factor), 3, 60, 400)
    assert state.step == 1.0 and state.accepted == pytest.approx(400)
    assert effective_sample_size(kept).min() > 0.7 * CHAINS * 400


def test_the_step_is_tuned_where_there_are_many_unknowns():
    """sds of the fit that are a tenth too small or too large, in 3,000 unknowns."""
    n = 3000
    sds = np.where(np.arange(n) % 2, 0.9, 1.1)

    def normal(eps):
        theta = eps * sds
        log_q = -0.5 * (eps * eps).sum(axis=1) - np.log(sds).sum()
        values = np.stack([(theta**2).mean(axis=1), theta[:, 0]], axis=1)
        return Evaluation(-0.5 * (theta * theta).sum(axis=1) - log_q, values)

    state = begin(normal, CHAINS, n, 1)
    squares = []
    for _ in range(900):
        state = advance(state, normal, 500, 1)
        squares.append(state.values[:, 0])
    assert 0.2 < state.accepted / 400 < 0.45 and state.step < 0.5
    # The mean square of the fit is 1.01; that of the target is 1 +- sqrt(2 / n) a draw.
    assert np.mean(squares[500:]) == pytest.approx(1.0, abs=0.01)


def test_chains_go_on_from_arrays_to_the_bit_and_bad_states_are_not_accepted():
    fit = evaluation(skewed, np.zeros(2), np.diag([1.2, 1.2]))

    def holed(eps):
        found = fit(eps)
        return found._replace(weights=np.where(eps[:, 0] > 0.8, np.nan, found.weights))

    state = begin(fit, CHAINS, 2, 11)
    again, start = state, state.eps
    for _ in range(40):
        state = advance(state, holed, 20, 11)
        again = Corrected.of_arrays(advance(again, holed, 20, 11).arrays())
    np.testing.assert_array_equal(state.eps, again.eps)
    assert state.step == again.step and state.accepted == again.accepted
    moved = (state.eps != start).all(axis=1)
    assert moved.any() and (state.eps[moved, 0] <= 0.8).all()
    with pytest.raises(NonFiniteError, match="must be finite at draws of the fit"):
        begin(lambda eps: Evaluation(np.full(len(eps), np.nan), eps), CHAINS, 2, 1)
