"""Families against dense matrices: the product, the solves and the densities."""

import numpy as np
import pytest
import torch
from families_examples import CASES, active_cells, family_of, random_parameters
from scipy.stats import multivariate_normal

from pvi_hpc.diagnostics.known_gaussian import dense_factor
from pvi_hpc.families.gaussian.low_rank_structured import LowRankStructured
from pvi_hpc.families.gaussian.structured import Structured


@pytest.fixture(params=CASES)
def case(request):
    rng = np.random.default_rng(5)
    family = family_of(request.param)
    return family, random_parameters(family, rng), rng


def sparse_matrix(family, parameters, diagonal):
    """Fill the couplings cell by cell, from the definition."""
    cells = [tuple(c) for c in np.argwhere(active_cells())]
    number = {cell: i for i, cell in enumerate(cells)}
    matrix = np.diag(diagonal)
    for k, offset in enumerate(family.stencil.offsets):
        for cell in cells:
            target = tuple(np.add(cell, offset))
            if target in number:
                value = parameters["coefficients"][(k, *cell)]
                matrix[number[target], number[cell]] = value
    return matrix


def expected_factor(family, parameters):
    """Return `L` from the formula of each family's docstring."""
    sd = np.exp(parameters["log_sd"].numpy())
    if "lower" in parameters:
        return np.diag(sd) + parameters["lower"].numpy()
    if "directions" in parameters:
        u = parameters["directions"].numpy()
        middle = np.eye(family.n) + u.T @ u
        middle = np.linalg.inv(middle) if family.factor.of == "precision" else middle
        inner = expected_factor(family.inner, without(parameters, "directions"))
        return middle @ inner if isinstance(family, LowRankStructured) else inner @ middle
    if "coefficients" not in parameters:
        return np.diag(sd)
    if isinstance(family, Structured):
        return sparse_matrix(family, parameters, sd)
    unit = sparse_matrix(family, parameters, np.ones(family.n))
    return np.linalg.inv(unit).T * sd


def without(parameters, name):
    return {key: value for key, value in parameters.items() if key != name}


def test_the_factor_is_that_of_the_definition(case):
    family, parameters, _ = case
    expected = expected_factor(family, parameters)
    np.testing.assert_allclose(dense_factor(family, parameters), expected, atol=1e-13)


@pytest.mark.parametrize("name", ["psvi_3x3x5", "psvi_ellipsoid"])
def test_couplings_never_wrap_around_edges_nor_touch_fixed_cells(name):
    family = family_of(name)
    parameters = random_parameters(family, np.random.default_rng(1))
    factor = dense_factor(family, parameters)
    rows, columns = np.nonzero(factor - np.diag(np.diag(factor)))
    cells = np.argwhere(active_cells())
    distance = abs(cells[rows] - cells[columns])
    assert (distance <= (1, 1, 2)).all()
    offsets = {tuple(d) for d in distance}
    assert ((1, 1, 2) in offsets) == (name == "psvi_3x3x5")
    assert {(1, 0, 0), (0, 1, 0), (0, 0, 2), (1, 1, 0)} <= offsets


def test_an_ellipsoid_is_inside_the_box_and_symmetric():
    box, ball = family_of("psvi_3x3x5").stencil, family_of("psvi_ellipsoid").stencil
    assert len(box.offsets) == (3 * 3 * 5 - 1) // 2
    assert set(ball.offsets) < set(box.offsets)
    reach = [sum((2 * np.array(o) / (3, 3, 5)) ** 2) for o in box.offsets]
    assert len(ball.offsets) == sum(r <= 1 for r in reach)
    for z, y, x in ball.offsets:
        mirrored = (z, y, -x), (z, -y, x), (z, y, abs(x))
        assert all(m in ball.offsets for m in mirrored if m > (0, 0, 0))


def test_the_pullback_and_autograd_pass_gradcheck(case):
    family, parameters, rng = case
    eps = torch.from_numpy(rng.standard_normal((3, family.n))).requires_grad_()
    names = list(parameters)
    values = [parameters[name].requires_grad_() for name in names]

    def sample(eps, *arguments):
        named = dict(zip(names, arguments, strict=True))
        if "lower" in named:  # what is above the diagonal has no meaning
            named["lower"] = named["lower"].tril(-1)
        return family.sample(named, eps)

    assert torch.autograd.gradcheck(sample, (eps, *values), fast_mode=True)
    assert torch.autograd.gradcheck(sample, (eps[:1], *values), fast_mode=True)


