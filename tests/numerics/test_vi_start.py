"""Starts: L-BFGS to the mode, and sds from the curvature there."""

import numpy as np
import pytest
import torch
from vi_targets import GaussianTarget, precision_of

from pvi_hpc.cost import SimulationCount
from pvi_hpc.diagnostics.known_gaussian import gaussian_kl
from pvi_hpc.errors import ConfigError
from pvi_hpc.families.gaussian.mean_field import MeanField
from pvi_hpc.inference.methods.vi import VariationalInference
from pvi_hpc.inference.settings import (
    HessianSettings,
    InferenceSettings,
    OptimiserSettings,
    StartSettings,
)
from pvi_hpc.inference.starts.lbfgs import Pairs, ascent
from pvi_hpc.inference.target import TargetValue
from pvi_hpc.problem.likelihood import GaussianLikelihood

N = 60


def method_on(target, start, seed=1, n=N):
    family = MeanField.from_options(np.ones((1, 1, n), bool), MeanField.Options())
    return VariationalInference(family, target, InferenceSettings(iterations=5), start, seed)


def begin(method):
    """Do all iterations before the variational ones."""
    state = method.init(torch.zeros(method.family.n, dtype=torch.float64), 0.3)
    infos = []
    while state.iteration < method.start.iterations:
        state, info = method.step(state)
        infos.append(info)
    return state, infos


def ill_conditioned(seed=3):
    rng = np.random.default_rng(seed)
    directions = np.linalg.qr(rng.standard_normal((N, N)))[0]
    precision = (directions * np.geomspace(1, 300, N)) @ directions.T
    return GaussianTarget((precision + precision.T) / 2, rng.standard_normal(N))


def energy(state, target):
    shift = state.parameters["mu"].numpy() - target.mean
    return 0.5 * shift @ target.precision @ shift


def test_lbfgs_needs_far_fewer_gradients_than_adam():
    target, left = ill_conditioned(), {}
    for kind in ("adam", "lbfgs"):
        start = StartSettings(map_iterations=40, map_optimiser=kind, map_step=0.1)
        state, infos = begin(method_on(target, start))
        left[kind] = energy(state, target)
        assert {info.phase for info in infos} == {"map"}
        assert torch.equal(
            state.parameters["log_sd"], torch.full_like(state.parameters["mu"], np.log(0.3))
        )
    assert left["lbfgs"] < 0.05 * left["adam"]


class Quartic:
    """A valley that a full quasi-Newton step overshoots: `-sum(x^4 + x^2 / 100)` about 1."""

    def batches(self, iteration, n):
        return [()] * n

    def value(self, theta, batches=None):
        x = theta.detach() - 1
        density = -(x**4 + 0.01 * x * x).sum(dim=1)
        zero = torch.zeros_like(density)
        gradient = -(4 * x**3 + 0.02 * x)
        return TargetValue(density, zero, gradient, zero, SimulationCount(done=len(x)))


def test_lbfgs_never_ends_worse_than_the_best_point_it_saw():
    for length in (0.1, 100.0):
        method = method_on(
            Quartic(), StartSettings(map_iterations=25, map_optimiser="lbfgs", map_step=length)
        )
        state, infos = begin(method)
        best = max(info.terms[0] for info in infos)
        value = method.target.value(state.parameters["mu"][None])
        assert float(value.log_likelihood) == pytest.approx(best, rel=1e-12)
        assert best > -1e-3 * N


def test_a_quasi_newton_step_is_newtons_where_all_directions_are_known():
    precision = precision_of(np.random.default_rng(1), 6)
    steps = np.linalg.inv(np.linalg.cholesky(precision)).T  # conjugate
    gradient = np.random.default_rng(2).standard_normal(6)
    changes = (precision @ steps).T.copy()
    pairs = Pairs(gradient, steps.T.copy(), changes, gradient, changes)
    found = ascent(pairs, 1.0)
    np.testing.assert_allclose(found, np.linalg.solve(precision, gradient), rtol=1e-10)


def test_one_probe_gives_independent_cells_exactly():
    """A diagonal precision: z * (P z) is the diagonal whatever the signs."""
    rng = np.random.default_rng(7)
    diagonal = rng.uniform(2, 50, N)
    target = GaussianTarget(np.diag(diagonal), np.zeros(N))
    start = StartSettings(hessian=HessianSettings(probes=1))
    state, infos = begin(method_on(target, start))
    np.testing.assert_allclose(state.parameters["log_sd"], -0.5 * np.log(diagonal), atol=1e-9)
    assert [info.phase for info in infos] == ["hessian"] * 2
    assert "hessian" not in state.memory


