"""Every correlation against dense algebra: its factor, inverse, precision and determinant."""

import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array

from pvi_hpc.errors import ConfigError
from pvi_hpc.numerics.petsc import has_petsc
from pvi_hpc.priors.correlations.correlation import near_field
from pvi_hpc.priors.correlations.cosine import CosineCorrelation, second_differences
from pvi_hpc.priors.correlations.factors import InverseFactor, factor_of
from pvi_hpc.priors.correlations.layered import LayeredCorrelation
from pvi_hpc.priors.correlations.matrix import MatrixCorrelation, standard_deviations
from pvi_hpc.priors.correlations.operator import operator_matrix
from pvi_hpc.priors.correlations.separable import SeparableCorrelation, matern_correlation

SHAPE = 4, 3, 5
N = 60
LAYERS = np.array([[4.0, 1.0, 2.0, 9.0], [1.0, 6.0, 2.0, 3.0], [5.0, 2.0, 1.0, 0.5]])
EYE = torch.eye(N, dtype=torch.float64)


def tensor_of(seed=2):
    """A positive definite tensor of every cell, rotated and different everywhere."""
    parts = np.random.default_rng(seed).standard_normal((3, 3, *SHAPE))
    return np.einsum("ab...,cb...->ac...", parts, parts)


def layered_tensor():
    tensor = np.zeros((3, 3, *SHAPE))
    for axis in range(3):
        tensor[axis, axis] = LAYERS[axis][:, None, None]
    return tensor


def holes():
    active = np.random.default_rng(3).random(SHAPE) < 0.7
    active[0, 0, 0], active[-1, -1, -1] = True, True
    return active


def waves(alpha, as_waves=False):
    z, y, x = (k * second_differences(n) for k, n in zip((4, 9, 2), SHAPE, strict=True))
    return CosineCorrelation((1 + z[:, None, None] + y[:, None] + x) ** alpha, as_waves)


def covariance():
    parts = np.random.default_rng(4).standard_normal((N, 2 * N))
    near = abs(np.subtract.outer(np.arange(N), np.arange(N))) < 4
    return (parts @ parts.T + 200 * np.eye(N)) * near


def of_matrix(sparse, inverse):
    matrix = csr_array(covariance()) if sparse else covariance()
    factor = factor_of(matrix, "prior.covariance")
    if inverse:
        factor = InverseFactor(factor)
    return MatrixCorrelation(factor, standard_deviations(factor, N, "prior.covariance"))


def separable():
    places = [np.arange(float(n)) for n in SHAPE]
    return SeparableCorrelation(
        [matern_correlation(abs(p[:, None] - p), 2.0, 1.5) for p in places]
    )


def spde(tensor=None, active=None, alpha=2):
    from pvi_hpc.priors.correlations.spde import SpdeCorrelation

    everywhere = np.ones(SHAPE, bool)
    return SpdeCorrelation(
        tensor_of() if tensor is None else tensor,
        everywhere if active is None else active,
        alpha,
        1e-13,
    )


needs_petsc = pytest.mark.skipif(not has_petsc(), reason="petsc4py is not installed")
CORRELATIONS = {
    "cosine 1": lambda: waves(1),
    "cosine 3": lambda: waves(3),
    "cosine 2, waves": lambda: waves(2, as_waves=True),
    "layered 4, waves": lambda: LayeredCorrelation(SHAPE, LAYERS, 4, waves=True),
    "layered 2": lambda: LayeredCorrelation(SHAPE, LAYERS, 2),
    "layered 4": lambda: LayeredCorrelation(SHAPE, LAYERS, 4),
    "separable": separable,
    "covariance, dense": lambda: of_matrix(sparse=False, inverse=False),
    "covariance, sparse": lambda: of_matrix(sparse=True, inverse=False),
    "precision, dense": lambda: of_matrix(sparse=False, inverse=True),
    "precision, sparse": lambda: of_matrix(sparse=True, inverse=True),
    "spde 2": pytest.param(spde, marks=needs_petsc, id="spde 2"),
    "spde 4": pytest.param(lambda: spde(alpha=4), marks=needs_petsc, id="spde 4"),
}


def cases():
    for name, case in CORRELATIONS.items():
        yield pytest.param(case, id=name) if callable(case) else case


