"""Linear response of the linear tomography, whose variances are known exactly."""

from functools import cache

import numpy as np
import pytest
import torch
from tomography import tomography

from pvi_hpc.answers.linear_response import Response, begin, step
from pvi_hpc.config.questions import LinearResponseSettings
from pvi_hpc.families.gaussian.gaussian import GaussianFamily
from pvi_hpc.families.gaussian.precision import DensePrecision
from pvi_hpc.library.make import make_family

SIDE = 16


@cache
def case():
    return tomography(SIDE)


def weights():
    """The mean of the disc, one cell, and an answer that does not depend on the model."""
    rows = np.zeros((3, case().n))
    rows[0], rows[1, 37] = case().disc(), 1.0
    return rows


def covariance_of(kind, **options):
    family = make_family(kind, (1, SIDE, SIDE), **options)
    assert isinstance(family, GaussianFamily)
    precision = DensePrecision(torch.from_numpy(case().precision), case().active)
    parameters = family.informed(torch.zeros(case().n, dtype=torch.float64), precision)
    return lambda rows: family.apply(parameters, family.apply_transposed(parameters, rows))


def products(rows):
    return rows @ torch.from_numpy(case().precision)


def solved(covariance, **settings):
    limits = [LinearResponseSettings(**settings)] * 3
    state = begin(torch.from_numpy(weights()), covariance)
    states = [state]
    while len(active := state.active(limits)):
        state = step(state, active, products, covariance)
        states.append(state)
    return states


EXACT = [("mean_field", {}), ("structured", {"stencil": [1, 5, 5]})]


@pytest.mark.parametrize(("kind", "options"), EXACT)
def test_variances_grow_to_the_right_ones_and_the_rule_stops_in_time(kind, options):
    rows, states = weights(), solved(covariance_of(kind, **options), tolerance=1e-9)
    exact = np.einsum("kn,nm,km->k", rows, case().covariance, rows)
    found = np.stack([state.variances for state in states])
    np.testing.assert_allclose(found[-1], exact, rtol=1e-7)
    assert (np.diff(found, axis=0) >= -1e-12).all()
    assert states[-1].products[2] == 0  # it needs none
    early = solved(covariance_of(kind, **options))[-1]
    np.testing.assert_allclose(early.variances[:2], exact[:2], rtol=0.05)
    assert early.products.max() < 20


def test_with_the_posterior_itself_one_product_is_right():
    state = solved(covariance_of("full_rank"))[1]
    exact = np.einsum("kn,nm,km->k", weights(), case().covariance, weights())
    np.testing.assert_allclose(state.variances, exact, rtol=1e-6)


def test_each_answer_takes_its_own_products_and_goes_on_from_arrays():
    covariance = covariance_of("mean_field")
    limits = [LinearResponseSettings(products=k, tolerance=1e-9) for k in (5, 2, 1)]
    state = begin(torch.from_numpy(weights()), covariance)
    again = Response.of_arrays(state.arrays())
    while len(active := state.active(limits)):
        state = step(state, active, products, covariance)
        again = Response.of_arrays(step(again, active, products, covariance).arrays())
    np.testing.assert_array_equal(state.products, [5, 2, 0])
    np.testing.assert_array_equal(state.variances, again.variances)
    alone = begin(torch.from_numpy(weights()[1:2]), covariance)
    for _ in range(2):
        alone = step(alone, np.array([0]), products, covariance)
    assert alone.variances[0] == state.variances[1]
