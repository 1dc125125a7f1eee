"""Starts from a precision: they are the optima, whether it is dense or on a stencil."""

import numpy as np
import pytest
import torch
from families_examples import CASES, active_cells, family_of
from tomography import ROUGH_KM, tomography

from pvi_hpc.diagnostics.converge import converge
from pvi_hpc.diagnostics.known_gaussian import dense_factor, gaussian_kl, optimal_factor
from pvi_hpc.errors import ConfigError
from pvi_hpc.families.gaussian.precision import DensePrecision, StencilPrecision
from pvi_hpc.families.gaussian.precision_structured import PrecisionStructured
from pvi_hpc.families.gaussian.stencil import Stencil
from pvi_hpc.families.gaussian.structured import Structured
from pvi_hpc.inference.starts.probes import Columns

N = int(active_cells().sum())
MEAN = torch.from_numpy(np.random.default_rng(1).standard_normal(N))


def stencil_precision(size=(3, 3, 3)):
    """A random precision on a stencil, positive definite because its diagonal dominates."""
    rng = np.random.default_rng(2)
    stencil = Stencil(active_cells(), size)
    shape = stencil.shape
    ones = torch.ones(1, N, dtype=torch.float64)
    couplings = torch.from_numpy(0.3 * rng.uniform(-1, 1, shape))
    couplings = couplings * (stencil.products(ones, ones) != 0)
    size_of = stencil.couple(couplings.abs(), ones) + stencil.couple_back(couplings.abs(), ones)
    diagonal = size_of[0] + torch.from_numpy(rng.uniform(0.5, 2, N))
    return StencilPrecision(stencil, diagonal, couplings)


def kl(family, parameters, precision):
    mean = MEAN.numpy()
    factor = dense_factor(family, parameters)
    return gaussian_kl(family.mean(parameters).numpy(), factor, mean, precision)


def test_a_stencil_precision_is_the_matrix_of_its_couplings():
    sparse = stencil_precision()
    matrix = sparse.dense()
    torch.testing.assert_close(matrix, matrix.T)
    assert torch.linalg.eigvalsh(matrix).min() > 0.1
    x = torch.from_numpy(np.random.default_rng(3).standard_normal((2, N)))
    torch.testing.assert_close(sparse.apply(x), x @ matrix)
    offsets = np.array([(1, 0, -1), (0, 0, 0), (0, 1, 2), (-1, 0, 0), (0, 1, 1)])
    cells = np.flatnonzero(active_cells())
    dense = DensePrecision(matrix, active_cells()).blocks(cells, offsets)
    torch.testing.assert_close(sparse.blocks(cells, offsets), dense)
    numbers = (np.cumsum(active_cells()) - 1)[cells]
    np.testing.assert_array_equal(dense[:, 1, 1], matrix.diagonal()[numbers])
    assert (dense != 0).double().mean() > 0.2


@pytest.mark.parametrize("name", CASES)
def test_dense_and_sparse_precisions_give_the_same_start(name):
    family, sparse = family_of(name), stencil_precision()
    dense = DensePrecision(sparse.dense(), active_cells())
    found = family.informed(MEAN, sparse)
    for key, value in family.informed(MEAN, dense).items():
        torch.testing.assert_close(found[key], value, rtol=1e-9, atol=1e-10)
    single = family.informed(MEAN.to(torch.float32), sparse)
    assert {value.dtype for value in single.values()} == {torch.float32}
    assert {k: v.shape for k, v in single.items()} == {k: v.shape for k, v in found.items()}


@pytest.mark.parametrize("name", CASES)
def test_the_start_is_the_closed_form_or_near_the_optimum(name):
    family, sparse = family_of(name), stencil_precision()
    matrix = sparse.dense().numpy()
    start = family.informed(MEAN, sparse)
    best = kl(family, converge(family, start, matrix, max_iterations=100), matrix)
    found = kl(family, start, matrix)
    cold = kl(family, family.initial(MEAN, 1.0), matrix)
    if name.startswith(("mean_field", "psvi")):
        pattern = np.eye(N, dtype=bool)
        if name != "mean_field":
            moved = family.initial(MEAN, 1.0)
            moved["coefficients"] += 1
            pattern = dense_factor(family, moved) != 0
        exact = optimal_factor(matrix, pattern)
        np.testing.assert_allclose(dense_factor(family, start), exact, atol=1e-12)
        assert found == pytest.approx(best, rel=1e-6)
    elif name == "full_rank":
        assert found == pytest.approx(0, abs=1e-9)
    elif name == "low_rank_structured":
        assert best <= found < 1.005 * best
    else:
        assert best <= found < best + 0.1 * (cold - best)