@pytest.mark.parametrize("make", list(cases()))
def test_products_are_those_of_one_matrix_with_ones_on_its_diagonal(make):
    correlation = make()
    factor = correlation.correlate(EYE).numpy().T
    matrix = factor @ factor.T
    np.testing.assert_allclose(np.diag(matrix), 1, atol=1e-9)
    assert abs(matrix - np.eye(N)).max() > 0.05
    np.testing.assert_allclose(correlation.correlate_back(EYE).numpy(), factor, atol=1e-9)
    field = torch.from_numpy(factor.T.copy())
    np.testing.assert_allclose(correlation.whiten(field), np.eye(N), atol=1e-8)
    inverse = np.linalg.inv(matrix)
    np.testing.assert_allclose(
        correlation.precision(EYE), inverse, atol=1e-8 * abs(inverse).max()
    )
    assert correlation.log_det == pytest.approx(np.linalg.slogdet(factor)[1], abs=1e-8)


@pytest.mark.parametrize("alpha", [2, 4])
def test_layers_that_are_alike_are_the_cosine_transforms_operator(alpha):
    same = LayeredCorrelation(SHAPE, np.repeat([[4.0], [9.0], [2.0]], 4, axis=1), alpha)
    expected = waves(alpha).correlate(EYE)
    torch.testing.assert_close(same.correlate(EYE), expected, atol=1e-13, rtol=0)


def energy(u, tensor, active):
    """The energy whose second derivative the operator is, term by term."""
    total = 0.5 * (u**2).sum()
    for cell in np.argwhere(active):
        for signs in np.ndindex(2, 2, 2):
            slope = np.zeros(3)
            for axis in range(3):
                other, sign = cell.copy(), 2 * signs[axis] - 1
                other[axis] += sign
                if 0 <= other[axis] < SHAPE[axis] and active[tuple(other)]:
                    slope[axis] = sign * (u[tuple(other)] - u[tuple(cell)])
            total += slope @ tensor[(..., *cell)] @ slope / 16
    return total


def test_the_operator_is_the_second_derivative_of_its_energy():
    u, active = np.random.default_rng(5).standard_normal(SHAPE), holes()
    matrix = operator_matrix(tensor_of(), active)
    assert 0.5 * u.reshape(-1) @ (matrix @ u.reshape(-1)) == pytest.approx(
        energy(u, tensor_of(), active), rel=1e-12
    )
    np.testing.assert_allclose(matrix.sum(axis=1), 1, atol=1e-12)
    assert np.linalg.eigvalsh(matrix.toarray())[0] > 1 - 1e-9


def test_the_operator_of_a_part_has_the_rows_of_the_whole_inside():
    whole = operator_matrix(tensor_of(), holes()).toarray().reshape(*SHAPE, *SHAPE)
    part = slice(0, 4), slice(0, 3), slice(1, 5)
    found = operator_matrix(tensor_of()[(..., *part)], holes()[part]).toarray()
    found = found.reshape(4, 3, 4, 4, 3, 4)
    np.testing.assert_allclose(
        found[:, :, 1:], whole[:, :, 2:][..., 1:], rtol=1e-12, atol=1e-12
    )


@needs_petsc
@pytest.mark.parametrize("alpha", [2, 4])
def test_petsc_agrees_with_the_direct_solver_to_its_tolerance(alpha):
    expected = LayeredCorrelation(SHAPE, LAYERS, alpha).correlate(EYE)
    found = spde(layered_tensor(), alpha=alpha).correlate(EYE)
    torch.testing.assert_close(found, expected, atol=1e-11, rtol=0)


@needs_petsc
def test_fixed_cells_are_walls():
    active = np.ones(SHAPE, bool)
    active[:, :, 2] = False
    correlation = spde(active=active)
    unknown = int(active.sum())
    factor = correlation.correlate(torch.eye(unknown, dtype=torch.float64)).numpy().T
    matrix = (factor @ factor.T).reshape(4, 3, 4, 4, 3, 4)
    np.testing.assert_allclose(np.diag(matrix.reshape(unknown, unknown)), 1, atol=1e-9)
    assert abs(matrix[:, :, :2, :, :, 2:]).max() < 1e-12
    assert matrix[1, 1, 0, 1, 1, 1] > 0.05


