"""Functions of matrices by their products: against eigenvalues."""

import numpy as np
import pytest
import torch

from pvi_hpc.errors import PviError
from pvi_hpc.numerics import krylov
from pvi_hpc.numerics.krylov import inverse_root, inverse_roots, log_det
from pvi_hpc.numerics.random import keyed_rng

N = 60


def matrix(largest=1e3):
    """A matrix with eigenvalues from 1 to `largest`, most of them 1."""
    turn = np.linalg.qr(keyed_rng(1, "turn").standard_normal((N, N)))[0]
    values = np.ones(N)
    values[:20] = np.geomspace(1, largest, 20)
    return torch.from_numpy((turn * values) @ turn.T)


@pytest.mark.parametrize("seed", [1, 2])
def test_the_inverse_root_is_that_of_the_eigenvalues(seed):
    m, x = matrix(), torch.from_numpy(keyed_rng(seed, "x").standard_normal(N))
    values, vectors = torch.linalg.eigh(m)
    exact = vectors @ ((vectors.T @ x) / values.sqrt())
    found = inverse_root(lambda v: m @ v, x)
    assert float((found - exact).norm() / exact.norm()) < 1e-3


def test_the_inverse_root_of_nothing_is_nothing():
    zero = torch.zeros(N, dtype=torch.float64)
    assert not inverse_root(lambda v: 2 * v, zero).any()


def test_a_multiple_of_the_identity_needs_one_step():
    x, asked = torch.arange(1.0, N + 1, dtype=torch.float64), []

    def product(v):
        asked.append(1)
        return 4 * v

    torch.testing.assert_close(inverse_root(product, x), x / 2)
    assert len(asked) == 1


def test_the_log_determinant_is_within_its_error():
    """Of 40 estimates about two thirds lie within one standard error, nearly all in three."""
    m = matrix()
    exact = float(torch.logdet(m))
    trace = float(m.trace())
    found = [log_det(lambda v: m @ v, N, trace, seed, 8) for seed in range(40)]
    off = np.array([(f.value - exact) / f.standard_error for f in found])
    assert 0.45 < np.mean(abs(off) < 1) < 0.9
    assert np.mean(abs(off) < 4) > 0.9
    assert abs(np.mean([f.value for f in found]) - exact) < 0.05 * abs(exact)


def test_what_is_not_known_after_all_steps_is_said(monkeypatch):
    monkeypatch.setattr(krylov, "STEPS", 10)
    m = matrix(largest=1e8)
    x = torch.from_numpy(keyed_rng(3, "x").standard_normal(N))
    with pytest.raises(PviError, match=r"after 10 products.*nearly singular.*more gradients"):
        inverse_root(lambda v: m @ v, x)


def test_bits_do_not_depend_on_the_number_of_threads():
    m, before = matrix(), torch.get_num_threads()
    x = torch.from_numpy(keyed_rng(4, "x").standard_normal((5, N)))
    found = []
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            found.append(inverse_roots(lambda v: (m * v).sum(dim=1), x))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(*found)
