"""Runs repeat to the bit: from the same state, after a checkpoint, with other threads."""

import numpy as np
import pytest
import torch
from vi_targets import QuadraticSimulator

from pvi_hpc.errors import NonFiniteError
from pvi_hpc.families.gaussian.mean_field import MeanField
from pvi_hpc.families.gaussian.structured import Structured
from pvi_hpc.grid import Grid
from pvi_hpc.inference.elbo import estimate_elbo
from pvi_hpc.inference.history import History
from pvi_hpc.inference.methods.vi import VariationalInference
from pvi_hpc.inference.settings import (
    EstimatorSettings,
    HessianSettings,
    InferenceSettings,
    OptimiserSettings,
    StartSettings,
    StopSettings,
)
from pvi_hpc.inference.state import State
from pvi_hpc.numerics.petsc import has_petsc
from pvi_hpc.priors.uniform import UniformSettings
from pvi_hpc.problem.likelihood import GaussianLikelihood, NoData
from pvi_hpc.problem.model_map import ModelMap
from pvi_hpc.problem.posterior import Posterior
from pvi_hpc.store.checkpoint import CheckpointStore

N_SHOTS = 6


def prior(**changes):
    tables = {"depth_m": (0.0,), "lower_m_s": (1500.0,), "upper_m_s": (3000.0,)}
    return UniformSettings(**{"kind": "uniform", **tables, **changes})


def method_on(shape, *, stencil=None, start=None, simulator=None, **settings):
    grid = Grid(shape, (50.0, 50.0, 50.0))
    law = prior(fixed_above_m=40.0)
    model_map = ModelMap.build(law.cells(grid), law, np.full(shape, 2000.0))
    simulator = simulator or QuadraticSimulator(np.random.default_rng(1), shape, N_SHOTS)
    likelihood = GaussianLikelihood(simulator, N_SHOTS, N_SHOTS, 3, 4, 2)
    options = {} if stencil is None else {"stencil": stencil}
    kind = MeanField if stencil is None else Structured
    family = kind.from_options(model_map.active, kind.Options(**options))
    return VariationalInference(
        family,
        Posterior(model_map, likelihood),
        InferenceSettings(**{"iterations": 12, "samples": 4, **settings}),
        seed=4,
        start=start or StartSettings(),
    )


def start(method):
    return method.init(method.target.map.start_theta(), 0.3)


def advance(method, state, until, history=None):
    history = history or History()
    while state.iteration < until:
        state, info = method.step(state)
        history = history.append(info)
    return state, history


def assert_same_bits(a, b, where=""):
    if isinstance(a, dict):
        assert a.keys() == b.keys()
        for name in a:
            assert_same_bits(a[name], b[name], f"{where}/{name}")
    else:
        np.testing.assert_array_equal(a, b, where, strict=isinstance(a, np.ndarray))


@pytest.mark.parametrize("stencil", [None, [3, 3, 3]])
@pytest.mark.parametrize("at", [2, 4, 9])
def test_a_run_resumed_from_a_checkpoint_ends_in_the_same_bits(tmp_path, stencil, at):
    method = method_on((4, 3, 5), stencil=stencil, start=StartSettings(map_iterations=4))
    whole, history = advance(method, start(method), method.n_iterations)

    store = CheckpointStore(tmp_path, "settings")
    state, part = advance(method, start(method), at)
    store.save(at, {"state": state.to_tree(), "history": part.to_tree()})
    tree = store.load_latest().tree
    state, history_read = State.from_tree(tree["state"]), tree["history"]
    resumed, second = advance(
        method_on((4, 3, 5), stencil=stencil, start=StartSettings(map_iterations=4)),
        state,
        method.n_iterations,
        History.from_tree(history_read),
    )
    assert_same_bits(resumed.to_tree(), whole.to_tree())
    assert_same_bits(second.to_tree(), history.to_tree())
    assert len(second) == method.n_iterations == 16


WAYS = {
    "natural, averaged": {
        "optimiser": OptimiserSettings(kind="natural", step=0.3, average=0.4)
    },
    "sgd": {"optimiser": OptimiserSettings(kind="sgd", step=0.001, schedule="inverse_sqrt")},
    "sobol": {"estimator": EstimatorSettings(draws="sobol", sobol_coordinates=20)},
    "stopping": {
        "stop": StopSettings(window=3, tolerance=1e9),
        "optimiser": OptimiserSettings(average=0.5),
    },
    "single": {"precision": "single"},
}
STARTS = {
    "adam": StartSettings(map_iterations=2, map_step=0.02, hessian=HessianSettings(probes=2)),
    "lbfgs": StartSettings(map_iterations=4, map_optimiser="lbfgs", map_step=0.1),
}
if has_petsc():
    STARTS["tao"] = StartSettings(map_iterations=1, polish=4, lbfgs="blmvm", map_bound=3.0)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("start_kind", STARTS)
def test_every_estimator_and_optimiser_resumes_in_the_same_bits(tmp_path, way, start_kind):
    """Over a checkpoint after every iteration, in one thread and in three."""

    def fit(threads, store=None):
        torch.set_num_threads(threads)
        method = method_on((4, 3, 5), start=STARTS[start_kind], **WAYS[way])
        state = start(method)
        while not state.converged and state.iteration < method.n_iterations:
            state, _ = method.step(state)
            if store is not None:
                store.save(state.iteration, {"state": state.to_tree()})
                state = State.from_tree(store.load_latest().tree["state"])
        return method, state

    before = torch.get_num_threads()
    try:
        method, whole = fit(1)
        _, resumed = fit(3, CheckpointStore(tmp_path, "settings"))
    finally:
        torch.set_num_threads(before)
    assert_same_bits(resumed.to_tree(), whole.to_tree())
    assert torch.equal(method.sample(whole, 2), method.sample(resumed, 2))
    assert whole.converged == (way == "stopping")


