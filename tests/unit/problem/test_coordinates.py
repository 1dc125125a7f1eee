"""The field of a correlated prior as unknowns: the same posterior, in other coordinates."""

import numpy as np
import pytest
import torch

from pvi_hpc.config import Run
from pvi_hpc.errors import ConfigError
from pvi_hpc.families.gaussian.stencil import Stencil
from pvi_hpc.grid import Grid
from pvi_hpc.inference.starts.prior_entries import prior_entries
from pvi_hpc.problem.likelihood import NoData
from pvi_hpc.problem.model_map import ModelMap
from pvi_hpc.problem.posterior import Posterior

GRID = Grid((6, 7, 11), (50.0, 50.0, 50.0), (0.0, 0.0, 0.0))
LAW = {
    "depth_m": [0, 300],
    "lower_m_s": [1500, 2000],
    "upper_m_s": [3000, 4500],
    "kind": "whittle_matern",
    "length_m": [60.0, 120.0, 120.0],
}


def prior(**changes):
    return Run.model_fields["prior"].annotation.model_validate({**LAW, **changes})


def map_in(coordinates, **changes):
    law = prior(**changes)
    start = np.full(GRID.shape, 2400.0)
    return ModelMap.build(law.cells(GRID), law, start, coordinates)


def dense_correlation(model_map):
    eye = torch.eye(model_map.n, dtype=torch.float64)
    return model_map.prior.covariance_product(eye).numpy()


def test_the_density_of_the_field_is_that_of_its_covariance():
    there = map_in("field")
    z = torch.from_numpy(np.random.default_rng(1).standard_normal((2, there.n)))
    covariance = dense_correlation(there)
    whitened = np.linalg.solve(covariance, z.numpy().T)
    quadratic = (z.numpy().T * whitened).sum(axis=0)
    log_det = np.linalg.slogdet(2 * np.pi * covariance)[1]
    found = there.coordinates.log_prior(z)
    np.testing.assert_allclose(found, -0.5 * (quadratic + log_det), rtol=1e-9)
    value = Posterior(there, NoData()).value(z)
    np.testing.assert_allclose(value.gradient, -whitened.T, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(value.log_prior, found)


def test_both_coordinates_make_the_same_models():
    field, whitened = map_in("field"), map_in("whitened")
    xi = torch.from_numpy(np.random.default_rng(2).standard_normal((3, field.n)))
    models = whitened.models(xi)
    z = field.prior.to_field(xi)
    np.testing.assert_allclose(field.models(z), models, rtol=1e-12)
    np.testing.assert_allclose(field.unknowns(models), z, atol=1e-8)
    block = torch.zeros(field.n, dtype=torch.float64)
    block[30:34] = 1
    # The most probable change of the field is the image of that of the whitened unknowns.
    image = field.prior.to_field(whitened.coordinates.direction(block)[None])[0]
    np.testing.assert_allclose(field.coordinates.direction(block), image, atol=1e-9)


def test_the_start_is_the_model_itself():
    np.testing.assert_allclose(map_in("field").start_model(), 2400.0, atol=1e-6)


@pytest.mark.parametrize("alpha", [2, 4])
def test_the_entries_of_the_priors_precision_are_found_by_few_products(alpha):
    there = map_in("field", alpha=alpha)
    stencil = Stencil(there.active, (5, 5, 7))
    expected = np.linalg.inv(dense_correlation(there))
    products = []

    def product(x):
        products.append(len(x))
        return there.coordinates.precision(x)

    diagonal, couplings = prior_entries(stencil, product)
    np.testing.assert_allclose(diagonal, expected.diagonal(), rtol=1e-5)
    places = np.arange(there.n).reshape(GRID.shape)
    scale = np.abs(expected).max()
    for k, offset in enumerate(stencil.offsets):
        for cell in [(0, 0, 5), (2, 3, 5), (3, 2, 2)]:
            other = tuple(np.add(cell, offset))
            inside = all(0 <= o < n for o, n in zip(other, GRID.shape, strict=True))
            wanted = expected[places[other], places[cell]] if inside else 0
            assert couplings[(k, *cell)] == pytest.approx(wanted, abs=1e-7 * scale)
    assert sum(products) <= 6 * 7 * 9 + 1


def test_a_prior_whose_precision_reaches_far_is_refused_in_the_start():
    there = map_in("field", kind="matern", length_m=120.0, smoothness=1.0)
    stencil = Stencil(there.active, (3, 3, 3))
    with pytest.raises(ConfigError, match="couples cells at most 4 apart"):
        prior_entries(stencil, there.coordinates.precision)


def test_a_prior_without_a_field_is_refused():
    plain = {k: v for k, v in LAW.items() if k != "length_m"}
    law = Run.model_fields["prior"].annotation.model_validate({**plain, "kind": "uniform"})
    with pytest.raises(ConfigError, match=r"'inference\.coordinates: field' needs"):
        ModelMap.build(law.cells(GRID), law, np.full(GRID.shape, 2400.0), "field")
