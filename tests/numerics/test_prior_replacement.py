"""Replacing the prior gives the posterior of an inversion with the new one."""

import numpy as np
import pytest
import torch
from replacement_case import (
    CELLS,
    SHAPE,
    N,
    NormalCase,
    affine,
    implied,
    map_of,
    rays,
)
from scipy.stats import norm

from pvi_hpc.answers.replacement.change import PriorChange
from pvi_hpc.answers.replacement.evidence import Evidence
from pvi_hpc.answers.replacement.fit import elbo_terms, replace_prior
from pvi_hpc.answers.replacement.gate import marginals, open_gate
from pvi_hpc.answers.replacement.implied import ImpliedTarget
from pvi_hpc.answers.replacement.tempered import tempered_terms
from pvi_hpc.config.hypotheses import HypothesisSettings
from pvi_hpc.diagnostics.known_gaussian import dense_factor, gaussian_kl
from pvi_hpc.families.capabilities import InformedStart
from pvi_hpc.families.gaussian.precision import DensePrecision
from pvi_hpc.library.make import make_family, make_prior

OLD, NEW = NormalCase(2000, 100, 1.0), NormalCase(2060, 140, 3.0)
SETTINGS = HypothesisSettings(name="a", prior={"sd_m_s": 1}, iterations=150, samples=32)


def target_of(old, new, operator, data, coordinates="whitened"):
    mean, precision, _ = old.exact(operator, data)
    return implied(old.model_map(coordinates), new.model_map(coordinates), mean, precision)


@pytest.mark.parametrize("coordinates", ["whitened", "field"])
@pytest.mark.parametrize("closed_form", [True, False])
def test_a_linear_problem_has_its_exact_posterior(coordinates, closed_form):
    operator = rays()
    data = NEW.data(operator, 1)
    target = target_of(OLD, NEW, operator, data, coordinates)
    found = replace_prior(target, SETTINGS, 1, closed_form)
    mean, precision, log_evidence = NEW.exact(operator, data)
    shift, factor = affine(target.change.new)
    location = shift + factor @ found.parameters["mu"].numpy()
    root = factor @ dense_factor(found.family, found.parameters)
    assert gaussian_kl(location, root, mean, precision) < 0.05
    ratio = log_evidence - OLD.exact(operator, data)[2]
    terms = elbo_terms(target, found, 300, 1).total
    told = Evidence.of(terms, found.log_evidence_ratio)
    assert told.log_ratio == pytest.approx(ratio, abs=2 * told.standard_error + 1e-6)
    if closed_form:
        assert (found.iterations, told.kind) == (0, "exact")


def test_evidence_ratios_lie_within_their_errors():
    operator, off = rays(), []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        new = NormalCase(2000 + 40 * rng.standard_normal(), 80 + 60 * rng.random(), 2.0)
        data = OLD.data(operator, seed)
        target = target_of(OLD, new, operator, data)
        exact = new.exact(operator, data)[2] - OLD.exact(operator, data)[2]
        closed = replace_prior(target, SETTINGS, 1)
        assert closed.log_evidence_ratio == pytest.approx(exact, abs=1e-6)
        # Importance weights of a q that is a third too wide.
        wide = {name: value.clone() for name, value in closed.parameters.items()}
        wide["log_sd"] += 0.3
        wide["lower"] *= np.exp(0.3)
        draws = type(closed)(closed.family, wide, 0)
        told = Evidence.of(elbo_terms(target, draws, 2000, seed).total)
        assert told.kind == "weights" and 0.003 < told.standard_error < 0.3
        assert told.lower_bound < exact + 2 * told.lower_bound_se
        off.append((told.log_ratio - exact) / told.standard_error)
    assert np.sum(np.abs(off) > 2) <= 3  # 1 of 20 is expected
    assert np.abs(off).max() < 4


@pytest.mark.parametrize("seed", [0, 2])
def test_a_tempered_path_finds_the_evidence_that_weights_do_not(seed):
    operator, rng = rays(), np.random.default_rng(seed)
    new = NormalCase(2000 + 40 * rng.standard_normal(), 80 + 60 * rng.random(), 3.0)
    data = OLD.data(operator, seed)
    target = target_of(OLD, new, operator, data)
    exact = new.exact(operator, data)[2] - OLD.exact(operator, data)[2]
    full = replace_prior(target, SETTINGS, 1)
    factor = dense_factor(full.family, full.parameters)
    # A mean field, which knows nothing of the strong correlations of this posterior.
    family = make_family("mean_field", SHAPE)
    precision = DensePrecision(torch.from_numpy(np.linalg.inv(factor @ factor.T)), CELLS.active)
    assert isinstance(family, InformedStart)
    narrow = type(full)(family, family.informed(full.parameters["mu"], precision), 0)
    bound = Evidence.of(elbo_terms(target, narrow, 1000, 1).total)
    assert bound.kind == "bound" and bound.log_ratio < exact - 2
    found = bound.along_path(tempered_terms(target, narrow, 128, 64, seed))
    assert found.kind == "tempered" and found.lower_bound == bound.lower_bound
    assert 0.02 < found.standard_error < 0.3
    assert found.log_ratio == pytest.approx(exact, abs=2.5 * found.standard_error)


