"""A Newton step of the mean from the curvature of the start: taken only where it gains."""

import numpy as np
import pytest
import torch
from test_vi_start import N, Quartic, begin, energy, ill_conditioned, method_on

from pvi_hpc.errors import ConfigError
from pvi_hpc.families.flows.planar import Planar
from pvi_hpc.families.gaussian.full_rank import FullRank
from pvi_hpc.inference.methods.vi import VariationalInference
from pvi_hpc.inference.settings import HessianSettings, InferenceSettings, StartSettings
from pvi_hpc.inference.starts.newton_step import NEWTON

EVERY = HessianSettings(probes=N)


def of_family(kind, target, start, n=N):
    family = kind.from_options(np.ones((1, 1, n), bool), kind.Options())
    return VariationalInference(family, target, InferenceSettings(iterations=5), start, 1)


def test_with_the_whole_curvature_one_step_is_the_mode_of_a_gaussian():
    target = ill_conditioned()
    method = of_family(FullRank, target, StartSettings(hessian=EVERY, newton=2))
    state, infos = begin(method)
    # The gradient at the mean and one point: nothing is left to search.
    assert len(infos) == N + 1 + 2 and state.iteration == method.start.iterations
    np.testing.assert_allclose(state.parameters["mu"].numpy(), target.mean, atol=1e-5)
    assert NEWTON not in state.memory
    covariance = np.linalg.inv(target.precision)
    sd = method.family.sd(state.parameters).numpy()
    np.testing.assert_allclose(sd, np.sqrt(np.diag(covariance)), rtol=1e-4)


def test_a_step_too_long_is_shortened_and_never_makes_it_worse():
    target = ill_conditioned()  # of whose precision a diagonal says little
    for newton in (1, 2, 3):
        start = StartSettings(hessian=HessianSettings(probes=8), newton=newton)
        method = method_on(target, start)
        before = energy(method.init(torch.zeros(N, dtype=torch.float64), 0.3), target)
        state, infos = begin(method)
        values = [info.terms[0] for info in infos[9:]]
        assert len(values) <= 1 + newton
        value = target.value(state.parameters["mu"][None])
        found = float(value.log_likelihood + value.log_prior)
        assert found == pytest.approx(max(values), rel=1e-12)
        assert energy(state, target) <= before
    assert energy(state, target) < 0.9 * before


def test_where_nothing_is_better_the_mean_stays():
    start = StartSettings(hessian=HessianSettings(probes=4, max_sd=50.0), newton=1)
    method = method_on(Quartic(), start)
    state = method.init(torch.full((N,), 1.001, dtype=torch.float64), 0.3)
    while state.iteration < start.to_curvature:
        state, _ = method.step(state)
    # An sd that is far too large makes the step far too long.
    state.parameters["log_sd"].fill_(8.0)
    before = state.parameters["mu"].clone()
    while state.iteration < start.iterations:
        state, _ = method.step(state)
    assert torch.equal(state.parameters["mu"], before)


def test_it_resumes_in_the_same_bits():
    method = method_on(
        ill_conditioned(), StartSettings(hessian=HessianSettings(probes=3), newton=3)
    )
    whole, _ = begin(method)
    state = method.init(torch.zeros(N, dtype=torch.float64), 0.3)
    while state.iteration < method.start.iterations:
        state, _ = method.step(type(state).from_tree(state.clone().to_tree()))
    for name, value in whole.parameters.items():
        assert torch.equal(value, state.parameters[name])


def test_what_has_no_covariance_or_curvature_is_refused():
    with pytest.raises(ValueError, match="'newton' must be 0 without 'hessian'"):
        StartSettings(newton=1)
    start = StartSettings(hessian=HessianSettings(probes=2), newton=1)
    with pytest.raises(ConfigError, match=r"'start\.newton' must be 0 for a family that is no"):
        of_family(Planar, ill_conditioned(), start.model_copy(update={"hessian": None})).check()
