"""Diagnostics find nothing where nothing is, and find what is there."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from pvi_hpc.diagnostics.calibration import Calibration, Inversion
from pvi_hpc.diagnostics.convergence import effective_sample_size, r_hat
from pvi_hpc.diagnostics.pareto import k_hat_along, pareto_k
from pvi_hpc.errors import ConfigError
from pvi_hpc.execution.settings import ExecutionSettings
from pvi_hpc.numerics.random import keyed_rng
from pvi_hpc.report.figures.calibration import draw_calibration
from pvi_hpc.report.style import png
from pvi_hpc.run.calibration.kept import KeptInversions
from pvi_hpc.run.calibration.workers import calibrate


@dataclass(frozen=True)
class LinearGaussian:
    """`d = A theta + noise` with an exact posterior, whose sd and mean can be falsified."""

    sd_factor: float = 1.0
    shift: float = 0.0
    n: int = 3
    draws: int = 200

    def invert(self, index):
        operator = keyed_rng(1, "operator").normal(size=(4, self.n))
        rng = keyed_rng(1, "inversion", index)
        truth = rng.standard_normal(self.n)
        data = operator @ truth + 0.5 * rng.standard_normal(4)
        covariance = np.linalg.inv(np.eye(self.n) + operator.T @ operator / 0.25)
        mean = covariance @ operator.T @ data / 0.25
        root = np.linalg.cholesky(covariance)
        noise = self.sd_factor * rng.standard_normal((self.draws, self.n))
        return truth, mean + self.shift * np.diag(root) + noise @ root.T


def calibration(problem, n=400):
    return Calibration.of([problem.invert(i) for i in range(n)])


def test_an_exact_posterior_is_calibrated():
    found = calibration(LinearGaussian())
    assert found.sbc_p_values.min() > 1e-3 and found.vsbc_p_values.min() > 1e-3
    assert found.tarp_p_value > 1e-3
    np.testing.assert_allclose(found.coverage(), np.linspace(0.05, 0.95, 19), atol=0.06)
    np.testing.assert_allclose(found.sd_ratio, 1, atol=0.15)


def test_an_over_confident_posterior_is_found():
    found = calibration(LinearGaussian(sd_factor=0.5))
    assert found.sbc_p_values.max() < 1e-6 and found.tarp_p_value < 1e-3
    assert found.coverage()[-1] < 0.8
    assert np.all((found.sd_ratio > 0.4) & (found.sd_ratio < 0.7))


def test_a_shifted_posterior_is_found():
    found = calibration(LinearGaussian(shift=0.5))
    assert found.vsbc_p_values.max() < 1e-6


@pytest.mark.slow
def test_inversions_run_on_the_workers_of_an_executor(tmp_path):
    problem = LinearGaussian(draws=50)
    told, two = [], ExecutionSettings(executor="local", workers=2)
    kept = KeptInversions(tmp_path, "linear")
    kept.claim()
    kept.keep(7, Inversion(*problem.invert(7)))
    found = calibrate(problem, 60, two, kept, told.append)
    # Inversion 7 was there.
    assert told == list(range(2, 61))
    for index, one in enumerate(found):
        truth, draws = problem.invert(index)
        assert np.array_equal(one.truth, truth) and np.array_equal(one.draws, draws)


def test_too_few_inversions_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="at least 10"):
        calibrate(LinearGaussian(), 9, ExecutionSettings(), KeptInversions(tmp_path, "linear"))


def test_the_figure_can_be_drawn():
    image = png(lambda: draw_calibration(calibration(LinearGaussian(), 60)))
    assert image[:4] == b"\x89PNG"


def test_r_hat_and_effective_size_tell_chains_apart():
    rng = np.random.default_rng(5)
    same = rng.standard_normal((4, 500, 2))
    apart = same + np.array([0, 0, 0, 3.0])[:, None, None] * np.array([0, 1.0])
    assert r_hat(same).max() < 1.02
    assert r_hat(apart)[0] < 1.02 and r_hat(apart)[1] > 1.3
    assert effective_sample_size(same).min() > 1200 and effective_sample_size(apart)[1] < 100
    with pytest.raises(ConfigError, match="at least 2 chains"):
        r_hat(same[:1])


def normal(sd):
    sds = torch.as_tensor(sd)
    return lambda theta: -0.5 * ((theta / sds) ** 2).sum(dim=1)


def test_k_hat_along_a_line_forgives_what_k_hat_of_everything_does_not():
    n = 5000
    p, q = normal(1.0), normal(0.97)
    direction = torch.ones(1, n, dtype=torch.float64) / n
    mean = torch.zeros(n, dtype=torch.float64)
    along = k_hat_along(p, q, mean, direction)
    assert along.reliable and along.efficiency > 0.9
    theta = 0.97 * torch.from_numpy(keyed_rng(1, "test").standard_normal((400, n)))
    assert pareto_k((p(theta) - q(theta)).numpy()).k > 1


def test_a_direction_in_which_q_is_too_narrow_is_found():
    sds = np.array([1.0, 1.0, 4.0])
    p, q = normal(torch.from_numpy(sds)), normal(1.0)
    mean = torch.zeros(3, dtype=torch.float64)
    axes = torch.eye(3, dtype=torch.float64)
    assert k_hat_along(p, q, mean, axes[:2]).k < 0.3
    assert not k_hat_along(p, q, mean, axes[2:], draws=2000).reliable


def test_k_hat_sees_a_correlated_slice_of_q():
    root = torch.tensor([[1.0, 0.0], [0.9, 0.3]], dtype=torch.float64)
    precision = torch.linalg.inv(root @ root.T)

    def p(theta):
        return -0.5 * ((theta @ precision) * theta).sum(dim=1)

    axes = torch.eye(2, dtype=torch.float64)
    found = k_hat_along(p, p, torch.zeros(2, dtype=torch.float64), axes)
    assert found.efficiency > 0.999


@pytest.mark.parametrize(
    "directions", [torch.ones(1, 2), torch.ones(2, 3), torch.ones(30, 3), torch.ones(3)]
)
def test_useless_directions_are_refused(directions):
    with pytest.raises(ConfigError, match="directions"):
        k_hat_along(normal(1.0), normal(1.0), torch.zeros(3, dtype=torch.float64), directions)


@pytest.mark.parametrize("length", [0.0, np.nan, np.inf])
def test_a_direction_of_no_length_is_refused(length):
    directions = torch.tensor([[1.0, 0.0, 0.0], [0.0, length, 0.0]], dtype=torch.float64)
    with pytest.raises(ConfigError, match="finite and not zero"):
        k_hat_along(normal(1.0), normal(1.0), torch.zeros(3, dtype=torch.float64), directions)


def test_directions_of_very_different_lengths_are_independent():
    axes = torch.eye(3, dtype=torch.float64) * torch.tensor([[1e-12], [1.0], [1e12]])
    zero = torch.zeros(3, dtype=torch.float64)
    assert k_hat_along(normal(1.0), normal(1.0), zero, axes).k < 0.3


def test_draws_that_the_target_excludes_have_no_weight():
    rng = np.random.default_rng(5)
    weights = rng.normal(0, 0.1, 200)
    excluded = np.append(weights, np.full(50, -np.inf))
    found = pareto_k(excluded)
    assert found.reliable and found.draws == 250
    assert found.efficiency == pytest.approx(0.8 * pareto_k(weights).efficiency, rel=0.01)
    with pytest.raises(ConfigError, match="at least 25 finite"):
        pareto_k(np.append(weights[:24], np.full(50, -np.inf)))
    with pytest.raises(ConfigError, match=r"1 NaN or \+inf"):
        pareto_k(np.append(weights, np.nan))
