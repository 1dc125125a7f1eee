"""Families against dense matrices: the product, the solves and the densities."""

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal
from vi_targets import dense_factor

from pvi_hpc.families.mean_field import MeanField
from pvi_hpc.families.structured import Structured, _Couple

SHAPE = (4, 3, 5)
OPTIONS = [("mean", {}), ("psvi", {"stencil": [3, 3, 5]}), ("psvi", {"stencil": [1, 3, 1]})]


def active_cells():
    """A fixed layer on top and a fixed cell in the middle."""
    active = np.ones(SHAPE, bool)
    active[0] = active[2, 1, 2] = False
    return active


def random_parameters(family, rng):
    parameters = family.initial(torch.from_numpy(rng.standard_normal(family.n)), 0.5)
    parameters["log_sd"] += torch.from_numpy(0.3 * rng.standard_normal(family.n))
    if "coefficients" in parameters:
        shape = parameters["coefficients"].shape
        parameters["coefficients"] += torch.from_numpy(0.2 * rng.standard_normal(shape))
    return parameters


@pytest.fixture(params=OPTIONS, ids=["mean_field", "psvi_3x3x5", "psvi_1x3x1"])
def case(request):
    kind, options = request.param
    rng = np.random.default_rng(5)
    family = (MeanField if kind == "mean" else Structured).from_options(active_cells(), options)
    return family, random_parameters(family, rng), rng


def reference_factor(family, parameters):
    """Fill `L` cell by cell, from the definition."""
    cells = [tuple(c) for c in np.argwhere(active_cells())]
    number = {cell: i for i, cell in enumerate(cells)}
    factor = np.diag(np.exp(parameters["log_sd"].numpy()))
    for k, offset in enumerate(family.stencil.offsets):
        for cell in cells:
            target = tuple(np.add(cell, offset))
            if target in number:
                value = parameters["coefficients"][(k, *cell)]
                factor[number[target], number[cell]] = value
    return factor


def test_couplings_never_wrap_around_edges_nor_touch_fixed_cells():
    family = Structured.from_options(active_cells(), {"stencil": [3, 3, 5]})
    parameters = random_parameters(family, np.random.default_rng(1))
    assert len(family.stencil.offsets) == (3 * 3 * 5 - 1) // 2
    expected = reference_factor(family, parameters)
    np.testing.assert_allclose(dense_factor(family, parameters), expected, atol=1e-15)
    rows, columns = np.nonzero(expected - np.diag(np.diag(expected)))
    cells = np.argwhere(active_cells())
    assert (abs(cells[rows] - cells[columns]) <= (1, 1, 2)).all()


def test_gradients_by_parameters_pass_gradcheck(case):
    family, parameters, rng = case
    eps = torch.from_numpy(rng.standard_normal((3, family.n)))
    names = list(parameters)
    values = [parameters[name].requires_grad_() for name in names]

    def sample(*arguments):
        return family.sample(dict(zip(names, arguments, strict=True)), eps)

    assert torch.autograd.gradcheck(sample, values)


def test_the_product_is_also_differentiable_by_eps():
    family = Structured.from_options(active_cells(), {"stencil": [3, 3, 3]})
    rng = np.random.default_rng(2)
    c = random_parameters(family, rng)["coefficients"].requires_grad_()
    eps = torch.from_numpy(rng.standard_normal((2, family.n))).requires_grad_()
    assert torch.autograd.gradcheck(lambda a, b: _Couple.apply(a, b, family.stencil), (c, eps))


def test_score_is_a_triangular_solve(case):
    family, parameters, rng = case
    eps = rng.standard_normal((3, family.n))
    expected = -np.linalg.solve(dense_factor(family, parameters).T, eps.T).T
    score = family.score(parameters, torch.from_numpy(eps))
    np.testing.assert_allclose(score, expected, rtol=1e-11, atol=1e-12)


def test_standardise_inverts_sample(case):
    family, parameters, rng = case
    eps = torch.from_numpy(rng.standard_normal((3, family.n)))
    back = family.standardise(parameters, family.sample(parameters, eps))
    torch.testing.assert_close(back, eps, rtol=1e-11, atol=1e-12)


def test_densities_entropy_and_moments_are_those_of_the_normal(case):
    family, parameters, rng = case
    factor = dense_factor(family, parameters)
    law = multivariate_normal(parameters["mu"].numpy(), factor @ factor.T)
    eps = torch.from_numpy(rng.standard_normal((4, family.n)))
    theta = family.sample(parameters, eps)
    expected = law.logpdf(theta.numpy())
    np.testing.assert_allclose(family.log_q(parameters, eps), expected, rtol=1e-10)
    np.testing.assert_allclose(family.log_prob(parameters, theta), expected, rtol=1e-10)
    assert family.entropy(parameters) == pytest.approx(law.entropy(), rel=1e-12)
    np.testing.assert_allclose(family.sd(parameters), np.sqrt(np.diag(law.cov)), rtol=1e-12)


def test_the_entropy_gradient_is_that_of_the_entropy(case):
    family, parameters, rng = case
    gradient = family.entropy_gradient(parameters, torch.zeros(1, family.n))
    for name, value in parameters.items():
        direction = torch.from_numpy(rng.standard_normal(value.shape))
        moved = {**parameters, name: value + 1e-3 * direction}
        change = (family.entropy(moved) - family.entropy(parameters)) / 1e-3
        slope = float((gradient[name] * direction).sum()) if name in gradient else 0.0
        assert change == pytest.approx(slope, abs=1e-9)
