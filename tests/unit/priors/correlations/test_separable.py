"""Separable Matern correlation against dense linear algebra."""

import numpy as np
import pytest
import torch

from pvi_hpc.errors import ConfigError
from pvi_hpc.priors.correlations.separable import SeparableCorrelation, matern_correlation

SHAPE, SPACING = (4, 3, 5), (20.0, 30.0, 50.0)
LENGTHS, SMOOTHNESS = (40.0, 100.0, 75.0), (0.5, 1.5, 2.5)
N = int(np.prod(SHAPE))


def correlation_of(shape=SHAPE, lengths=LENGTHS):
    axes = []
    for n, h, length, nu in zip(shape, SPACING, lengths, SMOOTHNESS, strict=True):
        places = h * np.arange(n)
        axes.append(matern_correlation(abs(places[:, None] - places), length, nu))
    return SeparableCorrelation(axes)


def closed_form(offset):
    """Correlation of two cells `offset` [m] apart: exponential, Matern 3/2, Matern 5/2."""
    r = np.abs(offset) / LENGTHS
    s, t = np.sqrt(3) * r[1], np.sqrt(5) * r[2]
    return np.exp(-r[0]) * (1 + s) * np.exp(-s) * (1 + t + t**2 / 3) * np.exp(-t)


def dense():
    places = np.stack(np.unravel_index(np.arange(N), SHAPE), axis=1) * SPACING
    return np.array([[closed_form(a - b) for b in places] for a in places])


def factor(correlation):
    return correlation.correlate(torch.eye(N, dtype=torch.float64)).numpy().T


def normal(*shape):
    return torch.from_numpy(np.random.default_rng(3).standard_normal(shape))


def test_the_factor_gives_the_correlation_of_the_formula_and_unit_variances():
    found = factor(correlation_of())
    np.testing.assert_allclose(found @ found.T, dense(), atol=1e-13)
    np.testing.assert_allclose((found**2).sum(axis=1), 1, rtol=1e-13)


def test_unknowns_are_amplitudes_of_orthogonal_waves_from_slow_to_fast():
    found = factor(correlation_of())
    variances = (found**2).sum(axis=0)
    np.testing.assert_allclose(found.T @ found, np.diag(variances), atol=1e-13)
    assert (np.diff(variances.reshape(SHAPE), axis=2) < 0).all()
    assert (np.diff(variances.reshape(SHAPE), axis=0) < 0).all()
    # Signs are not left to the library: a checkpoint may be read on another machine.
    assert (found[0] > 0).all()


def test_the_way_back_is_the_transpose():
    correlation, x, y = correlation_of(), normal(2, N), normal(3, 2, N)[2]
    forwards = (correlation.correlate(x) * y).sum()
    backwards = (x * correlation.correlate_back(y)).sum()
    assert float(forwards) == pytest.approx(float(backwards), rel=1e-13)


def test_whitening_is_the_inverse():
    correlation, x = correlation_of(), normal(3, N)
    torch.testing.assert_close(correlation.whiten(correlation.correlate(x)), x)


def test_the_determinant_is_that_of_the_dense_factor():
    expected = np.linalg.slogdet(dense())[1] / 2
    assert correlation_of().log_det == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("sd", [0.1, 1.0])
def test_a_plausible_field_is_that_of_the_dense_least_squares(sd):
    correlation, field = correlation_of(), normal(1, N)
    L = factor(correlation)  # noqa: N806
    expected = np.linalg.solve(np.eye(N) + L.T @ L / sd**2, L.T @ field[0].numpy() / sd**2)
    np.testing.assert_allclose(correlation.plausible(field, sd)[0], expected, atol=1e-12)


def test_an_axis_of_one_cell_changes_nothing():
    flat = correlation_of((4, 1, 5))
    found = flat.correlate(torch.eye(20, dtype=torch.float64)).numpy()
    rows = [(3 * i + 1) * 5 + k for i in range(4) for k in range(5)]
    np.testing.assert_allclose(found.T @ found, dense()[np.ix_(rows, rows)], atol=1e-13)


def test_bits_depend_neither_on_threads_nor_on_the_number_of_samples():
    correlation, x = (
        correlation_of((40, 31, 27), (300.0, 300.0, 300.0)),
        normal(3, 40 * 31 * 27),
    )
    before = torch.get_num_threads()
    together = correlation.correlate(x), correlation.correlate_back(x), correlation.whiten(x)
    try:
        for threads in (2, 3):
            torch.set_num_threads(threads)
            assert torch.equal(correlation.correlate(x), together[0])
            assert torch.equal(correlation.correlate_back(x), together[1])
            assert torch.equal(correlation.whiten(x), together[2])
            assert torch.equal(correlation.correlate(x[1:2])[0], together[0][1])
    finally:
        torch.set_num_threads(before)


def test_a_length_that_float64_cannot_resolve_is_refused_with_its_axis():
    with pytest.raises(ConfigError, match=r"'prior\.length_m' must.*but along x it does not"):
        correlation_of((4, 3, 50), (40.0, 100.0, 1e6))


@pytest.mark.parametrize("nu", [0.5, 1.1, 2.5])
def test_the_correlation_falls_from_one_to_zero(nu):
    rho = matern_correlation(np.linspace(0, 5000, 2001), 100.0, nu)
    assert rho[0] == 1
    assert (np.diff(rho) < 0).all()
    assert 0 <= rho[-1] < 1e-15