def test_a_precision_factor_without_fill_is_nearly_exact_and_the_wider_the_better():
    rng = np.random.default_rng(4)
    active = np.ones((1, 1, 40), bool)
    rows = np.tri(40) * (np.tri(40, k=-3) == 0) * rng.uniform(0.2, 1, (40, 40))
    matrix = rows @ rows.T + np.diag(np.full(40, 0.1))
    precision, mean = DensePrecision(torch.from_numpy(matrix), active), np.zeros(40)
    found = []
    for k in (1, 5, 9):
        family = PrecisionStructured(Stencil(active, (1, 1, k)))
        parameters = family.informed(torch.from_numpy(mean), precision)
        found.append(gaussian_kl(mean, dense_factor(family, parameters), mean, matrix))
    assert found[1] < 0.1 * found[0]
    assert found[2] < 0.2 * found[1]
    family = PrecisionStructured(Stencil(active, (1, 1, 5)))
    best = converge(family, family.informed(torch.from_numpy(mean), precision), matrix)
    assert gaussian_kl(mean, dense_factor(family, best), mean, matrix) < 1e-5


def test_a_cell_whose_block_is_indefinite_starts_uncoupled():
    sparse = stencil_precision()
    coefficients = sparse.coefficients.clone()
    coefficients[0, 2, 0, 1] = 100  # an estimate that no covariance has
    broken = StencilPrecision(sparse.stencil, sparse.on_diagonal, coefficients)
    found = Structured(sparse.stencil).informed(MEAN, broken)
    assert all(value.isfinite().all() for value in found.values())
    assert not found["coefficients"][:, 2, 0, 1].any()
    number = (np.cumsum(active_cells()) - 1).reshape(active_cells().shape)[2, 0, 1]
    expected = -0.5 * float(sparse.on_diagonal[number].log())
    assert float(found["log_sd"][number]) == pytest.approx(expected)
    assert found["coefficients"][:, 3, 2, 1].any()


def test_a_precision_must_fit_and_have_a_positive_diagonal():
    sparse = stencil_precision()
    with pytest.raises(ConfigError, match=r"matrix of the 44 unknown cells, got \(3, 3\)"):
        DensePrecision(torch.eye(3, dtype=torch.float64), active_cells())
    bad = sparse.on_diagonal.clone()
    bad[7] = torch.nan
    with pytest.raises(ConfigError, match="positive diagonal, got nan at unknown cell 7"):
        StencilPrecision(sparse.stencil, bad, sparse.coefficients)
    with pytest.raises(ConfigError, match="arrays of shapes"):
        StencilPrecision(sparse.stencil, bad[:5], sparse.coefficients)


def test_a_wide_structured_family_needs_a_hundredth_of_the_mean_fields_divergence():
    problem = tomography(9, n_sensors=10, length_km=ROUGH_KM)
    precision = DensePrecision(torch.from_numpy(problem.precision), problem.active)
    divergences = []
    for size in ((1, 1, 1), (1, 5, 5), (1, 9, 9)):
        family = Structured(Stencil(problem.active, size))
        parameters = family.informed(torch.from_numpy(problem.mean), precision)
        factor = dense_factor(family, parameters)
        divergences.append(gaussian_kl(problem.mean, factor, problem.mean, problem.precision))
    assert divergences[0] > 2 * divergences[1] > 4 * divergences[2]


@pytest.mark.parametrize("name", ["full_rank", "low_rank"])
def test_threads_change_no_bit_of_a_start_from_a_whole_precision(name):
    active = np.ones((1, 15, 20), bool)
    family, rng = family_of(name, active), np.random.default_rng(4)
    columns = Columns(active)
    sums = columns.fresh()
    sums["matrix"] += torch.from_numpy(rng.standard_normal((300, 300)))
    sums["counts"] += 1
    mean, starts, before = torch.zeros(300).double(), [], torch.get_num_threads()
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            precision = columns.precision(sums, 300, 2.0)
            starts.append({"P": precision.dense(), **family.informed(mean, precision)})
    finally:
        torch.set_num_threads(before)
    for key, value in starts[0].items():
        assert torch.equal(starts[1][key], value), key
