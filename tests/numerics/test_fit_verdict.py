"""A fit says whether it has converged; arguments that mean something else are refused."""

import json
import warnings

import numpy as np
import pytest
import torch

import pvi_hpc
from pvi_hpc.errors import ConfigError, NonFiniteError
from pvi_hpc.inference.log_prob_target import LogProbTarget
from pvi_hpc.library import fit as module
from pvi_hpc.library.result import Fit
from pvi_hpc.library.verdict import judge

SD = 2.0


def gaussian(theta):
    """Mean 3 and sd 2 in every unknown."""
    return -0.5 * ((theta - 3) / SD).square().sum(dim=1)


@pytest.fixture(scope="module")
def good():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return pvi_hpc.fit(gaussian, 3)


def test_a_fit_that_has_converged_says_so_and_is_quiet(good):
    assert good.converged and not good.verdict.reasons
    assert abs(good.verdict.spread) < 0.3 and good.verdict.draws == 80


@pytest.mark.parametrize("factor", [0.3, 0.6, 1.6])
def test_sds_that_are_wrong_by_a_factor_are_told(good, factor):
    verdict = _judge(good, lambda x: gaussian(3 + (x - 3) * factor))
    assert not verdict.converged
    assert verdict.spread == pytest.approx(1 - factor**2, abs=0.6)
    word = "large" if factor > 1 else "small"
    assert f"times too {word}" in verdict.reasons[0] and "iterations" in verdict.reasons[0]


def test_a_mean_that_is_two_sds_off_is_told_with_its_distance(good):
    verdict = _judge(good, lambda x: gaussian(x - 2 * SD))
    assert not verdict.converged
    assert verdict.shift == pytest.approx(2, abs=0.4)
    assert "sds from its optimum" in verdict.reasons[0]


def test_one_bad_unknown_among_many_good_ones_is_found():
    fit = pvi_hpc.fit(gaussian, 500)
    assert fit.converged

    def stretched(x):
        return gaussian(x) + 0.5 * 0.9 * ((x[:, 77] - 3) / SD).square()

    verdict = _judge(fit, stretched)
    assert not verdict.converged and verdict.spread == pytest.approx(0.9, abs=0.05)


@pytest.mark.parametrize("scale", [1e-4, 1e4])
@pytest.mark.parametrize("n", [2, 150])
def test_the_units_of_the_unknowns_do_not_matter(scale, n):
    def scaled(theta):
        return -0.5 * ((theta - 5 * scale) / scale).square().sum(dim=1)

    fit = pvi_hpc.fit(scaled, n)
    assert fit.converged
    np.testing.assert_allclose(fit.mean, 5 * scale, rtol=0.01)
    np.testing.assert_allclose(fit.sd, scale, rtol=0.03)


def test_a_start_of_ones_own_that_is_too_far_off_warns_at_the_line_that_called():
    def scaled(theta):
        return -0.5 * ((theta - 5e4) / 1e4).square().sum(dim=1)

    with pytest.warns(pvi_hpc.ConvergenceWarning, match="not converged.*'start'") as caught:
        fit = pvi_hpc.fit(scaled, 2, samples=2, start={"sd": 1.0}, iterations=40)
    assert not fit.converged
    assert caught[0].filename == __file__


def test_a_family_that_does_not_cover_the_posterior_is_told():
    def banana(x):
        return -0.5 * (x[:, 0].square() + 4 * (x[:, 1] - x[:, 0].square()).square())

    with pytest.warns(pvi_hpc.ConvergenceWarning, match=r"not cover .*richer 'family'"):
        fit = pvi_hpc.fit(banana, 2)
    assert fit.converged


def test_draws_outside_the_density_and_a_density_that_fails_lose_no_fit(good):
    beyond = _judge(good, lambda x: torch.log(x[:, 0]))
    assert not beyond.converged and "not finite" in beyond.reasons[0]

    def fail(x):
        raise ZeroDivisionError("mine")

    assert "ZeroDivisionError: mine" in _judge(good, fail).reasons[0]


