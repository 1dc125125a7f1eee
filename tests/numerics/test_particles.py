"""SVGD and sSVGD against dense formulas and exact Gaussians, to the bit across resumption."""

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal
from vi_targets import GaussianTarget, precision_of

from pvi_hpc.cost import SimulationCount
from pvi_hpc.errors import ConfigError, NonFiniteError
from pvi_hpc.inference.method import load_method
from pvi_hpc.inference.methods.annealing import Annealing
from pvi_hpc.inference.methods.chain import collect, collected, fresh_chain
from pvi_hpc.inference.methods.particle_kernel import (
    Kernel,
    median_bandwidth,
    squared_distances,
)
from pvi_hpc.inference.settings import (
    HessianSettings,
    InferenceSettings,
    MethodSettings,
    OptimiserSettings,
    StartSettings,
)
from pvi_hpc.inference.state import State
from pvi_hpc.inference.target import TargetValue
from pvi_hpc.store.checkpoint import CheckpointStore


def particles_of(rng, n_particles, n, dtype=torch.float64):
    return torch.from_numpy(5 + rng.standard_normal((n_particles, n))).to(dtype)


def metric_of(rng, n, dtype=torch.float64):
    return torch.from_numpy(rng.uniform(0.5, 2.0, n)).to(dtype)


class IndependentTarget:
    """`log p = -sum_i scale_i (theta_i - 0.3)^2 / 2`, cheap in many unknowns."""

    def __init__(self, n):
        self.scale = np.random.default_rng(4).uniform(0.5, 2.0, n)

    def batches(self, iteration, n):
        return [()] * n

    def value(self, theta, batches=None):
        x = theta.double().numpy() - 0.3
        log_density = torch.from_numpy(-0.5 * (x * self.scale * x).sum(axis=1))
        gradient, zero = torch.from_numpy(-x * self.scale), torch.zeros_like(log_density)
        return TargetValue(zero, log_density, gradient, zero, SimulationCount())


class Cells:
    def __init__(self, n):
        self.n = n


def method_of(kind, target, n, *, iterations=60, samples=8, start=None, **settings):
    options = settings.pop("options", {})
    optimiser = settings.pop("optimiser", {"step": 0.05})
    inference = InferenceSettings(
        method=MethodSettings(kind=kind, options=options),
        iterations=iterations,
        samples=samples,
        optimiser=OptimiserSettings(**optimiser),
        **settings,
    )
    return load_method(Cells(n), target, inference, start or StartSettings(), 3)


def gaussian(rng, n):
    """Return a target of correlated cells, its mean and its covariance."""
    precision = 3 * precision_of(rng, n)
    mean = rng.standard_normal(n)
    return GaussianTarget(precision, mean), mean, np.linalg.inv(precision)


def run(method, n, until=None):
    state = method.init(torch.zeros(n, dtype=torch.float64), 1.0)
    for _ in range(until or method.n_iterations):
        state, info = method.step(state)
    return state, info


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_distances_are_those_of_a_double_loop(dtype):
    rng = np.random.default_rng(1)
    x, metric = particles_of(rng, 7, 5000, dtype), metric_of(rng, 5000, dtype)
    differences = (x[:, None] - x[None]).double()
    expected = (differences**2 * metric.double()).sum(dim=2)
    found = squared_distances(x, metric)
    rtol = 1e-12 if dtype is torch.float64 else 1e-5
    torch.testing.assert_close(found, expected, rtol=rtol, atol=0)
    pairs = expected[torch.triu_indices(7, 7, offset=1).unbind()]
    torch.testing.assert_close(
        median_bandwidth(found), float(pairs.median()) / np.log(8), rtol=1e-5, atol=0
    )