def test_what_is_averaged_is_what_is_drawn_from():
    settings = {"optimiser": OptimiserSettings(average=0.5), "iterations": 6}
    method, states = method_on((4, 3, 5), **settings), []
    state = start(method)
    while state.iteration < 6:
        assert method.fitted(state) is state.parameters
        state, _ = method.step(state)
        states.append(state.clone())
    mean = torch.stack([s.parameters["mu"] for s in states[3:]]).mean(dim=0)
    torch.testing.assert_close(method.fitted(state)["mu"], mean)


def test_a_run_that_converges_says_so_and_when():
    method = method_on((4, 3, 5), iterations=50, stop=StopSettings(window=5, tolerance=1e9))
    state = start(method)
    while not state.converged:
        state, _ = method.step(state)
    assert state.iteration == 10  # the first two windows


@pytest.mark.parametrize("stencil", [None, [1, 3, 3]])
def test_the_number_of_threads_does_not_change_a_bit(stencil):
    # More than 32,768 cells, below which torch does not share an array among threads.
    shape, before, ends = (12, 57, 61), torch.get_num_threads(), []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            method = method_on(shape, stencil=stencil, samples=6)
            ends.append(advance(method, start(method), 3))
    finally:
        torch.set_num_threads(before)
    for state, history in ends[1:]:
        assert_same_bits(state.to_tree(), ends[0][0].to_tree())
        assert_same_bits(history.to_tree(), ends[0][1].to_tree())


def test_a_clone_is_not_changed_by_a_step():
    method = method_on((4, 3, 5))
    state, _ = advance(method, start(method), 2)
    copy = state.clone()
    advance(method, state, 3)
    fresh, _ = advance(method, start(method), 2)
    assert_same_bits(copy.to_tree(), fresh.to_tree())


def test_the_map_phase_moves_only_the_mean_and_uphill():
    method = method_on((4, 3, 5), stencil=[3, 3, 3], start=StartSettings(map_iterations=40))
    first = start(method)
    before = first.clone()
    state, history = advance(method, first, 40)
    assert not torch.equal(state.parameters["mu"], before.parameters["mu"])
    for name in ("log_sd", "coefficients"):
        assert torch.equal(state.parameters[name], before.parameters[name])
    densities = [
        float(sum(getattr(v, part)[0] for part in ("log_likelihood", "log_prior")))
        for v in (method.target.value(s.parameters["mu"][None]) for s in (before, state))
    ]
    assert densities[1] > densities[0] + 0.1
    assert (history.arrays["phase"] == 0).all()
    assert np.isnan(history.arrays["log_q"]).all()
    assert (history.arrays["done"] == 3).all()  # one sample, three shots


def test_adam_and_its_schedule_start_anew_with_the_variational_phase():
    method = method_on(
        (4, 3, 5),
        start=StartSettings(map_iterations=5),
        optimiser=OptimiserSettings(step=0.04, final=0.25),
    )
    before = advance(method, start(method), 5)[0].clone()
    after, history = advance(method, before.clone(), 6)
    # The first step of Adam is `step` in every direction.
    moved = (after.parameters["mu"] - before.parameters["mu"]).abs()
    np.testing.assert_allclose(moved, 0.04, rtol=1e-3)
    np.testing.assert_allclose(history.arrays["step"], 0.04)
    _, history = advance(method, start(method), method.n_iterations)
    steps = history.arrays["step"]
    np.testing.assert_allclose(steps[[0, 4, 5, -1]], [0.04, 0.01, 0.04, 0.01])


def test_posterior_draws_do_not_depend_on_how_many_are_drawn_at_once():
    method = method_on((4, 3, 5), stencil=[3, 3, 3])
    state, _ = advance(method, start(method), 3)
    together = method.sample(state, 5)
    apart = torch.cat([method.sample(state, 2), method.sample(state, 3, first=2)])
    assert torch.equal(together, apart)
    assert not torch.equal(together[0], together[1])


def test_chi_squared_and_cost_are_counted():
    method = method_on((4, 3, 5))
    state, info = method.step(start(method))
    assert info.count.done == 4 * 3
    expected = -2 * info.log_likelihood.mean() / N_SHOTS
    assert info.chi_squared == pytest.approx(expected, rel=1e-12)
    assert estimate_elbo(method, state, method.target, 10).count.done == 10 * N_SHOTS


class BrokenSimulator(QuadraticSimulator):
    def misfit_and_gradient(self, models, shots):
        result = super().misfit_and_gradient(models, shots)
        result.gradients[2, 3, 1, 1] = np.nan
        return result


def test_a_gradient_that_is_not_finite_stops_before_anything_changes():
    simulator = BrokenSimulator(np.random.default_rng(1), (4, 3, 5), N_SHOTS)
    method = method_on((4, 3, 5), simulator=simulator)
    state = start(method)
    before = state.clone()
    with pytest.raises(NonFiniteError, match=r"Iteration 0, sample 2: .*not finite"):
        method.step(state)
    assert_same_bits(state.to_tree(), before.to_tree())


def test_history_is_json_like_for_the_status():
    method = method_on((4, 3, 5))
    assert History().last("elbo") is None
    _, history = advance(method, start(method), 2)
    assert history.last("elbo") == history.arrays["elbo"][-1]
    blind = VariationalInference(
        method.family, Posterior(method.target.map, NoData()), method.settings
    )
    _, history = advance(blind, start(blind), 1)
    assert history.last("chi_squared") is None