@needs_petsc
def test_petsc_gives_the_same_bits_again_and_after_a_pickle():
    correlation = spde()
    xi = torch.from_numpy(np.random.default_rng(6).standard_normal((2, N)))
    first = correlation.correlate(xi)
    for other in (correlation, spde(), pickle.loads(pickle.dumps(correlation))):
        assert torch.equal(other.correlate(xi), first)


THREADS = """
import hashlib
import numpy as np
from pvi_hpc.library.make import make_prior

tables = {"depth_m": [0], "lower_m_s": [1500], "upper_m_s": [2500], "length_m": [60, 150, 150]}
prior = make_prior("whittle_matern", (20, 26, 28), 25.0, dip_deg=20, **tables)
print(hashlib.sha256(prior.sample(np.random.default_rng(0), 1).tobytes()).hexdigest())
"""


@needs_petsc
@pytest.mark.slow
def test_bits_do_not_depend_on_the_threads_of_blas():
    # So many cells that OpenBLAS would share a sum among threads.
    found = []
    for threads in ("1", "2"):
        names = "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"
        environment = {**os.environ, **dict.fromkeys(names, threads)}
        command = [sys.executable, "-c", THREADS]
        found.append(subprocess.check_output(command, env=environment, text=True))
    assert found[0] == found[1]


@needs_petsc
def test_estimated_variances_are_near_those_of_a_factorisation(monkeypatch):
    from pvi_hpc.priors.correlations import spde as module

    shape = 10, 9, 11
    z, _, x = np.meshgrid(*(np.linspace(0, 1, n) for n in shape), indexing="ij")
    tensor = np.zeros((3, 3, *shape))
    tensor[0, 0], tensor[1, 1], tensor[2, 2] = 2 + z, 6 + 0 * z, 9 * (1 + 0.5 * x)
    tensor[0, 2] = tensor[2, 0] = 1 + z
    everywhere = np.ones(shape, bool)
    exact = module.SpdeCorrelation(tensor, everywhere, 2, 1e-10).scale
    monkeypatch.setattr(module, "EXACT_CELLS", 10)
    found = module.SpdeCorrelation(tensor, everywhere, 2, 1e-10).scale
    ratio = found / exact
    assert abs(ratio - 1).max() < 0.12
    assert np.sqrt(((ratio - 1) ** 2).mean()) < 0.03


@pytest.mark.parametrize("make", [lambda: waves(2), separable])
def test_a_start_follows_a_likely_field_and_smooths_a_rough_one(make):
    correlation = make()
    xi = 0.5 * torch.from_numpy(np.random.default_rng(7).standard_normal((1, N)))
    field = correlation.correlate(xi)[0]
    found = correlation.correlate(near_field(correlation, field, 3.0)[None])[0]
    assert float((found - field).square().mean().sqrt()) <= 0.05
    rough = torch.from_numpy(2.0 * (-1.0) ** np.arange(N))
    smoothed = near_field(correlation, rough, 3.0)
    assert float(smoothed.abs().max()) <= 3 + 1e-12
    assert float(correlation.whiten(rough[None]).abs().max()) > 3


@pytest.mark.parametrize("sparse", [False, True])
def test_matrices_that_no_covariance_has_are_refused(sparse):
    kind = csr_array if sparse else np.asarray
    with pytest.raises(ConfigError, match=r"'prior\.precision' must be positive definite"):
        factor_of(kind(np.diag([1.0, -2.0, 3.0])), "prior.precision")
    with pytest.raises(ConfigError, match="must be symmetric, but elements differ"):
        factor_of(kind(np.array([[1.0, 0.5], [0.0, 1.0]])), "prior.precision")
    with pytest.raises(ConfigError, match="must be positive definite"):
        factor_of(kind(np.array([[1.0, 2.0], [2.0, 1.0]])), "prior.precision")


def test_columns_of_a_matrix_by_depth_are_independent():
    matrix = np.array([[4.0, 1.0, 0.5], [1.0, 9.0, 2.0], [0.5, 2.0, 1.0]])
    factor = factor_of(matrix, "prior.covariance")
    sd = standard_deviations(factor, 3, "prior.covariance")
    np.testing.assert_allclose(sd, [2, 3, 1])
    correlation = MatrixCorrelation(factor, sd, columns=2)
    found = correlation.correlate(torch.eye(6, dtype=torch.float64)).numpy()
    expected = np.kron(matrix / np.outer(sd, sd), np.eye(2))
    np.testing.assert_allclose(found.T @ found, expected, atol=1e-12)
