"""The exact posterior of a linear problem against the textbook's formulas in data space."""

import numpy as np
import pytest
from scipy.sparse import csr_array
from scipy.stats import multivariate_normal
from tomography import tomography

from pvi_hpc.diagnostics.linear_gaussian import LinearGaussian, best_scales
from pvi_hpc.errors import ConfigError


@pytest.fixture(scope="module")
def case():
    return tomography(side=10, n_sensors=9)


def problem(case, **changes):
    given = {
        "jacobian": csr_array(case.operator),
        "data": case.data,
        "noise_sd": case.noise,
        "prior_mean": 0.0,
        "prior_covariance": case.prior_covariance,
    }
    return LinearGaussian.of(**(given | changes))


def test_posterior_and_evidence_are_those_of_the_data_covariance(case):
    noise = case.noise * np.linspace(0.5, 2, len(case.data))
    mean = np.linspace(-1, 1, case.n)
    found = problem(case, noise_sd=noise, prior_mean=mean)
    prior, a = case.prior_covariance, case.operator
    whole = a @ prior @ a.T + np.diag(noise**2)
    gain = np.linalg.solve(whole, a @ prior).T
    np.testing.assert_allclose(
        found.mean, mean + gain @ (case.data - a @ mean), rtol=1e-8, atol=1e-9
    )
    covariance = prior - gain @ a @ prior
    np.testing.assert_allclose(found.sd, np.sqrt(np.diag(covariance)), rtol=1e-8)
    weights = np.stack([case.disc(), np.ones(case.n)])
    np.testing.assert_allclose(
        found.covariance(weights), weights @ covariance @ weights.T, rtol=1e-7
    )
    expected = multivariate_normal(a @ mean, whole).logpdf(case.data)
    assert found.log_evidence == pytest.approx(expected, rel=1e-9)
    draws = found.draws(np.random.default_rng(1), 4000)
    np.testing.assert_allclose(draws.std(axis=0), found.sd, rtol=0.08)


def test_missing_data_and_cells_that_no_ray_crosses_change_nothing(case):
    data = case.data.copy()
    data[3] = np.nan
    found, kept = problem(case, data=data), np.arange(len(data)) != 3
    without = problem(case, data=data[kept], jacobian=csr_array(case.operator[kept]))
    np.testing.assert_allclose(found.mean, without.mean)
    seen = np.flatnonzero(np.abs(case.operator).sum(axis=0))
    assert len(seen) < case.n
    part = problem(
        case,
        jacobian=csr_array(case.operator[:, seen]),
        prior_covariance=case.prior_covariance[np.ix_(seen, seen)],
    )
    whole = problem(case)
    np.testing.assert_allclose(part.sd, whole.sd[seen], rtol=1e-8)
    assert part.log_evidence == pytest.approx(whole.log_evidence)


def test_the_best_scales_have_the_largest_evidence(case):
    best = best_scales(problem(case, noise_sd=0.3, prior_covariance=5 * case.prior_covariance))

    def evidence(noise, prior):
        covariance = 5 * prior**2 * case.prior_covariance
        return problem(case, noise_sd=0.3 * noise, prior_covariance=covariance).log_evidence

    top = evidence(best.noise, best.prior)
    assert best.log_evidence == pytest.approx(top, abs=1e-6)
    for factor in (0.9, 1.1):
        assert evidence(best.noise * factor, best.prior) < top
        assert evidence(best.noise, best.prior * factor) < top
    assert 0.3 * best.noise == pytest.approx(case.noise, rel=0.3)


def test_what_cannot_be_is_refused(case):
    with pytest.raises(ConfigError, match=r"'data' must have shape \(36,\)"):
        problem(case, data=case.data[:5])
    with pytest.raises(ConfigError, match="'noise_sd' must be positive"):
        problem(case, noise_sd=0.0)
    with pytest.raises(ConfigError, match="'prior_covariance' must be positive definite"):
        assert problem(case, prior_covariance=-case.prior_covariance).sd.size