def test_the_direction_is_steins_with_the_derivative_of_the_kernel():
    rng = np.random.default_rng(2)
    x, gradient, metric = particles_of(rng, 6, 4), particles_of(rng, 6, 4), metric_of(rng, 4)
    kernel = Kernel.of(x, metric)

    def k(a, b):
        return torch.exp(-((a - b) ** 2 * metric).sum() / kernel.bandwidth)

    expected = torch.zeros_like(x)
    for i in range(6):
        for j in range(6):
            leaf = x[j].clone().requires_grad_()
            value = k(leaf, x[i])
            (by_leaf,) = torch.autograd.grad(value, leaf)
            expected[i] += (value.detach() * gradient[j] + by_leaf) / metric / 6
    size = kernel.direction(x, gradient, 1 / 6)
    torch.testing.assert_close(gradient, expected)
    assert size == pytest.approx(float(expected.norm()))


def test_noise_has_the_covariance_of_the_kernel_and_its_density():
    rng = np.random.default_rng(3)
    x, metric = particles_of(rng, 3, 2), metric_of(rng, 2)
    kernel = Kernel.of(x, metric, nugget=0.1)
    white = torch.eye(6, dtype=torch.float64).reshape(6, 3, 2)
    columns = []
    for noise in white:
        kernel.colour(noise)
        columns.append(noise.reshape(6))
    factor = torch.stack(columns, dim=1)
    covariance = torch.kron(kernel.matrix, torch.diag(1 / metric))
    torch.testing.assert_close(factor @ factor.T, covariance)

    a, b = particles_of(rng, 3, 2), particles_of(rng, 3, 2)
    difference = kernel.log_normal(a, 0.3) - kernel.log_normal(b, 0.3)
    density = multivariate_normal(np.zeros(6), 0.3 * covariance.numpy())
    expected = density.logpdf(a.numpy().ravel()) - density.logpdf(b.numpy().ravel())
    assert difference == pytest.approx(expected, rel=1e-10)
    # The determinants count too, between kernels and between steps.
    other = Kernel.of(b, metric, nugget=0.1)
    density_2 = multivariate_normal(
        np.zeros(6), 0.2 * np.kron(other.matrix, np.diag(1 / metric))
    )
    difference = kernel.log_normal(a, 0.3) - other.log_normal(a, 0.2)
    expected = density.logpdf(a.numpy().ravel()) - density_2.logpdf(a.numpy().ravel())
    assert difference == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("svgd", {"kernel": "diagonal"}),
        ("ssvgd", {"correction": "none", "kernel": "diagonal", "kept": 12}),
        ("ssvgd", {"kept": 12, "annealing": {"kind": "linear", "share": 0.8}}),
    ],
)
@pytest.mark.parametrize("precision", ["double", "single"])
def test_threads_and_resumption_change_no_bit(kind, options, precision, tmp_path):
    n, before = 9001, torch.get_num_threads()

    def fresh():
        return method_of(
            kind,
            IndependentTarget(n),
            n,
            iterations=6,
            samples=6,
            options=options,
            precision=precision,
        )

    ends = []
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            ends.append(run(fresh(), n)[0])
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
    state = run(fresh(), n, until=4)[0]
    store = CheckpointStore(tmp_path, "particles")
    store.save(4, state.to_tree())
    state, method = State.from_tree(store.load_latest().tree), fresh()
    while state.iteration < method.n_iterations:
        state, _ = method.step(state)
    for other in (ends[1], state):
        for part, values in {"parameters": ends[0].parameters, **ends[0].memory}.items():
            found = other.parameters if part == "parameters" else other.memory[part]
            assert values.keys() == found.keys()
            assert all(torch.equal(values[name], found[name]) for name in values), part
    assert state.parameters["particles"].dtype == getattr(
        torch, "float64" if precision == "double" else "float32"
    )


