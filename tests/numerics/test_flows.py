"""Requirements of every flow: invert, know its volume, be a density, start at a Gaussian."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import pvi_hpc
from pvi_hpc.diagnostics.plane import TARGETS, plane_kl
from pvi_hpc.errors import ConfigError
from pvi_hpc.families.flows.planar import PlanarTransform
from pvi_hpc.families.flows.radial import RadialTransform
from pvi_hpc.families.load import load_family
from pvi_hpc.families.settings import FamilySettings
from pvi_hpc.store.checkpoint import CheckpointStore

ACTIVE = np.ones((2, 3, 2), bool)
ACTIVE[0, 1, 0] = False  # 11 unknowns, one fixed cell

SMALL: dict[str, dict[str, Any]] = {
    "planar": {"layers": 4},
    "radial": {"layers": 4},
    "affine_coupling": {"layers": 4, "hidden": [8, 8]},
    "spline_coupling": {"layers": 4, "hidden": [8, 8]},
    "maf": {"layers": 3, "hidden": [16]},
    "iaf": {"layers": 3, "hidden": [16]},
    "convolutional": {"blocks": [1, 2], "channels": 3},
}
KINDS = sorted(SMALL)


def load(kind, active=ACTIVE, **options):
    return load_family(FamilySettings(kind=kind, options={**SMALL[kind], **options}), active)


def bent(family, rng, size=0.1):
    """Return parameters away from the start, so that every layer does something."""
    mean = torch.from_numpy(rng.standard_normal(family.n))
    parameters = family.initial(mean, 0.7)
    for value in parameters.values():
        value += size * torch.from_numpy(rng.standard_normal(value.shape))
    return parameters


def normal(rng, *shape):
    return torch.from_numpy(rng.standard_normal(shape))


def log_normal(x):
    return -0.5 * (x * x).sum(dim=1) - 0.5 * x.shape[1] * np.log(2 * np.pi)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=8, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32 - 1), size=st.floats(0.01, 0.1))
def test_the_inverse_gives_back_what_was_put_in(kind, seed, size):
    rng, family = np.random.default_rng(seed), load(kind)
    parameters, eps = bent(family, rng, size), normal(rng, 5, family.n)
    theta = family.sample(parameters, eps)
    torch.testing.assert_close(family.standardise(parameters, theta), eps, atol=1e-7, rtol=0)
    # And from the other side, for points that the flow did not make.
    theta = 2 * normal(rng, 5, family.n)
    again = family.sample(parameters, family.standardise(parameters, theta))
    torch.testing.assert_close(again, theta, atol=1e-7, rtol=0)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=4, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32 - 1))
def test_the_log_determinant_is_that_of_the_jacobian(kind, seed):
    rng, family = np.random.default_rng(seed), load(kind)
    parameters, eps = bent(family, rng), normal(rng, 2, family.n)
    for one, log_det in zip(eps, family.log_det(parameters, eps), strict=True):
        jacobian = torch.autograd.functional.jacobian(
            lambda x: family.sample(parameters, x[None])[0], one
        )
        assert torch.linalg.slogdet(jacobian)[1] == pytest.approx(float(log_det), abs=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_the_density_of_a_sample_is_the_density_of_its_place(kind):
    rng, family = np.random.default_rng(3), load(kind)
    parameters, eps = bent(family, rng), normal(rng, 6, family.n)
    theta = family.sample(parameters, eps)
    expected = log_normal(eps) - family.log_det(parameters, eps)
    torch.testing.assert_close(family.log_q(parameters, eps), expected)
    torch.testing.assert_close(family.log_prob(parameters, theta), expected, atol=1e-7, rtol=0)


@pytest.mark.parametrize("kind", [k for k in KINDS if k != "convolutional"])
def test_the_density_integrates_to_one(kind):
    rng, family = np.random.default_rng(5), load(kind, np.ones((1, 1, 2), bool))
    parameters = bent(family, rng)
    draws = family.sample(parameters, normal(rng, 4000, 2)).detach()
    low, high = draws.min(dim=0).values - 3, draws.max(dim=0).values + 3
    axes = [
        torch.linspace(float(a), float(b), 300).double() for a, b in zip(low, high, strict=True)
    ]
    cell = float((axes[0][1] - axes[0][0]) * (axes[1][1] - axes[1][0]))
    places = torch.cartesian_prod(*axes)
    total = float(family.log_prob(parameters, places).exp().sum()) * cell
    assert total == pytest.approx(1.0, abs=2e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_a_flow_starts_as_independent_normal_cells(kind):
    rng, family = np.random.default_rng(7), load(kind)
    mean, eps = normal(rng, family.n), 1.5 * normal(rng, 4, family.n)
    parameters = family.initial(mean, 0.3)
    torch.testing.assert_close(family.sample(parameters, eps), mean + 0.3 * eps)
    torch.testing.assert_close(family.score(parameters, eps), -eps / 0.3)
    torch.testing.assert_close(
        family.log_q(parameters, eps), log_normal(eps) - family.n * np.log(0.3)
    )


@pytest.mark.parametrize("kind", KINDS)
def test_score_pullback_and_entropy_gradient_are_derivatives(kind):
    rng, family = np.random.default_rng(11), load(kind)
    parameters, eps = bent(family, rng), normal(rng, 3, family.n)
    theta = family.sample(parameters, eps).detach()
    direction, cotangent, h = normal(rng, 3, family.n), normal(rng, 3, family.n), 1e-5

    by_theta = [family.log_prob(parameters, theta + s * h * direction) for s in (1, -1)]
    slope = (family.score(parameters, eps) * direction).sum(dim=1)
    torch.testing.assert_close(
        (by_theta[0] - by_theta[1]) / (2 * h), slope, rtol=1e-5, atol=1e-6
    )

    moves = {name: normal(rng, *value.shape) for name, value in parameters.items()}
    moved = [{k: v + s * h * moves[k] for k, v in parameters.items()} for s in (1, -1)]
    for f, gradient in (
        (
            lambda p: (family.sample(p, eps) * cotangent).sum(),
            family.pullback(parameters, eps, cotangent),
        ),
        (
            lambda p: family.log_det(p, eps).mean(),
            family.entropy_gradient(parameters, eps),
        ),
    ):
        slope = sum((gradient[name] * moves[name]).sum() for name in moves)
        measured = (f(moved[0]) - f(moved[1])) / (2 * h)
        assert float(measured) == pytest.approx(float(slope), rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_a_checkpoint_gives_back_every_bit(kind, tmp_path):
    rng, family = np.random.default_rng(13), load(kind)
    parameters, eps = bent(family, rng), normal(rng, 4, family.n)
    store = CheckpointStore(tmp_path, "flow")
    store.save(1, {name: value.numpy() for name, value in parameters.items()})
    tree = store.load_latest().tree
    read = {name: torch.from_numpy(np.array(value)) for name, value in tree.items()}
    assert torch.equal(load(kind).sample(read, eps), family.sample(parameters, eps))
    assert torch.equal(load(kind).log_q(read, eps), family.log_q(parameters, eps))


@pytest.mark.parametrize("kind", KINDS)
def test_threads_and_the_generator_of_torch_change_no_bit(kind):
    shape = (3, 4, 5) if kind == "maf" else (6, 8, 10)
    active, before = np.ones(shape, bool), torch.get_num_threads()
    results = []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            torch.manual_seed(threads)
            family = load(kind, active)
            parameters = bent(family, np.random.default_rng(1), 0.02)
            eps = torch.from_numpy(np.random.default_rng(2).standard_normal((4, family.n)))
            found = family.pullback(parameters, eps, torch.ones_like(eps))
            results.append([family.sample(parameters, eps), *found.values()])
    finally:
        torch.set_num_threads(before)
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("kind", KINDS)
def test_single_precision_stays_single(kind):
    family = load(kind)
    parameters = family.initial(torch.zeros(family.n), 0.5)
    eps = torch.randn(3, family.n, generator=torch.Generator().manual_seed(1))
    assert {value.dtype for value in parameters.values()} == {torch.float32}
    theta = family.sample(parameters, eps)
    assert theta.dtype == torch.float32
    torch.testing.assert_close(family.standardise(parameters, theta), eps, atol=1e-4, rtol=0)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32 - 1), strength=st.floats(-30, 30))
def test_planar_inverses_hold_however_strong_the_layer(seed, strength):
    rng = np.random.default_rng(seed)
    w, u = normal(rng, 5), normal(rng, 5)
    # Negative strengths bend the layer back, to where it is nearly not invertible.
    layer = PlanarTransform(strength * w + 0.1 * u, w, normal(rng, 1)[0])
    x = 3 * normal(rng, 20, 5)
    torch.testing.assert_close(layer.inv(layer(x)), x, atol=1e-7, rtol=1e-7)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32 - 1), reach=st.floats(-5, 5), gain=st.floats(-20, 20))
def test_radial_inverses_hold_however_strong_the_layer(seed, reach, gain):
    rng = np.random.default_rng(seed)
    layer = RadialTransform(
        normal(rng, 5), torch.tensor(reach).double(), torch.tensor(gain).double()
    )
    x = 3 * normal(rng, 20, 5)
    x[0] = layer.centre
    slope = float((1 + layer.b / layer.a).clamp(max=1))
    torch.testing.assert_close(layer.inv(layer(x)), x, atol=1e-10 / slope, rtol=1e-10)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("shape", "kind", "layers"),
    [
        ("banana", "affine_coupling", 6),
        ("ring", "spline_coupling", 4),
        pytest.param("three_modes", "spline_coupling", 4, marks=pytest.mark.long),
    ],
)
def test_flows_reach_densities_that_no_gaussian_fits(shape, kind, layers):
    fitted = pvi_hpc.fit(
        TARGETS[shape],
        2,
        family={"kind": kind, "options": {"layers": layers, "hidden": [32, 32]}},
        iterations=600,
        samples=64,
        estimator={"landing": "never"},
        optimiser={"step": 0.02, "final": 0.01},
        start={"sd": 1.0},
    )
    forward, backward = plane_kl(
        lambda x: torch.from_numpy(fitted.log_prob(x.numpy())), TARGETS[shape]
    )
    assert forward < 0.05
    # The other way round as well: no mode is missed, no part of the ring left out.
    assert backward < 0.5


def test_what_cannot_be_held_is_refused():
    with pytest.raises(
        ConfigError, match=r"iaf' builds matrices.*n = 5000.*at most 4096.*'conv"
    ):
        load("iaf", np.ones((5, 100, 10), bool))
    with pytest.raises(ConfigError, match=r"affine_coupling' would hold .*'convolutional'"):
        load("affine_coupling", np.ones((100, 100, 100), bool), hidden=[64, 64])
    with pytest.raises(ConfigError, match="needs at least 2 unknowns"):
        load("maf", np.ones((1, 1, 1), bool))
    with pytest.raises(ConfigError, match=r"blocks' .*both colours.*got 4"):
        load("convolutional", blocks=[4])


@pytest.mark.parametrize(("option", "value"), [("layer", 3), ("layers", 0), ("seed", -1)])
def test_impossible_options_are_refused_by_name(option, value):
    with pytest.raises(ConfigError, match=rf"options\.{option}'.*'planar'"):
        load("planar", **{option: value})
