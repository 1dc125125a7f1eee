"""Curvature probed by neighbours and by columns, and starts that a library user gives."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from families_examples import active_cells, family_of
from vi_targets import GaussianTarget, precision_of

import pvi_hpc
from pvi_hpc.diagnostics.known_gaussian import dense_factor, gaussian_kl
from pvi_hpc.errors import ConfigError
from pvi_hpc.families.gaussian.precision import DensePrecision
from pvi_hpc.families.load import load_family
from pvi_hpc.families.settings import FamilySettings
from pvi_hpc.inference.method import load_method
from pvi_hpc.inference.settings import HessianSettings, InferenceSettings, StartSettings
from pvi_hpc.inference.starts.given_curvature import hessian_products

N = int(active_cells().sum())


def banded(reach):
    """Return a precision of the active cells whose couplings end at `reach` `(kz, ky, kx)`."""
    cells = np.argwhere(active_cells())
    near = (abs(cells[:, None] - cells) <= np.array(reach) // 2).all(axis=2)
    matrix = near * np.random.default_rng(1).uniform(-1, 1, (N, N))
    matrix = np.tril(matrix, -1) + np.tril(matrix, -1).T
    return matrix + np.diag(abs(matrix).sum(axis=1) + 1)


def started(family, matrix, hessian):
    """Return the parameters after the probes of a Gaussian target around its mean."""
    target = GaussianTarget(matrix, np.zeros(family.n))
    settings = InferenceSettings(iterations=1, family=FamilySettings(kind="structured"))
    start = StartSettings(hessian=hessian)
    method = load_method(family, target, settings, start, 3)
    state = method.init(torch.zeros(family.n, dtype=torch.float64), 0.3)
    for _ in range(start.iterations):
        state, info = method.step(state)
        assert info.phase == "hessian"
    assert "hessian" not in state.memory
    return state.parameters


@pytest.mark.parametrize("name", ["psvi_3x3x5", "precision_structured", "low_rank_structured"])
def test_coloured_probes_find_a_precision_that_ends_within_the_stencil(name):
    family, matrix = family_of(name), banded((3, 3, 5))
    found = started(family, matrix, HessianSettings(stencil=(3, 3, 5)))
    exact = DensePrecision(torch.from_numpy(matrix), active_cells())
    expected = family.informed(torch.zeros(N, dtype=torch.float64), exact)
    assert_alike(family, found, expected, matrix)


def assert_alike(family, found, expected, matrix):
    """Require the same factor; of a family whose start is iterated, the same divergence."""
    factors = [dense_factor(family, parameters) for parameters in (found, expected)]
    if family.__class__.__name__ != "LowRankStructured":
        np.testing.assert_allclose(*factors, rtol=1e-4, atol=1e-6)
    zero = np.zeros(family.n)
    kl = [gaussian_kl(zero, factor, zero, matrix) for factor in factors]
    assert kl[0] == pytest.approx(kl[1], rel=0.03, abs=1e-6)


def test_couplings_beyond_the_stencil_are_noise_that_rounds_average():
    family, matrix = family_of("psvi_3x3x5"), banded((3, 3, 5))
    excess = []
    for rounds in (1, 6):
        found = started(family, matrix, HessianSettings(stencil=(1, 1, 3), probes=rounds))
        factor = dense_factor(family, found)
        excess.append(gaussian_kl(np.zeros(N), factor, np.zeros(N), matrix))
    assert excess[1] < 0.7 * excess[0]


@pytest.mark.parametrize("name", ["mean_field", "full_rank", "low_rank", "psvi_3x3x5"])
def test_as_many_probes_as_unknowns_are_the_whole_precision(name):
    family, matrix = family_of(name), 4 * precision_of(np.random.default_rng(2), N)
    exact = DensePrecision(torch.from_numpy(matrix), active_cells())
    expected = family.informed(torch.zeros(N, dtype=torch.float64), exact)
    for probes in (N, 2 * N):
        found = started(family, matrix, HessianSettings(probes=probes))
        assert_alike(family, found, expected, matrix)


def test_a_precision_that_is_not_positive_is_raised_to_the_largest_sd():
    matrix = precision_of(np.random.default_rng(2), N)
    matrix[0, 0] = -3
    found = started(family_of("full_rank"), matrix, HessianSettings(probes=N, max_sd=2.0))
    factor = dense_factor(family_of("full_rank"), found)
    assert np.linalg.eigvalsh(factor @ factor.T)[-1] == pytest.approx(4, rel=1e-4)


@pytest.mark.parametrize(
    ("settings", "gradients"),
    [
        ({}, 9),
        ({"probes": 3}, 4),
        ({"stencil": (3, 1, 5)}, 16),
        ({"stencil": (3, 1, 5), "probes": 2}, 31),
    ],
)
def test_the_cost_of_a_start_is_known_from_its_settings(settings, gradients):
    assert (
        StartSettings(map_iterations=7, hessian=HessianSettings(**settings)).iterations
        == 7 + gradients
    )


def test_the_stencil_of_probes_must_be_three_odd_numbers():
    with pytest.raises(ValueError, match=r"stencil\n.*must be three odd numbers.*\[2, 3, 3\]"):
        HessianSettings(stencil=(2, 3, 3))


@pytest.mark.parametrize(
    ("family", "stencil", "message"),
    [
        ("mean_field", (3, 3, 3), r"stencil' must be null .* got \[3, 3, 3\]; remove it"),
        ("psvi_3x3x5", (3, 3, 7), "'start.hessian.stencil' must not be larger than the grid"),
    ],
)
def test_impossible_probes_are_refused_before_work_starts(family, stencil, message):
    with pytest.raises(ConfigError, match=message):
        started(family_of(family), np.eye(N), HessianSettings(stencil=stencil))


MATRIX = 4 * precision_of(np.random.default_rng(2), 12)
MEAN = torch.from_numpy(np.random.default_rng(3).standard_normal(12))
KINDS = {
    "mean_field": {},
    "full_rank": {},
    "structured": {"stencil": [1, 3, 3]},
    "precision_structured": {"stencil": [1, 3, 3]},
    "low_rank": {"rank": 3},
    "low_rank_structured": {"rank": 2, "stencil": [1, 3, 3]},
}


def gaussian(theta):
    x = theta - MEAN
    return -0.5 * torch.einsum("si,ij,sj->s", x, torch.from_numpy(MATRIX), x)


def fitted(kind, **settings):
    """Fit for one tiny step from the start, so that the start is what is seen."""
    family = {"kind": kind, "options": KINDS[kind]}
    # Without a frame, so that parameters are in the units of the matrix.
    start = {"map_iterations": 15, "map_optimiser": "lbfgs", "map_step": 0.3, "sd": 1.0}
    settings = {"optimiser": {"step": 1e-9}, "iterations": 1, "start": start, **settings}
    return pvi_hpc.fit(gaussian, (3, 4), family=family, seed=5, **settings)


@pytest.mark.parametrize("kind", KINDS)
def test_a_given_matrix_products_and_two_derivatives_start_a_fit_alike(kind):
    family: Any = load_family(
        FamilySettings(kind=kind, options=KINDS[kind]), np.ones((1, 3, 4), bool)
    )
    exact = DensePrecision(torch.from_numpy(MATRIX), np.ones((1, 3, 4), bool))
    expected = family.informed(MEAN, exact)

    def products(theta, rows):
        assert theta.shape == (12,)
        return rows @ torch.from_numpy(MATRIX)

    for given in ({"precision": MATRIX}, {"hvp": products}, {"hvp": "autograd"}):
        fit = fitted(kind, **given)
        assert_alike(family, fit.state.parameters, expected, MATRIX)
        assert len(fit.history) == fit.start.iterations + 1 == 16


def test_the_first_component_of_a_mixture_starts_there_too():
    method = {"kind": "boosting", "options": {"components": 2}}
    fit = fitted("full_rank", precision=MATRIX, method=method, iterations=2)
    first = {name: value[0] for name, value in fit.state.parameters.items()}
    factor = first["lower"] + torch.diag(first["log_sd"].exp())
    np.testing.assert_allclose(factor @ factor.T, np.linalg.inv(MATRIX), atol=1e-6)


def test_two_derivatives_are_products_with_the_negative_hessian_where_it_varies():
    theta = torch.tensor([0.3, -1.2, 2.0], dtype=torch.float64)
    rows = torch.eye(3, dtype=torch.float64)
    found = hessian_products(lambda x: -(x**4).sum(dim=1) - x[:, 0] * x[:, 1])(theta, rows)
    expected = torch.diag(12 * theta**2)
    expected[0, 1] = expected[1, 0] = 1
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"precision": MATRIX, "hvp": "autograd"}, "give one of them, got both"),
        ({"precision": MATRIX[:3]}, r"12 x 12 finite numbers, got shape \(3, 12\)"),
        ({"precision": -MATRIX}, "must be positive definite, got a least eigenvalue of -"),
        ({"precision": np.tril(MATRIX)}, "must be symmetric, got entries .* not a triangle"),
        ({"precision": "half"}, "'precision': .*'double' or 'single'"),
        ({"hvp": "autodiff"}, "function of theta and rows, or 'autograd', got 'autodiff'"),
        ({"hvp": lambda theta, rows: rows[0]}, r"return a torch tensor \(1, 12\), .* \(12,\)"),
        ({"hvp": lambda theta, rows: rows * torch.nan}, "finite numbers, got infin"),
        ({"hvp": "autograd", "method": "svgd"}, "'vi' and 'boosting'; got Svgd; remove them"),
    ],
)
def test_a_curvature_that_is_wrong_is_named(given, message):
    with pytest.raises(ConfigError, match=message):
        fitted("mean_field", **given)


def test_a_word_is_the_precision_of_the_numbers():
    single = fitted("mean_field", precision="single", hvp="autograd")
    assert single.settings.precision == "single"
    assert single.state.parameters["mu"].dtype == torch.float32
    double = fitted("mean_field", precision=MATRIX)
    assert double.settings.precision == "double"
    np.testing.assert_allclose(single.sd, double.sd, rtol=1e-5)


def test_beyond_small_problems_a_family_asks_for_what_it_can_use(monkeypatch):
    monkeypatch.setattr("pvi_hpc.inference.starts.given_curvature.JOINT_CELLS", 4)
    monkeypatch.setattr("pvi_hpc.families.gaussian.low_rank.JOINT_CELLS", 4)
    asked = []

    def products(theta, rows):
        asked.append(len(rows))
        return rows @ torch.from_numpy(MATRIX)

    counts = {"mean_field": 64, "full_rank": 12, "structured": 9, "precision_structured": 9}
    for kind, count in counts.items():
        asked.clear()
        fitted(kind, hvp=products)
        assert sum(asked) == count
    best = fitted("low_rank", precision=MATRIX).elbo(500).mean
    assert fitted("low_rank", hvp=products).elbo(500).mean > best - 0.5


def test_the_result_of_a_given_curvature_is_saved_and_loaded(tmp_path):
    fit = fitted("full_rank", precision=MATRIX)
    fit.save(tmp_path / "fit.h5")
    loaded = pvi_hpc.load_fit(tmp_path / "fit.h5")
    np.testing.assert_array_equal(loaded.sample(2), replace(fit).sample(2))
