"""The compiled kernels of the variational update against their twins in torch."""

import numpy as np
import pytest
import torch
from stencil_twin import TwinStencil

from pvi_hpc.errors import SolverError
from pvi_hpc.families.gaussian.stencil import Stencil
from pvi_hpc.inference.optimisers.optimiser import EPSILON, adam_update
from pvi_hpc.inference.settings import OptimiserSettings
from pvi_hpc.numerics.update_kernels import (
    AdamStep,
    NativeStencil,
    compare,
    descend_cells,
)

# A long row is cut into tiles, 50 rows of 120 cells are two; planes are more than threads.
CASES = [
    ((1, 1, 9001), (1, 1, 7)),
    ((1, 50, 120), (1, 5, 5)),
    ((7, 40, 9), (5, 5, 5)),
    ((6, 5, 4), (3, 5, 1)),
    ((2, 3, 4), (1, 1, 1)),
]
IDS = ["1d", "2d", "3d", "3d_flat_stencil", "no_couplings"]
DTYPES = [torch.float32, torch.float64]


@pytest.fixture(params=[1, 2, 3], ids=["1_thread", "2_threads", "3_threads"])
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield
    torch.set_num_threads(before)


@pytest.fixture(params=DTYPES, ids=["f32", "f64"])
def dtype(request):
    return request.param


@pytest.fixture(params=CASES, ids=IDS)
def case(request, dtype):
    """Stencil and kernels, with coefficients and two fields that respect fixed cells."""
    shape, size = request.param
    rng = np.random.default_rng(3)
    active = rng.random(shape) > 0.1
    stencil = Stencil(active, size)
    coefficients = 0.1 * rng.standard_normal(stencil.shape)
    for c, (origin, target) in zip(coefficients, TwinStencil(stencil).views(), strict=True):
        allowed = np.zeros(shape, bool)
        allowed[origin] = active[origin] & active[target]
        c[~allowed] = 0
    fields = rng.standard_normal((2, 3, active.sum()))
    eps, cotangent = torch.from_numpy(fields).to(dtype)
    kernels = NativeStencil(shape, stencil.offsets)
    return stencil, kernels, torch.from_numpy(coefficients).to(dtype), eps, cotangent


def adam_step(i, step, settings):
    """The numbers of `adam_update`."""
    correction = 1 / np.sqrt(1 - settings.beta2 ** (i + 1))
    return AdamStep(
        settings.beta1,
        1 - settings.beta1,
        settings.beta2,
        1 - settings.beta2,
        correction,
        EPSILON,
        step / (1 - settings.beta1 ** (i + 1)),
    )


def same_bits(a, b):
    return torch.equal(a, b)  # but 0 equals -0


@pytest.mark.parametrize("transposed", [False, True])
def test_the_product_is_that_of_torch_to_the_bit(case, threads, transposed):
    stencil, kernels, coefficients, eps, _ = case
    twin = TwinStencil(stencil)
    torch_product = twin.couple_back if transposed else twin.couple
    product = kernels.couple(coefficients, stencil.scatter(eps), transposed=transposed)
    assert same_bits(stencil.gather(product), torch_product(coefficients, eps))


@pytest.mark.parametrize("transposed", [False, True])
def test_the_solve_inverts_the_matrix(case, threads, transposed):
    stencil, kernels, coefficients, b, _ = case
    diagonal = torch.linspace(0.8, 2, stencil.active.size, dtype=b.dtype)
    diagonal = stencil.gather(diagonal.view(1, *stencil.active.shape))[0]
    inverse = stencil.scatter(1 / diagonal[None])[0]
    x = kernels.solve(coefficients, inverse, stencil.scatter(b), transposed=transposed)
    x = stencil.gather(x)
    twin = TwinStencil(stencil)
    couple = twin.couple_back if transposed else twin.couple
    size = x.abs().max() * torch.finfo(b.dtype).eps
    torch.testing.assert_close(
        diagonal * x + couple(coefficients, x), b, rtol=0, atol=50 * size
    )


def test_solves_have_the_same_bits_with_any_number_of_threads(dtype):
    rng = np.random.default_rng(4)
    stencil = Stencil(np.ones((9, 37, 5), bool), (5, 5, 5))
    kernels = NativeStencil((9, 37, 5), stencil.offsets)
    c = torch.from_numpy(0.05 * rng.standard_normal(stencil.shape)).to(dtype)
    b = torch.from_numpy(rng.standard_normal((2, 9, 37, 5))).to(dtype)
    before = torch.get_num_threads()
    solutions = []
    for n in (1, 2, 5):
        torch.set_num_threads(n)
        solutions.append(kernels.solve(c, torch.ones_like(b[0]), b, transposed=True))
    torch.set_num_threads(before)
    assert same_bits(solutions[0], solutions[1])
    assert same_bits(solutions[0], solutions[2])