def test_the_verdict_costs_a_share_of_the_fit():
    counted = []

    def count(theta):
        counted.append(len(theta))
        return gaussian(theta)

    fit = pvi_hpc.fit(count, 2, samples=2, mean=[3, 3], start={"sd": 2.0}, iterations=10)
    assert counted[-2:] == [25, 25]  # and as many spread out
    assert sum(counted) == fit.evaluations == 70 and fit.verdict.draws == 25


def test_the_verdict_is_saved_and_older_files_have_none(good, tmp_path, monkeypatch):
    good.save(tmp_path / "fit.h5")
    assert pvi_hpc.load_fit(tmp_path / "fit.h5").verdict == good.verdict
    monkeypatch.setattr(json, "dumps", lambda tree: "null")
    good.save(tmp_path / "old.h5")
    assert pvi_hpc.load_fit(tmp_path / "old.h5").converged is None


@pytest.mark.parametrize(
    ("n", "shape"),
    [
        (np.int64(3), (3,)),
        (np.array([2, 2]), (2, 2)),
        ((np.int32(2), 1), (2, 1)),
        (np.uint8(2), (2,)),
    ],
)
def test_numbers_of_numpy_are_numbers(n, shape):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert pvi_hpc.fit(gaussian, n, iterations=2, seed=np.int64(3)).shape == shape


@pytest.mark.parametrize("n", [0, -1, True, 2.0, "3", (), (1, 2, 3, 4), (2, 0), None])
def test_other_numbers_of_unknowns_are_refused(n):
    with pytest.raises(ConfigError, match="'n' must be"):
        pvi_hpc.fit(gaussian, n, iterations=2)


@pytest.mark.parametrize("seed", [-1, 1.5, None, True])
def test_a_seed_that_is_none_is_refused(seed):
    with pytest.raises(ConfigError, match="'seed' must be"):
        pvi_hpc.fit(gaussian, 2, iterations=2, seed=seed)


@pytest.mark.parametrize("shape", [(3, 5), (3, 4), (3,), (), (2, 3, 1)])
def test_points_of_another_shape_are_refused(good, shape):
    with pytest.raises(ConfigError, match=r"'theta' must be points of shape \(S, 3\)"):
        good.log_prob(np.zeros(shape))


def test_no_points_have_no_densities_and_no_draws_are_no_error(good):
    assert good.sample(0).shape == (0, 3)
    assert good.log_prob(good.sample(0)).shape == (0,)
    with pytest.raises(ConfigError, match="must not be negative"):
        good.sample(-1)


@pytest.mark.parametrize("switched_off", [torch.no_grad, torch.inference_mode])
def test_gradients_are_on_where_they_are_needed(good, switched_off):
    with switched_off():
        fit = pvi_hpc.fit(gaussian, 3)
        assert fit.elbo(20).mean == good.elbo(20).mean
    np.testing.assert_array_equal(fit.mean, good.mean)


@pytest.mark.parametrize("place", ["missing/fit.h5", "."])
def test_a_path_where_nothing_can_be_written_is_refused_before_the_fit(tmp_path, place):
    def never(theta):
        raise AssertionError("evaluated")

    with pytest.raises(ConfigError, match="'path' must be a file in a folder that exists"):
        pvi_hpc.fit(never, 2, path=tmp_path / place)
    assert not list(tmp_path.iterdir())


def test_a_fit_that_cannot_be_saved_is_returned(tmp_path, monkeypatch):
    def full(fit, path):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Fit, "save", full)
    with pytest.warns(UserWarning, match="No space left.*'save'"):
        fit = module.fit(gaussian, 3, path=tmp_path / "fit.h5")
    assert fit.converged


def test_errors_of_the_library_speak_of_nothing_that_it_lacks():
    with pytest.raises(NonFiniteError) as error:
        pvi_hpc.fit(lambda x: gaussian(x) * torch.nan, 2)
    assert "checkpoint" not in str(error.value) and "solver" not in str(error.value)


def _judge(fit, log_prob):
    """Return the verdict on a fit, had its density been another one."""
    target = LogProbTarget(fit.coordinates.density(log_prob))
    return judge(fit.method, fit.state, target, 1000)
