"""The deterministic start by TAO: to the mode, inside bounds, and the same again and again."""

import numpy as np
import pytest
import torch
from test_vi_start import N, Quartic, begin, energy, ill_conditioned, method_on

from pvi_hpc.errors import ConfigError
from pvi_hpc.inference import configured
from pvi_hpc.inference.settings import StartSettings
from pvi_hpc.inference.starts.tao import TAO, Tao
from pvi_hpc.numerics import petsc

needs_petsc = pytest.mark.skipif(not petsc.has_petsc(), reason="petsc4py is not installed")
KINDS = ("blmvm", "bqnls")


def start_by(kind, iterations=40, **more):
    return StartSettings(
        map_iterations=iterations, map_optimiser="lbfgs", lbfgs=kind, map_step=0.1, **more
    )


@needs_petsc
@pytest.mark.parametrize("kind", KINDS)
def test_tao_comes_as_near_to_the_mode_as_our_own_search(kind):
    target, left = ill_conditioned(), {}
    for name in ("own", kind):
        state, infos = begin(method_on(target, start_by(name)))
        left[name] = energy(state, target)
        assert len(infos) == 40 and {info.phase for info in infos} == {"map"}
        assert TAO not in state.memory
    assert left[kind] < 2 * left["own"]


@needs_petsc
@pytest.mark.parametrize("kind", KINDS)
def test_the_best_point_is_the_result_and_the_first_step_is_as_long_as_asked(kind):
    method = method_on(Quartic(), start_by(kind, iterations=15))
    state, infos = begin(method)
    best = max(info.terms[0] for info in infos)
    value = method.target.value(state.parameters["mu"][None])
    assert float(value.log_likelihood) == pytest.approx(best, rel=1e-12)
    assert infos[0].step == pytest.approx(0.1)
    assert best > -1e-2 * N


@needs_petsc
@pytest.mark.parametrize("kind", KINDS)
def test_bounds_hold_from_the_start_on(kind):
    target = ill_conditioned()
    target.precision[:] = np.diag(np.geomspace(1, 100, N))
    method = method_on(target, start_by(kind, map_bound=0.5))
    state = method.init(torch.full((N,), 2.0, dtype=torch.float64), 0.3)
    state, _ = method.step(state)
    seen = [state.parameters["mu"].abs().max()]
    while state.iteration < method.start.iterations:
        state, _ = method.step(state)
        seen.append(state.parameters["mu"].abs().max())
    assert max(seen) <= 0.5
    # With independent unknowns the best point is the nearest one.
    nearest = np.clip(target.mean, -0.5, 0.5)
    np.testing.assert_allclose(state.parameters["mu"].numpy(), nearest, atol=1e-4)


@needs_petsc
def test_tao_stops_where_an_accepted_step_gained_less_than_asked():
    target = ill_conditioned()
    state, infos = begin(method_on(target, start_by("blmvm", iterations=300, map_gain=0.01)))
    assert len(infos) < 150 and state.iteration == 300
    assert energy(state, target) < 0.5


@needs_petsc
def test_the_bits_do_not_depend_on_where_vectors_lie_in_memory():
    n, rng = 483, np.random.default_rng()
    stiffness, mean = np.geomspace(1, 300, n), np.random.default_rng(1).standard_normal(n)
    tao, found, held = Tao("blmvm", 0.1), set(), []
    point = torch.zeros(n, dtype=torch.float64)
    record = {"start": point.clone()}
    values, gradients = [], []
    for _ in range(20):
        shift = point.numpy() - mean
        values.append(0.5 * stiffness @ shift**2 + 0.1 * np.sum(shift**4))
        gradients.append(torch.from_numpy(stiffness * shift + 0.4 * shift**3))
        record["values"] = torch.tensor(values, dtype=torch.float64)
        record["gradients"], newest = torch.stack(gradients), point
        point = torch.from_numpy(tao.next_point(record, newest)[0])
    for _ in range(60):
        held.append([np.empty(int(size)) for size in rng.integers(1, 4 * n, 6)])
        found.add(tao.next_point(record, newest)[0].tobytes())
    assert found == {point.numpy().tobytes()}


@needs_petsc
def test_a_record_of_other_points_is_refused():
    method = method_on(ill_conditioned(), start_by("blmvm"))
    state = method.init(torch.zeros(N, dtype=torch.float64), 0.3)
    for _ in range(6):
        state, _ = method.step(state)
    state.memory[TAO]["gradients"][2] *= 1.001
    with pytest.raises(ConfigError, match="must go on with the PETSc"):
        method.step(state)


def test_a_missing_petsc_is_said_before_anything_runs(monkeypatch):
    monkeypatch.setattr(configured, "has_petsc", lambda: False)
    monkeypatch.setattr(petsc, "has_petsc", lambda: False)
    method = method_on(ill_conditioned(), start_by("bqnls"))
    with pytest.raises(ConfigError, match=r"'start\.lbfgs: bqnls' needs PETSc.*PVI_EXTRAS"):
        method.check()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"map_iterations": 3, "lbfgs": "bqnls"}, "'lbfgs' must be own without"),
        ({"polish": 3, "map_bound": 2.0}, "'map_bound' must be null with 'lbfgs: own'"),
    ],
)
def test_settings_without_effect_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        StartSettings(**settings)