def test_products_are_those_of_torch_to_the_bit(case, threads):
    stencil, kernels, _, eps, cotangent = case
    products = kernels.products(stencil.scatter(eps), stencil.scatter(cotangent))
    assert same_bits(products, TwinStencil(stencil).products(eps, cotangent))


def test_the_fused_descent_is_adam_on_the_products_to_the_bit(case, threads):
    stencil, kernels, x, eps, cotangent = case
    settings = OptimiserSettings(beta1=0.8, beta2=0.99)
    twin, moments = x.clone(), (torch.zeros_like(x), torch.zeros_like(x))
    mine = (x.clone(), torch.zeros_like(x), torch.zeros_like(x))
    for i in range(3):
        cotangent = cotangent.roll(1)
        gradient = TwinStencil(stencil).products(eps, cotangent)
        adam_update(twin, gradient, moments, i, 0.02, settings)
        fields = stencil.scatter(eps), stencil.scatter(cotangent)
        squares = kernels.descend(*fields, mine, adam_step(i, 0.02, settings))
        assert squares == pytest.approx(float(gradient.double().square().sum()), rel=1e-13)
        for a, b in zip(mine, (twin, *moments), strict=True):
            assert same_bits(a, b)
    assert stencil.offsets == [] or not torch.equal(mine[0], x)


def test_the_descent_of_independent_cells_is_adam_to_the_bit(dtype, threads):
    rng = np.random.default_rng(6)
    eps, cotangent = torch.from_numpy(rng.standard_normal((2, 4, 1301))).to(dtype)
    sd = torch.from_numpy(rng.random(1301) + 0.5).to(dtype)
    steps, settings, entropy = (0.02, 0.005), OptimiserSettings(), 0.7
    mine = [tuple(torch.full_like(sd, v) for v in (1.0, 0, 0)) for _ in steps]
    twins = [tuple(t.clone() for t in m) for m in mine]
    for i in range(2):
        by_mean, by_log_sd = cotangent[0].clone(), cotangent[0] * eps[0]
        for e, c in zip(eps[1:], cotangent[1:], strict=True):
            by_mean += c
            by_log_sd += c * e
        gradients = by_mean, sd * by_log_sd - entropy
        adam = [adam_step(i, step, settings) for step in steps]
        squares = descend_cells(eps, cotangent, sd, mine, adam, entropy)
        for j, gradient in enumerate(gradients):
            x, *moments = twins[j]
            adam_update(x, gradient, tuple(moments), i, steps[j], settings)
            assert squares[j] == pytest.approx(
                float(gradient.double().square().sum()), rel=1e-12
            )
            assert all(same_bits(a, b) for a, b in zip(mine[j], twins[j], strict=True))


def test_sums_are_in_double_and_do_not_depend_on_threads(dtype):
    rng = np.random.default_rng(7)
    a, b = torch.from_numpy(rng.standard_normal((2, 3, 40_001))).to(dtype)
    x, y = a.double(), b.double()
    before = torch.get_num_threads()
    results = []
    for n in (1, 2, 3):
        torch.set_num_threads(n)
        results.append(compare(a, b))
    torch.set_num_threads(before)
    assert results[0] == results[1] == results[2]
    assert results[0].ab == pytest.approx(float((x * y).sum()), rel=1e-11)
    assert results[0].bb == pytest.approx(float((y * y).sum()), rel=1e-12)
    assert results[0].aa == pytest.approx(float((x * x).sum()), rel=1e-12)
    assert (results[0].largest_a, results[0].largest_b) == (x.abs().max(), y.abs().max())


def test_a_value_that_is_not_finite_shows_in_the_sums(dtype):
    a, b = torch.ones(2, 100, dtype=dtype)
    b[41] = torch.nan
    assert np.isnan(compare(a, b).bb)
    a[3] = torch.inf
    assert compare(a, b).aa == np.inf


def test_a_stencil_that_is_not_triangular_is_refused():
    field, c = torch.zeros(1, 3, 3, 3), torch.zeros(2, 3, 3, 3)
    for offsets in ([(0, 0, -1), (0, 1, 0)], [(0, 1, 0), (0, 0, 1)]):
        with pytest.raises(SolverError, match="status 1"):
            NativeStencil((3, 3, 3), offsets).couple(c, field, transposed=False)
    with pytest.raises(SolverError, match="contiguous"):
        NativeStencil((3, 3, 3), [(0, 0, 1)]).couple(c.mT, field, transposed=False)
