"""Gradients streamed into Adam leave the parameters that stored ones do, to the bit."""

from typing import Any

import numpy as np
import pytest
import torch
from vi_targets import GaussianTarget, precision_of

from pvi_hpc.errors import NonFiniteError
from pvi_hpc.families.gaussian.mean_field import MeanField
from pvi_hpc.families.gaussian.structured import Structured
from pvi_hpc.inference.methods.vi import VariationalInference
from pvi_hpc.inference.optimisers import update
from pvi_hpc.inference.settings import EstimatorSettings, InferenceSettings, OptimiserSettings
from pvi_hpc.numerics.random import BLOCK, keyed_rng, standard_normal

SHAPE = (4, 5, 6)
FAMILIES: dict[str, tuple[Any, dict[str, Any]]] = {
    "mean_field": (MeanField, {}),
    "structured": (Structured, {"stencil": [3, 5, 3]}),
}


def method_of(kind, precision, **settings):
    """A dense target on a grid with a fixed layer and a fixed cell."""
    rng = np.random.default_rng(2)
    active = np.ones(SHAPE, bool)
    active[0] = active[2, 1, 2] = False
    family, options = FAMILIES[kind]
    family = family.from_options(active, family.Options(**options))
    target = GaussianTarget(precision_of(rng, family.n), rng.standard_normal(family.n))
    settings = {"iterations": 20, "samples": 4, "precision": precision, **settings}
    return VariationalInference(family, target, InferenceSettings(**settings), seed=3)


def run(method, iterations):
    state = method.init(torch.zeros(method.family.n), 0.5)
    norms = []
    for _ in range(iterations):
        state, info = method.step(state)
        norms.append(info.gradient_norm)
    return state, norms


@pytest.mark.parametrize("kind", FAMILIES)
@pytest.mark.parametrize("precision", ["single", "double"])
@pytest.mark.parametrize("landing", ["regression", "never"])
def test_the_bits_are_those_of_stored_gradients(kind, precision, landing, monkeypatch):
    method = method_of(kind, precision, estimator=EstimatorSettings(landing=landing))
    streamed, norms = run(method, 6)
    monkeypatch.setattr(update, "streams", lambda family, settings: False)
    stored, expected = run(method, 6)
    np.testing.assert_allclose(norms, expected, rtol=1e-12)
    for name, value in stored.parameters.items():
        assert torch.equal(streamed.parameters[name], value), name
        for moment in ("first", "second"):
            assert torch.equal(streamed.memory[moment][name], stored.memory[moment][name])


def test_other_optimisers_are_not_streamed():
    assert not update.streams(
        method_of("structured", "double").family, OptimiserSettings(kind="sgd")
    )


def test_single_precision_follows_double():
    double, _ = run(method_of("structured", "double", samples=64), 20)
    single, _ = run(method_of("structured", "single", samples=64), 20)
    difference = single.parameters["mu"].double() - double.parameters["mu"]
    # Other random numbers, the same distribution of them.
    assert float(difference.abs().max()) < 0.1
    assert all(value.dtype == torch.float32 for value in single.parameters.values())


@pytest.mark.parametrize("kind", FAMILIES)
def test_a_gradient_that_overflows_is_an_error_and_changes_nothing(kind):
    method = method_of(kind, "single")
    state, _ = run(method, 2)
    before = state.clone()
    # Finite, but its square, which Adam keeps, is not a float32.
    method.target.precision[0, 0] = 1e25
    with pytest.raises(NonFiniteError, match=r"Iteration 2, all samples.*not\s+finite"):
        method.step(state)
    for name, value in before.parameters.items():
        assert torch.equal(state.parameters[name], value)
        assert torch.equal(state.memory["second"][name], before.memory["second"][name])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_draws_do_not_depend_on_threads_and_no_block_repeats(dtype):
    out = np.empty(2 * BLOCK + 1000, dtype)
    standard_normal(out[None], [(5, "epsilon", 1, 0)], threads=1)
    again = np.empty_like(out)
    standard_normal(again[None], [(5, "epsilon", 1, 0)], threads=3)
    np.testing.assert_array_equal(out, again)
    rows = np.empty((2, 2, 300_000), dtype)
    for threads, filled in zip((1, 3), rows, strict=True):
        standard_normal(filled, [(5, "epsilon", 1, i) for i in range(2)], threads)
    np.testing.assert_array_equal(rows[0], rows[1])
    np.testing.assert_array_equal(rows[0, 0], out[:300_000])
    assert abs(np.corrcoef(rows[0])[0, 1]) < 0.05
    first = keyed_rng(5, "epsilon", 1, 0).standard_normal(1000, dtype)
    np.testing.assert_array_equal(out[:1000], first)
    blocks = out[:1000], out[BLOCK : BLOCK + 1000], out[-1000:]
    assert abs(np.corrcoef(blocks) - np.eye(3)).max() < 0.15
    assert abs(out.mean()) < 5 / np.sqrt(out.size)
    assert abs(out.var() - 1) < 5 * np.sqrt(2 / out.size)
