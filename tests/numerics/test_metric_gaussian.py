"""The Gaussian of the prior's precision and gradients of noise, against dense matrices."""

import numpy as np
import pytest
import torch
from families_examples import active_cells
from test_noise_starts import LinearShots, averages, started

from pvi_hpc.diagnostics.known_gaussian import dense_factor, gaussian_kl
from pvi_hpc.errors import ConfigError
from pvi_hpc.families.family import LOCATION
from pvi_hpc.families.gaussian.metric_gaussian import MetricGaussian, MetricOptions
from pvi_hpc.families.gaussian.precision import DensePrecision, RowsPrecision
from pvi_hpc.families.gaussian.taper import Taper
from pvi_hpc.families.load import load_family
from pvi_hpc.families.settings import FamilySettings
from pvi_hpc.inference.elbo import estimate_elbo
from pvi_hpc.inference.method import load_method
from pvi_hpc.inference.settings import (
    HessianSettings,
    InferenceSettings,
    OptimiserSettings,
    StartSettings,
)
from pvi_hpc.inference.starts.noise_start import check_noise
from pvi_hpc.inference.state import State
from pvi_hpc.numerics.random import keyed_rng
from pvi_hpc.numerics.standard_normal import HALF_LOG_2PI
from pvi_hpc.store.checkpoint import CheckpointStore

ACTIVE = active_cells()
N = int(ACTIVE.sum())
EYE = torch.eye(N, dtype=torch.float64)
DRAWS = HessianSettings(kind="noise", sweeps=1)


def correlation():
    cells = np.argwhere(ACTIVE)
    apart = np.sqrt(((cells[:, None] - cells) ** 2).sum(axis=2))
    return torch.from_numpy(np.exp(-apart / 2.0))


def informed(gradients=30, taper=2.0, rows=30):
    """Return family and parameters under the correlated prior, and the dense precision."""
    options = MetricOptions(gradients=gradients, taper_cells=taper)
    prior = torch.linalg.inv(correlation())
    family = MetricGaussian(ACTIVE, options).with_prior(lambda x: x @ prior)
    noise = 2 * torch.from_numpy(keyed_rng(3, "rows").standard_normal((rows, N)))
    precision = RowsPrecision(
        prior.diagonal() + noise.square().sum(dim=0), lambda x: x @ prior, noise
    )
    mean = torch.from_numpy(keyed_rng(4, "mean").standard_normal(N))
    parameters = family.informed(mean, precision)
    kept = parameters["rows"].double()
    return family, parameters, prior + (kept.T @ kept) * dense_taper(taper)


def dense_taper(sd):
    """Return the taper `(n, n)`, as one gradient of ones couples."""
    taper, ones = Taper(ACTIVE, sd), torch.ones(1, N, dtype=torch.float64)
    return torch.stack([taper.couple(ones, x) for x in EYE])


@pytest.mark.parametrize("sd", [0.7, 2.0, 9.0])
def test_the_taper_is_a_gaussian_of_the_distance_and_positive_semi_definite(sd):
    cells = np.argwhere(ACTIVE)
    apart = ((cells[:, None] - cells) ** 2).sum(axis=2)
    exact = torch.from_numpy(np.exp(-0.5 * apart / sd**2))
    torch.testing.assert_close(dense_taper(sd), exact, rtol=0, atol=3e-3)
    assert float(torch.linalg.eigvalsh(dense_taper(sd)).min()) > -1e-12


def test_products_and_solves_are_those_of_a_root_of_the_covariance():
    family, parameters, precision = informed()
    factor = family.apply(parameters, EYE).T
    torch.testing.assert_close(factor @ factor.T @ precision, EYE, rtol=0, atol=2e-4)
    back = family.apply_transposed(parameters, EYE)
    torch.testing.assert_close(back, factor, rtol=0, atol=1e-5)
    torch.testing.assert_close(family.solve(parameters, factor.T), EYE, rtol=0, atol=1e-4)
    inverse = torch.linalg.inv(factor)
    torch.testing.assert_close(
        family.solve_transposed(parameters, EYE), inverse, rtol=0, atol=1e-3
    )


def test_densities_and_sds_are_those_of_the_normal():
    family, parameters, precision = informed()
    theta = torch.from_numpy(keyed_rng(5, "theta").standard_normal((3, N)))
    exact = torch.distributions.MultivariateNormal(
        parameters[LOCATION], precision_matrix=(precision + precision.T) / 2
    )
    error = family.log_det_error(parameters)
    found = family.log_prob(parameters, theta)
    assert 0 < error < 3
    assert abs(float((found - exact.log_prob(theta)).mean())) < 4 * error
    differences = (found - exact.log_prob(theta)) - (found - exact.log_prob(theta)).mean()
    assert float(differences.abs().max()) < 1e-3
    # Densities of draws need no product.
    eps = torch.from_numpy(keyed_rng(6, "eps").standard_normal((2, N)))
    drawn = family.sample(parameters, eps)
    torch.testing.assert_close(
        family.log_q(parameters, eps), family.log_prob(parameters, drawn), rtol=0, atol=0.01
    )
    ratio = family.sd(parameters) / exact.covariance_matrix.diagonal().sqrt()
    assert float((ratio - 1).abs().max()) < 0.2  # of 256 draws, four standard errors


