"""The reference answers themselves: divergence, optima and the tomography problem."""

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal
from tomography import ROUGH_KM, ray_lengths, tomography

from pvi_hpc.diagnostics.known_gaussian import (
    gaussian_kl,
    optimal_factor,
    optimal_precision_factor,
)
from pvi_hpc.families.gaussian.low_rank_optimum import leading_directions, optimal_low_rank

PROBLEM = tomography(9, n_sensors=10, length_km=ROUGH_KM)


def kl(factor, problem=PROBLEM):
    return gaussian_kl(problem.mean, factor, problem.mean, problem.precision)


def symmetric(directions, exponent):
    inner = np.eye(PROBLEM.n) + directions.T @ directions
    return np.linalg.matrix_power(inner, exponent)


def band(n, width):
    rows, columns = np.indices((n, n))
    return (rows >= columns) & (rows - columns <= width)


def test_rays_are_as_long_as_the_distance_between_their_sensors():
    lengths = ray_lengths(9, 10).sum(axis=1)
    chords = {round(8 * np.sin(np.pi * k / 10), 9) for k in range(1, 6)}
    assert {round(length, 9) for length in lengths} == chords


def test_the_posterior_times_the_evidence_is_the_joint_density():
    theta = np.random.default_rng(1).standard_normal((5, PROBLEM.n))
    law = multivariate_normal(PROBLEM.mean, PROBLEM.covariance)
    value = PROBLEM.value(torch.from_numpy(theta))
    joint = (value.log_likelihood + value.log_prior).numpy()
    np.testing.assert_allclose(joint - law.logpdf(theta), PROBLEM.log_evidence, rtol=1e-9)


def test_whitening_keeps_the_evidence():
    assert PROBLEM.whitened().log_evidence == pytest.approx(PROBLEM.log_evidence, rel=1e-10)


def test_the_divergence_is_the_mean_of_the_log_ratio():
    rng = np.random.default_rng(2)
    mean = PROBLEM.mean + 0.1 * rng.standard_normal(PROBLEM.n)
    factor = 0.5 * np.eye(PROBLEM.n) + 0.01 * rng.standard_normal((PROBLEM.n, PROBLEM.n))
    q = multivariate_normal(mean, factor @ factor.T)
    p = multivariate_normal(PROBLEM.mean, PROBLEM.covariance)
    draws = mean + rng.standard_normal((4000, PROBLEM.n)) @ factor.T
    ratio = q.logpdf(draws) - p.logpdf(draws)
    error = ratio.std() / np.sqrt(len(ratio))
    found = gaussian_kl(mean, factor, PROBLEM.mean, PROBLEM.precision)
    assert found == pytest.approx(ratio.mean(), abs=4 * error)


def test_a_full_triangle_holds_the_posterior():
    full = optimal_factor(PROBLEM.precision, np.tri(PROBLEM.n, dtype=bool))
    np.testing.assert_allclose(full @ full.T, PROBLEM.covariance, atol=1e-9)
    assert kl(full) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("width", [0, 1, 12])
def test_nothing_within_the_pattern_is_closer_than_the_optimum(width):
    pattern = band(PROBLEM.n, width)
    factor = optimal_factor(PROBLEM.precision, pattern)
    assert ((factor != 0) == pattern).all()
    # The gradient of the divergence by the entries of L that may move.
    gradient = PROBLEM.precision @ factor - np.diag(1 / np.diag(factor))
    np.testing.assert_allclose(gradient[pattern], 0, atol=1e-9)


def test_a_precision_factor_of_full_width_is_exact():
    exact = optimal_precision_factor(PROBLEM.covariance, np.tri(PROBLEM.n, dtype=bool))
    np.testing.assert_allclose(exact @ exact.T, PROBLEM.precision, atol=1e-7)


@pytest.mark.parametrize(("of", "exponent"), [("precision", -1), ("covariance", 1)])
def test_low_rank_optima_are_stationary(of, exponent):
    """No change of d or U lowers the divergence to first order."""
    found = optimal_low_rank(torch.from_numpy(PROBLEM.precision), 12, of=of)
    d, directions = (value.numpy() for value in found)
    rng = np.random.default_rng(3)
    best = kl(d[:, None] * symmetric(directions, exponent))
    for _ in range(5):
        by_d = 1e-3 * rng.standard_normal(d.shape)
        by_u = 1e-3 * rng.standard_normal(directions.shape)
        ends = [
            kl((d * np.exp(s * by_d))[:, None] * symmetric(directions + s * by_u, exponent))
            for s in (-1, 1)
        ]
        assert min(ends) > best
        assert abs(ends[1] - ends[0]) < 0.05 * (sum(ends) - 2 * best)


def test_low_rank_of_the_rank_of_the_data_is_exact_under_a_white_prior():
    white = PROBLEM.whitened()
    rank = np.linalg.matrix_rank(white.operator)
    assert rank < white.n
    precision = torch.from_numpy(white.precision)
    directions = leading_directions(lambda x: x @ precision, white.n, rank).numpy()
    assert kl(symmetric(directions, -1), white) == pytest.approx(0, abs=1e-8)
    assert kl(symmetric(directions[:-5], -1), white) > 0.5