@pytest.mark.parametrize("kernel", ["rbf", "diagonal"])
def test_svgd_recovers_a_correlated_gaussian(kernel):
    covariance = np.array([[1.0, -0.6], [-0.6, 0.5]])
    target = GaussianTarget(np.linalg.inv(covariance), np.array([1.0, -2.0]))
    shrunk = {}
    for samples in (20, 200):
        method = method_of(
            "svgd",
            target,
            2,
            iterations=400,
            samples=samples,
            options={"kernel": kernel},
            optimiser={"step": 0.1, "final": 0.01},
        )
        x = run(method, 2)[0].parameters["particles"].numpy()
        np.testing.assert_allclose(x.mean(axis=0), target.mean, atol=0.01)
        found = np.cov(x.T, ddof=0)
        shrunk[samples] = 1 - np.trace(np.linalg.solve(covariance, found)) / 2
    np.testing.assert_allclose(found, covariance, atol=0.07)
    # Too small with few particles, and less so with more: SVGD's known defect.
    assert 0 < shrunk[200] < 0.08 < shrunk[20] < 0.3


def mean_and_covariance_errors(method, n, mean, covariance):
    """Return the worst deviations in units of their Monte Carlo errors, by batch means."""
    state = run(method, n)[0]
    x = collected(state.memory["chain"]).numpy()
    whitened = np.linalg.solve(np.linalg.cholesky(covariance), (x - mean).T).T
    moments = np.concatenate(
        [whitened, (whitened[:, :, None] * whitened[:, None] - np.eye(n)).reshape(len(x), -1)],
        axis=1,
    )
    batches = moments.reshape(20, -1, moments.shape[1]).mean(axis=1)
    errors = batches.std(axis=0, ddof=1) / np.sqrt(20)
    return np.abs(moments.mean(axis=0)) / errors, errors.max()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "step"),
    [
        ({}, 0.3),
        ({"kernel": "diagonal"}, 1.0),
        ({"correction": "none"}, 0.01),
    ],
)
def test_ssvgd_samples_a_correlated_gaussian_within_monte_carlo_error(options, step):
    rng = np.random.default_rng(6)
    target, mean, covariance = gaussian(rng, 3)
    method = method_of(
        "ssvgd",
        target,
        3,
        iterations=10500,
        samples=4,
        options={"kept": 16000, "burn_in": 1 / 21, **options},
        optimiser={"step": step, "schedule": "constant"},
    )
    deviations, error = mean_and_covariance_errors(method, 3, mean, covariance)
    assert error < 0.12
    assert deviations.max() < 4.0


def test_large_steps_are_wrong_without_the_correction_and_right_with_it():
    rng = np.random.default_rng(7)
    target, mean, covariance = gaussian(rng, 2)
    ratios = {}
    for correction in ("none", "metropolis"):
        method = method_of(
            "ssvgd",
            target,
            2,
            iterations=2200,
            samples=2,
            options={"kept": 4000, "burn_in": 1 / 11, "correction": correction},
            optimiser={"step": 0.12, "schedule": "constant"},
        )
        x = collected(run(method, 2)[0].memory["chain"]).numpy() - mean
        ratios[correction] = np.trace(np.linalg.solve(covariance, x.T @ x / len(x))) / 2
    assert ratios["none"] > 1.3
    assert abs(ratios["metropolis"] - 1) < 0.15


def test_the_map_phase_moves_one_point_before_particles_scatter():
    rng = np.random.default_rng(8)
    target, mean, _ = gaussian(rng, 3)
    method = method_of("svgd", target, 3, iterations=2, start=StartSettings(map_iterations=200))
    state = method.init(torch.zeros(3, dtype=torch.float64), 0.01)
    for _ in range(200):
        assert method.phase(state.iteration) == "map"
        state, info = method.step(state)
    assert len(info.log_prior) == 1
    assert method.phase(state.iteration) == "svgd"
    assert state.parameters["particles"].shape == (8, 3)
    np.testing.assert_allclose(state.parameters["particles"], np.tile(mean, (8, 1)), atol=0.05)


