"""Natural gradients that would run away are brought back, and a run resumes to the bit."""

import numpy as np
import pytest
import torch
from hierarchy import N, non_centred

from pvi_hpc.errors import NonFiniteError
from pvi_hpc.families.gaussian.full_rank import FullRank
from pvi_hpc.inference.log_prob_target import LogProbTarget
from pvi_hpc.inference.methods.vi import VariationalInference
from pvi_hpc.inference.optimisers.guard import Guard
from pvi_hpc.inference.settings import InferenceSettings, OptimiserSettings
from pvi_hpc.inference.state import State

NATURAL = OptimiserSettings(kind="natural")


def run(method, state=None):
    state = state or method.init(torch.zeros(N, dtype=torch.float64), 1.0)
    while state.iteration < method.n_iterations:
        state, info = method.step(state)
    return state, info


def last_elbo(method, *, guarded):
    """Return the median of the last 50 estimates; without a guard as an older version ran."""
    state, elbos = method.init(torch.zeros(N, dtype=torch.float64), 1.0), []
    if not guarded:
        state = State(0, state.parameters)
    while state.iteration < method.n_iterations:
        try:
            state, info = method.step(state)
        except NonFiniteError:
            return -np.inf
        elbos.append(info.elbo)
    return np.median(elbos[-50:])


@pytest.mark.parametrize("seed", [2, 5, 7])
def test_natural_gradients_that_run_away_on_a_hierarchy_are_held(seed):
    settings = InferenceSettings(iterations=300, samples=2, optimiser=NATURAL)
    method = VariationalInference(FullRank(N), LogProbTarget(non_centred), settings, seed=seed)
    assert last_elbo(method, guarded=True) > 2  # 7.3 at best
    assert last_elbo(method, guarded=False) < -10


def test_a_density_that_is_not_finite_brings_the_best_back():
    calls = []

    def breaks(x):
        calls.append(1)
        return -x.square().sum(dim=1) * (torch.nan if len(calls) == 15 else 1.0)

    settings = InferenceSettings(iterations=30, samples=2, optimiser=NATURAL)
    method = VariationalInference(FullRank(N), LogProbTarget(breaks), settings)
    state, _ = run(method)
    assert Guard(state.memory).returns == 1 and Guard(state.memory).scale == 0.5
    always = LogProbTarget(lambda x: -x.square().sum(dim=1) * torch.nan)
    with pytest.raises(NonFiniteError):
        run(VariationalInference(FullRank(N), always, settings))


def test_a_guarded_run_resumes_to_the_same_bits():
    settings = InferenceSettings(iterations=60, samples=2, optimiser=NATURAL)
    method = VariationalInference(FullRank(N), LogProbTarget(non_centred), settings, seed=1)
    whole, _ = run(method)
    half = method.init(torch.zeros(N, dtype=torch.float64), 1.0)
    for _ in range(33):
        half, _ = method.step(half)
    resumed, _ = run(method, State.from_tree(half.to_tree()))
    for name, value in whole.parameters.items():
        assert torch.equal(value, resumed.parameters[name])