def test_the_gradient_is_that_of_the_value_between_priors_of_other_shapes():
    cells = {"spacing_m": 10, "depth_m": [0, 30]}
    old = make_prior("uniform", SHAPE, lower_m_s=[1500, 1600], upper_m_s=[2600, 2700], **cells)
    new = make_prior(
        "matern", SHAPE, marginal="normal", mean_m_s=[2000, 2100], sd_m_s=[150] * 2,
        length_m=20, lower_m_s=[1550, 1650], upper_m_s=[2900, 2950], **cells,
    )  # fmt: skip
    family = make_family("mean_field", SHAPE)
    parameters = family.initial(torch.full((N,), 0.2, dtype=torch.float64), 0.5)
    target = ImpliedTarget(PriorChange(map_of(old), map_of(new)), family, parameters)
    theta = torch.from_numpy(np.random.default_rng(5).standard_normal((3, N))) / 2
    value, step = target.value(theta), 1e-5

    def density(at):
        found = target.value(at)
        return found.log_likelihood + found.log_prior

    for i, direction in enumerate(torch.eye(N, dtype=torch.float64)):
        slope = (density(theta + step * direction) - density(theta - step * direction)) / (
            2 * step
        )
        torch.testing.assert_close(value.gradient[:, i], slope, rtol=1e-5, atol=1e-6)


def test_a_change_of_bounds_agrees_with_quadrature():
    """Independent cells: every one is an integral over its velocity."""
    cells = {"spacing_m": 10, "depth_m": [0, 30]}
    old = make_prior("uniform", SHAPE, lower_m_s=[1000] * 2, upper_m_s=[3000] * 2, **cells)
    new = make_prior(
        "normal", SHAPE, mean_m_s=[2150] * 2, sd_m_s=[150] * 2, lower_m_s=[1500] * 2,
        upper_m_s=[2800] * 2, **cells,
    )  # fmt: skip
    family = make_family("mean_field", SHAPE)
    location = torch.linspace(-0.4, 0.6, N, dtype=torch.float64)
    parameters = family.initial(location, 0.25)
    target = ImpliedTarget(PriorChange(map_of(old), map_of(new)), family, parameters)
    found = replace_prior(target, SETTINGS, 1)
    told = Evidence.of(elbo_terms(target, found, 2000, 1).total)

    m = np.linspace(1500, 2800, 20001)[1:-1]
    theta = norm.ppf((m - 1000) / 2000)
    prior = norm.pdf(m, 2150, 150) / (norm.cdf(650 / 150) - norm.cdf(-650 / 150))
    log_ratio, means, sds = 0.0, [], []
    for centre in location.numpy():
        density = prior * norm.pdf(theta, centre, 0.25) / norm.pdf(theta)
        mass = np.trapezoid(density, m)
        log_ratio += np.log(mass)
        means.append(np.trapezoid(density * m, m) / mass)
        sds.append(np.sqrt(np.trapezoid(density * m**2, m) / mass - means[-1] ** 2))
    assert told.log_ratio == pytest.approx(log_ratio, abs=2 * told.standard_error + 1e-3)
    assert told.lower_bound <= log_ratio and told.k_hat < 0.5
    draws = torch.cat([target.change.velocities(t) for t, _ in found.draws(4000, 2, "check")])
    np.testing.assert_allclose(draws.mean(dim=0), means, atol=0.05 * np.mean(sds))
    np.testing.assert_allclose(draws.std(dim=0), sds, rtol=0.06)


def gate_of(target, found):
    return open_gate(*marginals(target, found, 400, 1))


def test_a_prior_near_by_passes_the_gate_and_others_are_refused():
    operator = rays()
    target = target_of(OLD, NEW, operator, OLD.data(operator, 2))
    assert gate_of(target, replace_prior(target, SETTINGS, 1)).passed
    far = target_of(OLD, NormalCase(3500, 50, 1.0), operator, OLD.data(operator, 2))
    gate = gate_of(far, replace_prior(far, SETTINGS, 1))
    assert not gate.passed and gate.failed == 1.0
    assert "no mass where the new one lives: 100 %" in gate.refusal()

    cells = {"spacing_m": 10, "depth_m": [0, 30]}
    low = make_prior("uniform", SHAPE, lower_m_s=[1500] * 2, upper_m_s=[2000] * 2, **cells)
    high = make_prior("uniform", SHAPE, lower_m_s=[2100] * 2, upper_m_s=[2900] * 2, **cells)
    family = make_family("mean_field", SHAPE)
    parameters = family.initial(torch.zeros(N, dtype=torch.float64), 0.5)
    disjoint = ImpliedTarget(PriorChange(map_of(low), map_of(high)), family, parameters)
    gate = gate_of(disjoint, replace_prior(disjoint, SETTINGS, 1))
    assert not gate.passed and gate.outside == 1.0 and gate.k_hat > 0.7


def test_a_posterior_that_is_not_positive_definite_is_refused():
    old, new = NormalCase(2000, 100, 1.0), NormalCase(2000, 150, 1.0)
    # Wider than its own prior: the implied likelihood grows without bound.
    target = implied(
        old.model_map(), new.model_map(), np.full(N, 2000.0), np.linalg.inv(old.covariance) / 4
    )
    with pytest.raises(ValueError, match="wider than its prior"):
        replace_prior(target, SETTINGS, 1)


def test_cells_must_be_the_same():
    prior = make_prior("uniform", SHAPE, spacing_m=10, depth_m=[0, 30], lower_m_s=[1, 1],
                       upper_m_s=[2, 2])  # fmt: skip
    one = map_of(prior)
    other = type(one)(prior, type(CELLS).of(CELLS.grid, 15.0), one.start, one.coordinates)
    with pytest.raises(ValueError, match=r"'prior\.fixed_above_m' of a hypothesis"):
        PriorChange(one, other)
