"""Gradients of noise: their covariance, what is made of it, and the starts that it gives."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from families_examples import SHAPE, active_cells, family_of

from pvi_hpc.cost import SimulationCount
from pvi_hpc.diagnostics.known_gaussian import dense_factor, gaussian_kl
from pvi_hpc.errors import ConfigError
from pvi_hpc.families.gaussian.precision import DensePrecision
from pvi_hpc.families.gaussian.stencil import Stencil
from pvi_hpc.families.settings import FamilySettings
from pvi_hpc.inference.method import Evaluations, load_method
from pvi_hpc.inference.settings import HessianSettings, InferenceSettings, StartSettings
from pvi_hpc.inference.starts.noise_start import SHARES
from pvi_hpc.inference.starts.noise_sums import Rows, StencilSums
from pvi_hpc.inference.starts.prior_entries import at_offset
from pvi_hpc.inference.target import NoiseRows, NoiseTarget, TargetValue
from pvi_hpc.numerics.random import keyed_rng

ACTIVE = active_cells()
N = int(ACTIVE.sum())
#: Long enough that two sweeps of them leave little noise.
SHOTS = 400


@dataclass
class LinearShots:
    """Every shot measures the same averages over neighbours, each with noise of its own.

    With `curved` the curvature falls with the distance from the mean.
    """

    operator: np.ndarray
    n_shots: int = SHOTS
    curved: bool = False

    whitened = True

    @property
    def active(self):
        return ACTIVE

    def prior_precision(self, theta):
        return theta

    @property
    def precision(self):
        return np.eye(N) + self.operator.T @ self.operator

    def batches(self, iteration, n):
        return [tuple(range(self.n_shots))] * n

    def stratum(self, step, shots):
        return tuple(range(shots))

    def value(self, theta, batches=None):
        x = theta.double().numpy()
        data = x @ self.operator.T
        gradient = torch.from_numpy(-x - data @ self.operator)
        log_likelihood = torch.from_numpy(-0.5 * (data**2).sum(axis=1))
        prior = torch.from_numpy(-0.5 * (x**2).sum(axis=1))
        return TargetValue(log_likelihood, prior, gradient, prior, SimulationCount(done=1))

    def noise_rows(self, theta, shots, keys):
        rows = []
        for x, shot in zip(theta.numpy(), shots, strict=True):
            shrunk = np.exp(-0.5 * (x**2).mean()) if self.curved else 1.0
            for key in keys:
                signs = keyed_rng(key, "test", shot).integers(0, 2, len(self.operator)) * 2 - 1
                rows.append(shrunk * signs @ self.operator / self.n_shots**0.5)
        return NoiseRows(torch.from_numpy(np.array(rows)), SimulationCount(done=len(shots)))


def averages(strength=3.0):
    """Return an operator that measures each cell together with half of its neighbours."""
    cells = np.argwhere(ACTIVE)
    near = (abs(cells[:, None] - cells).sum(axis=2)) == 1
    return strength * (np.eye(N) + 0.5 * near)


def started(family, target, hessian, mean=None, iterations=1):
    """Return the parameters after a start, and what each iteration told."""
    assert isinstance(target, NoiseTarget)
    named = FamilySettings(kind="structured")
    settings = InferenceSettings(iterations=iterations, family=named)
    start = StartSettings(hessian=hessian)
    method = load_method(family, target, settings, start, 3)
    state = method.init(torch.zeros(N, dtype=torch.float64) if mean is None else mean, 0.3)
    infos = []
    for _ in range(start.iterations):
        state, info = method.step(state)
        infos.append(info)
    assert "hessian" not in state.memory
    return state.parameters, infos


def divergence(family, parameters, matrix):
    zero = np.zeros(N)
    return gaussian_kl(zero, dense_factor(family, parameters), zero, matrix)


@pytest.mark.parametrize(
    "name",
    ["mean_field", "full_rank", "psvi_3x3x5", "psvi_ellipsoid", "precision_structured"],
)
def test_many_gradients_of_noise_give_the_start_of_the_exact_precision(name):
    family, target = family_of(name), LinearShots(averages())
    hessian = HessianSettings(kind="noise", sweeps=2, smooth_cells=0, shrink=1.0)
    found, infos = started(family, target, hessian)
    exact = DensePrecision(torch.from_numpy(target.precision), ACTIVE)
    best = family.informed(torch.zeros(N, dtype=torch.float64), exact)
    least = divergence(family, best, target.precision)
    alone = divergence(family, family.initial(torch.zeros(N).double(), 1.0), target.precision)
    # 800 gradients: an entry is known to 5 %, and a KL is quadratic in its error.
    assert divergence(family, found, target.precision) < least + 0.02 * (alone - least) + 1
    assert [info.count.done for info in infos] == [SHOTS, SHOTS]


def test_a_low_rank_family_starts_from_products():
    target = LinearShots(averages()[:3])
    hessian = HessianSettings(kind="noise", sweeps=1, draws=2, shrink=1.0)
    family = family_of("low_rank")
    found, _ = started(family, target, hessian)
    assert divergence(family, found, target.precision) < 1.5


def test_averages_over_neighbours_spare_most_gradients():
    family, few = family_of("psvi_3x3x5"), LinearShots(averages(), n_shots=6)
    lost = []
    for smooth in (0, 1.5):
        hessian = HessianSettings(kind="noise", sweeps=1, smooth_cells=smooth, shrink=1.0)
        found, _ = started(family, few, hessian)
        lost.append(divergence(family, found, few.precision))
    assert lost[1] < 0.3 * lost[0]


def test_an_average_of_products_is_positive_semi_definite_with_holes_and_edges():
    whole = tuple(2 * n - 1 for n in SHAPE)
    sums = StencilSums(Stencil(ACTIVE, whole), 1.0)
    rng = np.random.default_rng(3)
    size = 10.0 ** rng.uniform(-3, 3, N)  # from cell to cell, as amplitudes of waves
    rows = torch.from_numpy(rng.standard_normal((2, N)) * size)
    matrix = sums.precision(sums.add(sums.fresh(), rows), 1.0, 1.0).dense().numpy()
    np.testing.assert_allclose(matrix, matrix.T, rtol=1e-12)
    assert np.linalg.eigvalsh(matrix - np.eye(N))[0] > -1e-9 * matrix.max()


def test_a_share_of_the_couplings_leaves_the_diagonal():
    rows = torch.from_numpy(np.random.default_rng(4).standard_normal((5, N)))
    for sums in (
        StencilSums(Stencil(ACTIVE, (3, 3, 5)), 0.0),
        Rows(N, whole=True),
        Rows(N, whole=False),
    ):
        seen = sums.add(sums.fresh(), rows)
        whole, half = (sums.precision(seen, 0.2, share).dense() for share in (1.0, 0.5))
        expected = (rows.T @ rows * 0.2 + torch.eye(N)).double()
        entries = whole != 0
        np.testing.assert_allclose(whole[entries], expected[entries], rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(half.diagonal(), whole.diagonal())
        off = ~torch.eye(N, dtype=torch.bool)
        np.testing.assert_allclose(half[off], 0.5 * whole[off], atol=1e-12)


@pytest.mark.parametrize("offset", [(0, 0, 1), (1, -1, 2), (2, 2, -2), (3, 0, 0), (4, 0, 0)])
def test_later_cells_are_those_at_the_offset(offset):
    values = np.random.default_rng(1).standard_normal((4, 3, 5))
    found = at_offset(values, offset)
    for cell in np.ndindex(values.shape):
        there = np.add(cell, offset)
        inside = (there >= 0).all() and (there < values.shape).all()
        assert found[cell] == (values[tuple(there)] if inside else 0)


def test_the_share_of_the_largest_elbo_is_chosen():
    # Six shots seen once, without averages: couplings as estimated are all but singular.
    family, few = family_of("psvi_3x3x5"), LinearShots(averages(), n_shots=6)
    hessian = HessianSettings(kind="noise", sweeps=1, smooth_cells=0)
    found, infos = started(family, few, hessian)
    assert infos[-1].step < 1
    by_share = []
    for share in SHARES:
        given = HessianSettings(kind="noise", sweeps=1, smooth_cells=0, shrink=share)
        by_share.append(divergence(family, started(family, few, given)[0], few.precision))
    assert divergence(family, found, few.precision) < 1.25 * min(by_share)
    assert by_share[0] > 2 * min(by_share)


def test_later_sweeps_see_the_curvature_where_the_posterior_lies():
    family = family_of("mean_field")
    sds = []
    for sweeps in (1, 4):
        hessian = HessianSettings(kind="noise", sweeps=sweeps, smooth_cells=0, shrink=1.0)
        weak = LinearShots(averages(0.5), curved=True)
        sds.append(float(started(family, weak, hessian)[0]["log_sd"].exp().mean()))
    assert sds[1] > 1.02 * sds[0]


def test_the_result_does_not_depend_on_how_many_gradients_are_held(monkeypatch):
    family, target = family_of("psvi_3x3x5"), LinearShots(averages(), n_shots=20)
    hessian = HessianSettings(kind="noise", sweeps=2)
    whole, _ = started(family, target, hessian)
    monkeypatch.setattr("pvi_hpc.inference.starts.noise_start.ROOM", 8 * N * 2 * 7)
    parts, _ = started(family, target, hessian)
    for name, value in whole.items():
        np.testing.assert_allclose(parts[name], value, rtol=1e-10, atol=1e-12)


def test_simulations_are_announced_as_they_are_done():
    def announced(name, **settings):
        start = StartSettings(
            map_iterations=2, map_shots=3, hessian=HessianSettings(kind="noise", **settings)
        )
        given = InferenceSettings(iterations=1, family=FamilySettings(kind="structured"))
        method = load_method(family_of(name), LinearShots(averages()), given, start, 1)
        return [method.evaluations(i) for i in range(method.n_iterations)]

    before = [Evaluations(strata=1)] * 2
    sweeps, last = [Evaluations(whole=1)] * 2, Evaluations(minibatch=2)
    chosen = Evaluations(minibatch=2 * len(SHARES))
    assert announced("psvi_3x3x5") == [*before, *sweeps, chosen, last]
    assert announced("mean_field") == [*before, *sweeps, Evaluations(), last]
    assert announced("mean_field", shrink=1.0) == [*before, *sweeps, last]


def test_a_target_without_noise_is_refused():
    class Plain:
        def batches(self, iteration, n):
            return [()] * n

    settings = InferenceSettings(iterations=1)
    start = StartSettings(hessian=HessianSettings(kind="noise"))
    method = load_method(family_of("mean_field"), Plain(), settings, start, 3)
    state = method.init(torch.zeros(N, dtype=torch.float64), 0.3)
    with pytest.raises(ConfigError, match=r"'start\.hessian\.kind' must be 'differences'"):
        method.step(state)
