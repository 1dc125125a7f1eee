"""A fit is kept where it is interrupted, gone on with to the same bits, and readable."""

import re
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from hierarchy import N, non_centred

import pvi_hpc
from pvi_hpc.errors import ConfigError
from pvi_hpc.library import run as module

pytestmark = pytest.mark.filterwarnings("ignore::pvi_hpc.library.verdict.ConvergenceWarning")

WAYS: dict[str, Any] = {
    "default": {},
    "adam": {"samples": 2, "iterations": 40, "bounds": (-50, 50)},
    "own start": {"samples": 2, "iterations": 30, "start": {"map_iterations": 5}},
    "known curvature": {"hvp": "autograd", "start": {"map_iterations": 5}},
    "pathfinder": {"method": "pathfinder"},
    "batch_and_match": {"method": "batch_and_match", "iterations": 40},
}


def broken(error, after):
    """Return the density, which raises once so many samples have been evaluated."""
    seen = []

    def density(theta):
        seen.append(len(theta))
        if sum(seen) > after:
            raise error
        return non_centred(theta)

    return density


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("error", [KeyboardInterrupt(), ZeroDivisionError("mine")])
def test_an_interrupted_fit_goes_on_to_the_same_bits(way, error, tmp_path):
    settings, path = {"seed": 3, **WAYS[way]}, tmp_path / "fit.h5"
    whole = pvi_hpc.fit(non_centred, N, **settings)
    # Within the iterations, before their last tenth.
    done = int(whole.history.arrays["done"].sum())
    wide = (
        2 * whole.verdict.draws if whole.verdict.k_hat_wide is not None else whole.verdict.draws
    )
    after = whole.evaluations - wide - done // 2
    with pytest.raises(type(error)) as caught:
        pvi_hpc.fit(broken(error, after), N, path=path, **settings)
    assert "'resume=True' goes on" in caught.value.__notes__[0]
    part = pvi_hpc.load_fit(path)
    assert 0 < part.state.iteration < whole.state.iteration and part.converged is None
    again = pvi_hpc.fit(non_centred, N, path=path, resume=True, **settings)
    np.testing.assert_array_equal(again.sample(3), whole.sample(3))
    np.testing.assert_array_equal(again.history.arrays["elbo"], whole.history.arrays["elbo"])
    assert again.verdict == whole.verdict


def test_a_complete_fit_is_returned_as_it_is_and_a_missing_one_begun(tmp_path):
    path = tmp_path / "fit.h5"
    first = pvi_hpc.fit(non_centred, N, path=path, resume=True)

    def never(theta):
        raise AssertionError("evaluated")

    again = pvi_hpc.fit(never, N, path=path, resume=True)
    np.testing.assert_array_equal(again.sample(2), first.sample(2))
    assert again.evaluations == first.evaluations


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"seed": 2}, "'seed' must be that of the fit"),
        ({"iterations": 5}, "'settings' must be that of the fit"),
        ({"n": 3}, "'n' must be that of the fit"),
        ({"bounds": (-9, 9)}, "'bounds' must be those of the fit"),
        ({"path": None}, "'path' must name the file"),
    ],
)
def test_another_fit_is_not_gone_on_with(changed, message, tmp_path):
    given = {"n": 2, "path": tmp_path / "fit.h5"}
    pvi_hpc.fit(lambda x: -x.square().sum(dim=1), **given)
    with pytest.raises(ConfigError, match=message):
        pvi_hpc.fit(lambda x: -x.square().sum(dim=1), **{**given, **changed}, resume=True)


def test_a_long_fit_is_saved_on_the_way(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "SAVE_EVERY_S", 0.0)
    path, seen = tmp_path / "fit.h5", []

    def look(info, iterations):
        if path.exists():
            seen.append(pvi_hpc.load_fit(path).state.iteration)

    pvi_hpc.fit(non_centred, N, path=path, progress=look, iterations=8)
    assert seen == list(range(1, len(seen) + 1)) and len(seen) > 2


def test_progress_says_where_a_fit_is(capsys):
    pvi_hpc.fit(non_centred, N, progress=True, samples=2, iterations=5)
    lines = capsys.readouterr().err.splitlines()
    assert re.fullmatch(r"vi: 5 of 5, ELBO -?[\d.e+]+", lines[-1])
    heard = []
    pvi_hpc.fit(
        non_centred,
        N,
        samples=2,
        iterations=5,
        progress=lambda info, n: heard.append((info.iteration, n)),
    )
    assert heard == [(i, 5) for i in range(5)]


def test_a_fit_reads_well_and_turns_into_arviz():
    fit = pvi_hpc.fit(lambda x: -x.square().sum(dim=1), (2, 3))
    assert re.fullmatch(
        r"<Fit of 2 x 3 unknowns: fixed_draws, full_rank, \d+ iterations, converged>", repr(fit)
    )
    data = fit.to_arviz(50, name="velocity")
    assert data.posterior["velocity"].shape == (1, 50, 2, 3)
    np.testing.assert_array_equal(data.posterior["velocity"].values[0], fit.sample(50))


def test_the_verdict_sees_what_draws_of_the_fit_do_not():
    def banana(x):  # bent so far that draws of a Gaussian see one place of it
        bent = x[:, 1] + 0.03 * (x[:, 0].square() - 100)
        return -0.5 * ((x[:, 0] / 10).square() + bent.square())

    fit = pvi_hpc.fit(banana, 2)
    assert "does not cover" in fit.verdict.reasons[0] and fit.verdict.k_hat_wide is not None
    good = pvi_hpc.fit(lambda x: -x.square().sum(dim=1), 2)
    assert not good.verdict.reasons and good.verdict.k_hat_wide < 0.7


def test_heavy_tails_of_many_unknowns_are_seen_along_principal_directions():
    def student(x):
        return -0.5 * 3 * torch.log1p(x.square()).sum(dim=1)  # 2 degrees of freedom

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = pvi_hpc.fit(student, 120, iterations=100)
    assert fit.verdict.k_hat is None and fit.verdict.k_hat_wide is None
    assert fit.verdict.k_hat_along is not None