def test_probes_start_near_the_optimum_of_a_dense_precision():
    target = GaussianTarget(100 * precision_of(np.random.default_rng(4), N), np.zeros(N))
    best = np.diag(np.diag(target.precision) ** -0.5)
    floor = gaussian_kl(target.mean, best, target.mean, target.precision)
    before = gaussian_kl(target.mean, 0.3 * np.eye(N), target.mean, target.precision) - floor
    state, _ = begin(method_on(target, StartSettings(hessian=HessianSettings(probes=8))))
    sds = np.diag(np.exp(state.parameters["log_sd"].numpy()))
    assert gaussian_kl(target.mean, sds, target.mean, target.precision) - floor < 0.05 * before


def test_cells_without_curvature_keep_the_largest_sd():
    precision = np.diag([40.0] * 30 + [0.0] * 30)
    start = StartSettings(hessian=HessianSettings(probes=2, max_sd=0.8))
    state, _ = begin(method_on(GaussianTarget(precision, np.zeros(N)), start))
    expected = [40**-0.5] * 30 + [0.8] * 30
    np.testing.assert_allclose(state.parameters["log_sd"].exp(), expected, rtol=1e-9)


def test_every_gradient_of_the_start_is_counted():
    start = StartSettings(
        map_iterations=4, map_optimiser="lbfgs", hessian=HessianSettings(probes=3)
    )
    method = method_on(Quartic(), start)
    _, infos = begin(method)
    assert sum(info.count.done for info in infos) == start.iterations == 4 + 1 + 3
    assert method.n_iterations == 8 + 5


class Shots(Quartic):
    """A target of nine shots that notes which are asked for."""

    n_shots = 9

    def __init__(self):
        self.asked = []

    def stratum(self, step, shots):
        return GaussianLikelihood(None, 9, 1, seed=3).stratum(step, shots)

    def value(self, theta, batches=None):
        self.asked += batches or []
        return super().value(theta)


def test_shots_of_the_map_phase_are_dealt_out_of_permutations():
    target = Shots()
    begin(method_on(target, StartSettings(map_iterations=40, map_shots=2, map_step=0.1)))
    assert all(len(set(shots)) == 2 for shots in target.asked)
    for epoch in range(10):
        four = [shot for pair in target.asked[4 * epoch : 4 * epoch + 4] for shot in pair]
        assert len(set(four)) == 8
    assert {shot for shots in target.asked for shot in shots} == set(range(9))
    assert len(set(target.asked)) > 20


def test_the_result_of_the_map_phase_is_the_mean_of_its_last_steps():
    settings = {"map_iterations": 10, "map_step": 0.1}
    plain = method_on(Quartic(), StartSettings(**settings))
    state, points = plain.init(torch.zeros(N, dtype=torch.float64), 0.3), []
    for _ in range(10):
        state, _ = plain.step(state)
        points.append(state.parameters["mu"].clone())
    averaged, _ = begin(method_on(Quartic(), StartSettings(**settings, map_average=0.3)))
    expected = torch.stack(points[-3:]).mean(dim=0)
    torch.testing.assert_close(averaged.parameters["mu"], expected)
    assert "map_average" not in averaged.memory


def test_lbfgs_stops_where_a_step_promises_less_than_asked():
    target = ill_conditioned()
    start = StartSettings(
        map_iterations=500, map_optimiser="lbfgs", map_step=0.1, map_gain=0.01
    )
    state, infos = begin(method_on(target, start))
    assert len(infos) < 200
    assert state.iteration == 500
    assert "lbfgs" not in state.memory
    assert energy(state, target) < 0.3


def test_lbfgs_polishes_what_adam_has_found():
    target, left = ill_conditioned(), []
    for polish in (0, 30):
        start = StartSettings(map_iterations=40, map_step=0.1, polish=polish)
        state, infos = begin(method_on(target, start))
        assert len(infos) == 40 + polish
        assert {info.phase for info in infos} == {"map"}
        left.append(energy(state, target))
    assert left[1] < 0.01 * left[0]
    with pytest.raises(ValueError, match="'polish' must be 0 with 'map_optimiser: lbfgs'"):
        StartSettings(map_iterations=5, map_optimiser="lbfgs", polish=3)


def test_the_start_may_be_the_result():
    family = MeanField.from_options(np.ones((1, 1, N), bool), MeanField.Options())

    def made(start, **settings):
        given = InferenceSettings(iterations=0, **settings)
        return VariationalInference.from_settings(
            family, ill_conditioned(), given, start, 1, VariationalInference.Options()
        )

    start = StartSettings(map_iterations=30, map_optimiser="lbfgs", map_step=0.1)
    method = made(start)
    state, _ = begin(method)
    assert method.n_iterations == 30
    assert method.fitted(state) is state.parameters
    with pytest.raises(ConfigError, match="at least 1 without a start"):
        made(StartSettings())
    with pytest.raises(ConfigError, match=r"'inference\.optimiser\.average' must be 0"):
        made(start, optimiser=OptimiserSettings(average=0.5))
    with pytest.raises(ValueError, match=r"must be at least 1 with 'method\.kind: svgd'"):
        InferenceSettings(iterations=0, method={"kind": "svgd"})