def test_particles_scatter_with_the_sds_of_the_curvature():
    rng = np.random.default_rng(11)
    scale = np.array([0.01, 1.0, 100.0])
    target = GaussianTarget(np.diag(1 / scale**2), rng.standard_normal(3))
    start = StartSettings(
        map_iterations=20, map_optimiser="lbfgs", map_step=0.3, hessian={"probes": 2}
    )
    method = method_of("ssvgd", target, 3, samples=200, iterations=2, start=start)
    state = run(method, 3, until=start.iterations)[0]
    assert method.phase(start.iterations - 1) == "hessian"
    assert method.phase(start.iterations) == "burn_in"
    x = state.parameters["particles"].numpy()
    np.testing.assert_allclose(x.std(axis=0)[:2], scale[:2], rtol=0.2)


def test_a_chain_keeps_evenly_spaced_sets_in_bounded_memory():
    chain = fresh_chain(torch.zeros(3, 2), kept=10, thinning=2)
    assert len(chain["samples"]) == 4
    for i in range(50):
        collect(chain, torch.full((3, 2), float(i + 1)), i)
        times = chain["samples"][: int(chain["sets"]), 0, 0]
        assert torch.equal(times, int(chain["thinning"]) * torch.arange(1, len(times) + 1.0))
    assert int(chain["thinning"]) == 16
    assert collected(chain).shape == (9, 2)


def test_draws_do_not_depend_on_how_many_are_drawn_at_once():
    target, _, _ = gaussian(np.random.default_rng(9), 3)
    for kind in ("svgd", "ssvgd"):
        method = method_of(kind, target, 3)
        state, info = run(method, 3)
        apart = torch.cat([method.sample(state, 3), method.sample(state, 17, first=3)])
        assert torch.equal(method.sample(state, 20), apart)
        assert method.log_prob(state, apart) is None
        assert np.isnan(info.terms).all()
        assert np.isfinite(info.log_prior).all()


def test_annealing_rises_to_one_and_stays():
    linear, cyclic = (
        Annealing(kind=kind, share=0.5, cycles=2) for kind in ("linear", "cyclic")
    )
    assert [linear.weight(i, 8) for i in range(8)] == [0.25, 0.5, 0.75, 1, 1, 1, 1, 1]
    assert [cyclic.weight(i, 8) for i in range(8)] == [0.5, 1, 0.5, 1, 1, 1, 1, 1]
    assert Annealing().weight(0, 8) == 1


def test_a_gradient_that_is_not_finite_stops_before_anything_changes():
    target, _, _ = gaussian(np.random.default_rng(10), 3)
    method = method_of("ssvgd", target, 3)
    state = run(method, 3, until=3)[0]
    before, target.mean = state.clone(), np.full(3, np.nan)
    with pytest.raises(NonFiniteError, match=r"Iteration 3, sample 0: .*not finite"):
        method.step(state)
    for part, values in state.memory.items():
        assert all(torch.equal(v, before.memory[part][k]) for k, v in values.items())
    assert torch.equal(state.parameters["particles"], before.parameters["particles"])


def test_impossible_options_are_refused():
    with pytest.raises(ConfigError, match="unknown to 'svgd': did you mean 'kernel'"):
        method_of("svgd", None, 3, options={"kernle": "rbf"})
    with pytest.raises(ConfigError, match=r"needs all shots: .*must be null, got 2"):
        method_of("ssvgd", None, 3, shots_per_sample=2)


@pytest.mark.parametrize("kind", ["svgd", "ssvgd"])
def test_what_only_a_family_has_is_refused(kind):
    with pytest.raises(ConfigError, match=rf"'inference.stop' must be null with .*: {kind}'"):
        method_of(kind, None, 3, stop={"window": 2})
    with pytest.raises(ConfigError, match=rf"natural' needs a family .*particles of '{kind}'"):
        method_of(kind, None, 3, optimiser={"kind": "natural"})
    start = StartSettings(hessian=HessianSettings(stencil=(1, 1, 3)))
    with pytest.raises(
        ConfigError, match=r"'start.hessian.stencil' must be null .*\(1, 1, 3\)"
    ):
        method_of(kind, None, 3, start=start)
