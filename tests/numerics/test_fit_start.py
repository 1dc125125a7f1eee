"""The library's start: any units, corners that hold nothing, curvature that the user knows."""

import warnings

import numpy as np
import pytest
import torch
from vi_targets import precision_of

import pvi_hpc
from pvi_hpc.errors import ConfigError, NonFiniteError
from pvi_hpc.inference.starts.newton import Local, climb, newton
from pvi_hpc.library.frame import Coordinates, Frame

SDS = np.geomspace(1e-4, 1e4, 5)
PRECISION = torch.from_numpy(precision_of(np.random.default_rng(4), 5) / np.outer(SDS, SDS))
MEAN = torch.from_numpy(3 * SDS)


def gaussian(theta):
    x = theta - MEAN
    return -0.5 * ((x @ PRECISION) * x).sum(dim=1)


def with_gradient(log_prob):
    def density(theta):
        leaf = theta.clone().requires_grad_()
        value = log_prob(leaf)
        (gradient,) = torch.autograd.grad(value.sum(), leaf)
        return value.detach(), gradient

    return density


def test_one_newton_step_is_exact_on_a_gaussian():
    start = Local(torch.zeros(5).double(), torch.diag(torch.from_numpy(SDS)))
    found = newton(with_gradient(gaussian), start)
    torch.testing.assert_close(found.mean, MEAN, rtol=1e-6, atol=0)
    torch.testing.assert_close(found.precision, PRECISION, rtol=1e-5, atol=1e-12)


def test_newton_goes_uphill_only_and_takes_the_size_of_negative_curvature():
    def saddle(x):  # maxima at x0 = -1 and 1
        return -0.25 * (x[:, 0] ** 2 - 1) ** 2 - 2 * x[:, 1] ** 2

    start = Local(torch.tensor([0.1, 0.5]).double(), torch.eye(2).double())
    found = newton(with_gradient(saddle), start)
    torch.testing.assert_close(found.mean, torch.tensor([1.0, 0.0]).double(), atol=5e-3, rtol=0)
    still = newton(with_gradient(saddle), start, move=False)
    assert bool((still.mean == start.mean).all())
    assert float(still.precision[0, 0]) == pytest.approx(1 - 3 * 0.01, rel=1e-3)


def test_a_search_ends_at_a_maximum_and_turns_back_where_there_is_no_density():
    def half(x):  # Gamma(3) and Gamma(5)
        return (torch.tensor([2.0, 4.0]) * torch.log(x) - x).sum(dim=1)

    path = climb(with_gradient(half), torch.tensor([0.1, 50.0]).double())
    np.testing.assert_allclose(path[-1].x, [2, 4], rtol=1e-4)
    assert [p.log_density for p in path] == sorted(p.log_density for p in path)
    assert climb(with_gradient(half), torch.zeros(2).double()) == []


def test_a_density_that_is_nowhere_finite_is_an_error():
    with pytest.raises(NonFiniteError, match="give a 'mean' where it is"):
        pvi_hpc.fit(lambda x: torch.log(x).sum(dim=1), 2)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e4])
def test_a_fit_is_the_same_in_any_units(scale):
    def skewed(x):
        y = x / scale
        return (y - torch.exp(y)).sum(dim=1) - 0.3 * (y[:, 0] - y[:, 1]) ** 2

    fit = pvi_hpc.fit(skewed, 2)
    plain = pvi_hpc.fit(lambda y: skewed(y * scale), 2)
    np.testing.assert_allclose(fit.mean / scale, plain.mean, atol=0.01)
    np.testing.assert_allclose(fit.sd / scale, plain.sd, rtol=0.01)
    shift = 2 * np.log(scale)  # of a density per unit
    assert fit.elbo(100).mean - shift == pytest.approx(plain.elbo(100).mean, abs=0.02)


def test_a_corner_without_end_does_not_hold_the_fit():
    def funnel(x):  # grows without end towards small v
        v, others = x[:, 0], x[:, 1:]
        return (
            -v.square() / 18
            - 0.5 * (others / (v / 2).exp()[:, None]).square().sum(dim=1)
            - 2 * v
        )

    with pytest.warns(pvi_hpc.ConvergenceWarning, match="does not cover"):
        fit = pvi_hpc.fit(funnel, 5)
    assert abs(fit.mean[0]) < 1 and np.abs(fit.mean[1:]).max() < 0.1


def test_many_unknowns_are_scaled_too():
    sds = torch.logspace(-3, 3, 150, dtype=torch.float64)
    fit = pvi_hpc.fit(lambda x: -0.5 * ((x - 2 * sds) / sds).square().sum(dim=1), 150)
    assert fit.settings.method.kind == "vi" and fit.converged
    np.testing.assert_allclose(fit.mean / sds.numpy(), 2, atol=0.05)
    np.testing.assert_allclose(fit.sd / sds.numpy(), 1, atol=0.05)


@pytest.mark.parametrize("given", ["precision", "hvp", "autograd"])
def test_a_known_curvature_leads_to_the_exact_gaussian(given):
    curvature = {
        "precision": {"precision": PRECISION.numpy()},
        "hvp": {"hvp": lambda theta, rows: rows @ PRECISION},
        "autograd": {"hvp": "autograd"},
    }[given]
    fit = pvi_hpc.fit(gaussian, 5, **curvature)
    exact = np.sqrt(np.diag(np.linalg.inv(PRECISION.numpy())))
    np.testing.assert_allclose(fit.mean, MEAN, rtol=1e-4)
    np.testing.assert_allclose(fit.sd, exact, rtol=1e-4)


def test_two_derivatives_are_refused_where_a_function_hides_them():
    def density(theta):
        return -0.5 * np.sum(theta**2, axis=1), -theta

    with pytest.raises(ConfigError, match="has a gradient of its own"):
        pvi_hpc.fit(pvi_hpc.numpy_log_prob(density), 3, hvp="autograd")


def test_two_derivatives_are_taken_where_a_function_has_them():
    class Square(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, g):
            return 2 * ctx.saved_tensors[0] * g

    fit = pvi_hpc.fit(lambda x: -2 * Square.apply(x).sum(dim=1), 3, hvp="autograd")
    np.testing.assert_allclose(fit.sd, 0.5, rtol=1e-3)


def test_a_batch_with_one_matrix_that_has_no_factor_is_tried_row_by_row():
    one = torch.eye(2).double()

    def log_prob(x):
        root = torch.linalg.cholesky((x[:, 0] + 3)[:, None, None] * one)
        return 4 * root[:, 0, 0].log() - x[:, 0]

    density = Coordinates(frame=Frame(torch.zeros(1).double(), torch.ones(1).double()))
    found = density.density(log_prob)(torch.tensor([[0.0], [-5.0], [1.0]]).double())
    assert found[1] == -torch.inf and bool(found[[0, 2]].isfinite().all())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", pvi_hpc.ConvergenceWarning)
        assert np.isfinite(pvi_hpc.fit(log_prob, 1).mean).all()