def test_pullbacks_leave_couplings_that_cannot_be_at_zero(case):
    family, parameters, rng = case
    eps, cotangent = (torch.from_numpy(rng.standard_normal((2, family.n))) for _ in range(2))
    gradients = family.pullback(parameters, eps, cotangent)
    assert set(gradients) == set(parameters)
    if "coefficients" in parameters:
        start = family.initial(torch.zeros(family.n, dtype=torch.float64), 1.0)
        moved = {**start, "coefficients": gradients["coefficients"]}
        inner = getattr(family, "inner", family)
        entries = np.count_nonzero(sparse_matrix(inner, moved, np.zeros(family.n)))
        assert int((gradients["coefficients"] != 0).sum()) == entries
    if "lower" in parameters:
        assert not gradients["lower"].triu().any()


def test_products_and_solves_are_those_of_the_matrix(case):
    family, parameters, rng = case
    x = rng.standard_normal((3, family.n))
    factor = dense_factor(family, parameters)
    expected = {
        "apply": x @ factor.T,
        "apply_transposed": x @ factor,
        "solve": np.linalg.solve(factor, x.T).T,
        "solve_transposed": np.linalg.solve(factor.T, x.T).T,
    }
    for name, value in expected.items():
        found = getattr(family, name)(parameters, torch.from_numpy(x))
        np.testing.assert_allclose(found, value, rtol=1e-10, atol=1e-11, err_msg=name)
    score = family.score(parameters, torch.from_numpy(x))
    np.testing.assert_allclose(score, -expected["solve_transposed"], rtol=1e-10, atol=1e-11)


def test_standardise_inverts_sample(case):
    family, parameters, rng = case
    eps = torch.from_numpy(rng.standard_normal((3, family.n)))
    back = family.standardise(parameters, family.sample(parameters, eps))
    torch.testing.assert_close(back, eps, rtol=1e-10, atol=1e-11)


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
    np.testing.assert_allclose(family.sd(parameters), np.sqrt(np.diag(law.cov)), rtol=1e-10)


def test_the_entropy_gradient_is_that_of_the_entropy(case):
    family, parameters, rng = case
    gradient = family.entropy_gradient(parameters, torch.zeros(1, family.n))
    for name, value in parameters.items():
        direction = torch.from_numpy(rng.standard_normal(value.shape))
        ends = [
            family.entropy({**parameters, name: value + h * direction}) for h in (-1e-5, 1e-5)
        ]
        slope = float((gradient[name] * direction).sum()) if name in gradient else 0.0
        assert (ends[1] - ends[0]) / 2e-5 == pytest.approx(slope, rel=1e-7, abs=1e-6)


def test_single_precision_gives_the_same_to_rounding(case):
    family, parameters, rng = case
    single = {name: value.to(torch.float32) for name, value in parameters.items()}
    eps = torch.from_numpy(rng.standard_normal((2, family.n)))
    theta = family.sample(parameters, eps)
    found = family.sample(single, eps.to(torch.float32))
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.to(torch.float64), theta, rtol=1e-4, atol=1e-4)
    gradients = family.pullback(single, eps.to(torch.float32), found)
    assert {value.dtype for value in gradients.values()} == {torch.float32}
    exact = family.log_prob(parameters, theta)
    torch.testing.assert_close(family.log_prob(single, found), exact, rtol=1e-4, atol=1e-3)
    assert family.sd(single).dtype == torch.float32


def test_bits_do_not_depend_on_the_number_of_threads(case):
    family, parameters, rng = case
    eps = torch.from_numpy(rng.standard_normal((3, family.n)))

    def everything():
        theta = family.sample(parameters, eps)
        gradients = family.pullback(parameters, eps, theta)
        return [theta, family.score(parameters, eps), *gradients.values()]

    threads = torch.get_num_threads()
    try:
        results = []
        for n in (1, 3):
            torch.set_num_threads(n)
            results.append(everything())
    finally:
        torch.set_num_threads(threads)
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))
