"""Natural gradients: where the Fisher information has a closed form, its inverse; and fast."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from families_examples import family_of, random_parameters
from tomography import ROUGH_KM, tomography

from pvi_hpc.diagnostics.converge import converge
from pvi_hpc.diagnostics.known_gaussian import dense_factor, gaussian_kl
from pvi_hpc.families.gaussian.precision import DensePrecision
from pvi_hpc.families.load import load_family
from pvi_hpc.families.settings import FamilySettings
from pvi_hpc.inference.method import load_method
from pvi_hpc.inference.settings import (
    EstimatorSettings,
    HessianSettings,
    InferenceSettings,
    OptimiserSettings,
    StartSettings,
)

PROBLEM = tomography(9, n_sensors=10, length_km=ROUGH_KM)
PRECISION = DensePrecision(torch.from_numpy(PROBLEM.precision), PROBLEM.active)
#: L-BFGS, then sds from the curvature.
START = StartSettings(
    sd=1.0,
    map_iterations=15,
    map_optimiser="lbfgs",
    map_step=0.3,
    hessian=HessianSettings(max_sd=100.0),
)
FAMILIES = {
    "mean_field": {},
    "full_rank": {},
    "structured": {"stencil": [1, 5, 5]},
    "precision_structured": {"stencil": [1, 5, 5]},
}


def loss_gradients(family, parameters):
    """Return the exact gradient of KL(q || posterior)."""
    eps = torch.eye(family.n, dtype=torch.float64)
    pulled = (PROBLEM.precision @ dense_factor(family, parameters)).T
    gradients = family.pullback(parameters, eps, torch.from_numpy(pulled.copy()))
    for name, gradient in family.entropy_gradient(parameters, eps).items():
        gradients[name] = gradients[name] - gradient
    shift = parameters["mu"].numpy() - PROBLEM.mean
    return {**gradients, "mu": torch.from_numpy(PROBLEM.precision @ shift)}


def kl(family, parameters):
    factor = dense_factor(family, parameters)
    mean = parameters["mu"].numpy()
    return gaussian_kl(mean, factor, PROBLEM.mean, PROBLEM.precision)


def entries(parameters):
    """Return name and index of every number that may move."""
    lower = parameters.get("lower")
    for name, value in parameters.items():
        for index in np.ndindex(*value.shape):
            if value is not lower or index[0] > index[1]:
                yield name, index


@pytest.mark.parametrize("name", ["mean_field", "full_rank"])
def test_natural_inverts_the_fisher_information(name):
    """That is the curvature of KL(q || q') at q' = q."""
    family = family_of(name, np.ones((1, 2, 2), bool))
    parameters = random_parameters(family, np.random.default_rng(1))
    at = list(entries(parameters))

    def factor_and_mean(x):
        moved = {key: value.clone() for key, value in parameters.items()}
        for (key, index), value in zip(at, x, strict=True):
            moved[key][index] += float(value)
        return dense_factor(family, moved), moved["mu"].numpy()

    here, mean = factor_and_mean(np.zeros(len(at)))

    def divergence(x):
        factor, moved = factor_and_mean(x)
        return gaussian_kl(mean, here, moved, np.linalg.inv(factor @ factor.T))

    unit, h = np.eye(len(at)), 1e-3
    fisher = np.array(
        [
            [
                sum(s * t * divergence(h * (s * a + t * b)) for s in (1, -1) for t in (1, -1))
                for a in unit
            ]
            for b in unit
        ]
    ) / (4 * h**2)
    values = np.random.default_rng(2).standard_normal(len(at))
    gradients = {key: torch.zeros_like(value) for key, value in parameters.items()}
    for (key, index), value in zip(at, values, strict=True):
        gradients[key][index] = float(value)
    natural = family.natural(parameters, gradients)
    found = [float(natural[key][index]) for key, index in at]
    np.testing.assert_allclose(found, np.linalg.solve(fisher, values), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", ["psvi_3x3x5", "psvi_ellipsoid", "precision_structured"])
def test_the_sparse_map_is_symmetric_and_positive(name):
    """So that a small step along it always lowers the loss."""
    family = family_of(name)
    rng = np.random.default_rng(3)
    parameters = random_parameters(family, rng)
    allowed = family.pullback(parameters, *torch.ones(2, 1, family.n, dtype=torch.float64))
    parameters["coefficients"] *= allowed["coefficients"] != 0

    def draw():
        fields = {
            key: torch.from_numpy(rng.standard_normal(v.shape)) for key, v in parameters.items()
        }
        return {
            **fields,
            "coefficients": fields["coefficients"] * (allowed["coefficients"] != 0),
        }

    def product(a, b):
        return sum(float((a[key] * b[key]).sum()) for key in a)

    for _ in range(5):
        a, b = draw(), draw()
        natural_a, natural_b = family.natural(parameters, a), family.natural(parameters, b)
        assert product(a, natural_b) == pytest.approx(product(b, natural_a), rel=1e-9)
        assert product(a, natural_a) > 0
        assert not natural_a["coefficients"][allowed["coefficients"] == 0].any()


@pytest.mark.parametrize("kind", FAMILIES)
def test_a_few_natural_steps_reach_the_optimum(kind):
    """From N(0, 0.3^2) the gap falls at every step: by 10^3 in 100, by 10^4 in 200."""
    settings = FamilySettings(kind=kind, options=FAMILIES[kind])
    family: Any = load_family(settings, PROBLEM.active)
    informed = family.informed(torch.from_numpy(PROBLEM.mean), PRECISION)
    best = kl(family, converge(family, informed, PROBLEM.precision))
    parameters = family.initial(torch.zeros(family.n, dtype=torch.float64), 0.3)
    gaps = [kl(family, parameters) - best]
    for _ in range(200):
        natural = family.natural(parameters, loss_gradients(family, parameters))
        parameters = {key: value - 0.1 * natural[key] for key, value in parameters.items()}
        gaps.append(kl(family, parameters) - best)
    assert gaps[100] < 1e-3 * gaps[0]
    assert gaps[200] < 1e-4 * gaps[0]
    assert np.diff(gaps).max() < 1e-12 * gaps[0]  # but for rounding


def test_the_natural_gradient_of_directions_inverts_their_fisher_information():
    """But for turns of the directions among themselves, which change nothing."""
    family = family_of("low_rank", np.ones((1, 2, 4), bool))
    parameters = random_parameters(family, np.random.default_rng(1))
    here, u = dense_factor(family, parameters), parameters["directions"]
    inverse, h = np.linalg.inv(here), 1e-5
    changes = []
    for index in np.ndindex(*u.shape):
        moved = u.clone()
        moved[index] += h
        change = (dense_factor(family, {**parameters, "directions": moved}) - here) / h
        relative = inverse @ change
        changes.append((relative + relative.T).ravel())
    fisher = 0.5 * np.array(changes) @ np.array(changes).T
    gradient = fisher @ np.random.default_rng(2).standard_normal(u.numel())
    shaped = torch.from_numpy(gradient).view(u.shape)
    found = family.factor.natural(u, shaped).numpy().ravel()
    np.testing.assert_allclose(fisher @ found, gradient, rtol=1e-3, atol=1e-3)
    turns = np.linalg.svd(fisher, compute_uv=False) < 1e-6
    assert turns.sum() == family.factor.rank * (family.factor.rank - 1) // 2


def sampled(kind, options, target, start=START, **settings):
    """Return the family and what sampling ends with, from `start`."""
    family = load_family(FamilySettings(kind=kind, options=options), target.active)
    optimiser = OptimiserSettings(**{"kind": "natural", **settings.pop("optimiser", {})})
    inference = InferenceSettings(**{"optimiser": optimiser, **settings})
    method = load_method(family, target, inference, start, 2)
    state = method.init(torch.zeros(family.n, dtype=torch.float64), start.sd)
    while state.iteration < method.n_iterations:
        state, _ = method.step(state)
    return family, method, state


def test_full_rank_reaches_the_posterior_by_sampling_without_a_step_to_choose():
    """Errors shrink by a factor each time, down to nothing: 200 x 8 gradients for 81 cells."""
    settings = {
        "iterations": 200,
        "samples": 8,
        "estimator": EstimatorSettings(draws="independent"),
    }
    family, method, state = sampled("full_rank", {}, PROBLEM, **settings)
    assert method._optimiser.step == pytest.approx(8 / 90)
    assert kl(family, method.fitted(state)) < 0.05
    sd = np.sqrt(np.diag(PROBLEM.covariance))
    error = method.fitted(state)["mu"].numpy() - PROBLEM.mean
    assert abs(error / sd).max() < 0.01


@pytest.mark.parametrize("samples", [2, 16])
@pytest.mark.parametrize("kind", FAMILIES | {"low_rank": {"rank": 5}})
def test_natural_steps_from_far_away_do_not_run_away(kind, samples):
    """From sd 1 and no curvature: the divergence falls, whatever the noise."""
    options = FAMILIES.get(kind, {"rank": 5})
    far = StartSettings(sd=1.0)
    settings = {"iterations": 60, "samples": samples}
    family, method, state = sampled(kind, options, PROBLEM, far, **settings)
    first = method.init(torch.zeros(family.n, dtype=torch.float64), 1.0)
    assert kl(family, state.parameters) < 0.7 * kl(family, first.parameters)


@pytest.mark.parametrize("kind", ["full_rank", "low_rank", "low_rank_structured"])
def test_threads_and_where_an_array_begins_change_no_bit(kind):
    options = {"low_rank": {"rank": 3}, "low_rank_structured": {"rank": 3}}.get(kind, {})
    family = load_family(FamilySettings(kind=kind, options=options), PROBLEM.active)
    inference = InferenceSettings(
        iterations=6, samples=4, optimiser=OptimiserSettings(kind="natural")
    )
    method = load_method(family, PROBLEM, inference, StartSettings(), 2)
    ends, before = [], torch.get_num_threads()
    try:
        for threads, offset in ((1, 0), (3, 1), (2, 3)):
            torch.set_num_threads(threads)
            state = method.init(torch.from_numpy(PROBLEM.mean), 0.2)
            for _ in range(6):
                state, _ = method.step(moved_in_memory(state, offset))
            ends.append(state.parameters)
    finally:
        torch.set_num_threads(before)
    for other in ends[1:]:
        for name, value in ends[0].items():
            assert torch.equal(other[name], value), name


def moved_in_memory(state, offset):
    """Return the state with arrays that begin `offset` numbers after an aligned address."""

    def moved(value):
        room = torch.empty(value.numel() + offset, dtype=value.dtype)[offset:]
        return room.view(value.shape).copy_(value)

    return replace(state, parameters={k: moved(v) for k, v in state.parameters.items()})