def test_more_gradients_than_are_kept_are_added_with_signs():
    family, parameters, _ = informed(gradients=5, rows=200)
    many = informed(gradients=200, rows=200)[1]
    assert parameters["rows"].shape == (5, N)
    sizes = [float(p["rows"].square().sum()) for p in (parameters, many)]
    assert sizes[0] == pytest.approx(sizes[1], rel=0.2)
    few = RowsPrecision(torch.ones(N).double(), lambda x: x, torch.ones(3, N).double())
    assert not family.informed(parameters[LOCATION], few)["rows"][3:].any()


def test_it_starts_from_many_gradients_nearer_than_any_stencil():
    target = LinearShots(averages())
    family = load_family(
        FamilySettings(kind="metric_gaussian", options={"gradients": 400, "taper_cells": 3.0}),
        ACTIVE,
    )
    found, infos = started(family, target, HessianSettings(kind="noise"), iterations=0)
    zero = np.zeros(N)
    distance = gaussian_kl(zero, dense_factor(family, found), zero, target.precision)
    assert distance < 0.25 * N**0.5  # what the taper changes; independent cells: 16
    assert [info.count.done for info in infos] == [400, 400, 0]


def test_the_error_of_the_determinant_is_in_that_of_the_elbo():
    target = LinearShots(averages())
    family = load_family(FamilySettings(kind="metric_gaussian"), ACTIVE)
    settings = InferenceSettings(iterations=0, samples=2)
    method = load_method(family, target, settings, StartSettings(hessian=DRAWS), 3)
    state = method.init(torch.zeros(N, dtype=torch.float64), 0.3)
    for _ in range(2):
        state, _ = method.step(state)
    assert isinstance(family, MetricGaussian)
    found = estimate_elbo(method, state, target, 8)
    assert found.standard_error > family.log_det_error(state.parameters) > 0
    # The best of all is the evidence of a prior without its constant.
    best = N * HALF_LOG_2PI - 0.5 * float(np.linalg.slogdet(target.precision)[1])
    assert best - 10 < found.mean < best + 4 * found.standard_error


def test_natural_gradients_move_the_mean_alone():
    target = LinearShots(averages(1.0))
    family = load_family(FamilySettings(kind="metric_gaussian"), ACTIVE)
    settings = InferenceSettings(
        iterations=30, samples=2, optimiser=OptimiserSettings(kind="natural", step=0.5)
    )
    method = load_method(family, target, settings, StartSettings(hessian=DRAWS), 3)
    state = method.init(torch.ones(N, dtype=torch.float64), 0.3)
    for _ in range(2):
        state, _ = method.step(state)
    rows = state.parameters["rows"].clone()
    assert rows.any()
    for _ in range(30):
        state, _ = method.step(state)
    torch.testing.assert_close(state.parameters["rows"], rows, rtol=0, atol=0)
    assert float(state.parameters[LOCATION].norm()) < 0.3 * N**0.5


@pytest.mark.parametrize("kind", ["adam", "sgd"])
def test_other_optimisers_are_refused(kind):
    family = load_family(FamilySettings(kind="metric_gaussian"), ACTIVE)
    settings = InferenceSettings(iterations=3, optimiser=OptimiserSettings(kind=kind))
    with pytest.raises(ConfigError, match=r"must be 'natural', or .*iterations' 0.*mean alone"):
        load_method(family, LinearShots(averages()), settings, StartSettings(hessian=DRAWS), 3)


@pytest.mark.parametrize(
    ("hessian", "given"), [(None, "null"), (HessianSettings(probes=2), "'differences'")]
)
def test_a_start_without_gradients_of_noise_is_refused(hessian, given):
    family = load_family(FamilySettings(kind="metric_gaussian"), ACTIVE)
    start = StartSettings(map_iterations=2, hessian=hessian)
    with pytest.raises(ConfigError, match=rf"hessian.kind' must be 'noise'.*got {given}"):
        load_method(family, LinearShots(averages()), InferenceSettings(iterations=0), start, 3)


def inverted(threads, store=None):
    """Return the last state and draws; with a store every iteration begins from its file."""
    torch.set_num_threads(threads)
    family = load_family(FamilySettings(kind="metric_gaussian"), ACTIVE)
    settings = InferenceSettings(
        iterations=3, samples=2, optimiser=OptimiserSettings(kind="natural")
    )
    start = StartSettings(map_iterations=2, hessian=HessianSettings(kind="noise", draws=2))
    method = load_method(family, LinearShots(averages(), n_shots=12), settings, start, 3)
    state = method.init(torch.ones(N, dtype=torch.float64), 0.3)
    for _ in range(start.iterations + 3):
        state, _ = method.step(state)
        if store is not None:
            store.save(state.iteration, {"state": state.to_tree()})
            state = State.from_tree(store.load_latest().tree["state"])
    return state, method.sample(state, 3)


def test_threads_and_resumption_change_no_bit(tmp_path):
    before = torch.get_num_threads()
    try:
        whole, draws = inverted(1)
        resumed, again = inverted(3, CheckpointStore(tmp_path, "settings"))
    finally:
        torch.set_num_threads(before)
    for name, value in whole.parameters.items():
        assert torch.equal(value, resumed.parameters[name]), name
    assert torch.equal(draws, again)


def test_a_precision_without_gradients_and_a_share_are_refused():
    family = load_family(FamilySettings(kind="metric_gaussian"), ACTIVE)
    assert isinstance(family, MetricGaussian)
    with pytest.raises(ConfigError, match="keeps gradients of noise"):
        family.informed(torch.zeros(N).double(), DensePrecision(EYE, ACTIVE))
    with pytest.raises(ConfigError, match=r"shrink' must be auto or 1 .*got 0.5"):
        check_noise(family, HessianSettings(kind="noise", shrink=0.5))
