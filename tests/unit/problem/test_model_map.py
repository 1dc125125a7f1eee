"""From unknowns to models: fixed cells, bounds, and the way back."""

import numpy as np
import pytest
import torch

from pvi_hpc.errors import ConfigError
from pvi_hpc.grid import Grid
from pvi_hpc.priors.uniform import UniformSettings
from pvi_hpc.problem.model_map import ModelMap

GRID = Grid((5, 3, 4), (50.0, 40.0, 30.0), (25.0, 0.0, 0.0))


def settings(**changes):
    tables = {"lower_m_s": (1600.0, 2000.0), "upper_m_s": (3000.0, 5000.0)}
    return UniformSettings(
        **{
            "kind": "uniform",
            "depth_m": (0.0, 200.0),
            "fixed_above_m": 120.0,
            **tables,
            **changes,
        }
    )


def build(model, **changes):
    chosen = settings(**changes)
    return ModelMap.build(chosen.cells(GRID), chosen, model)


def start():
    model = np.full(GRID.shape, 2500.0, np.float32)
    model[:2] = 1500
    return model


def test_cells_above_the_sea_bed_keep_the_starting_model():
    model_map = build(start())
    assert model_map.n == 3 * 3 * 4
    models = model_map.models(torch.randn(2, model_map.n, dtype=torch.float64))
    assert models.shape == (2, *GRID.shape)
    assert (models[:, :2] == 1500).all()
    assert (models[0, 2:] != models[1, 2:]).all()


def test_unknowns_invert_models_cell_by_cell():
    model_map = build(start())
    theta = torch.from_numpy(np.random.default_rng(2).standard_normal((3, model_map.n)))
    torch.testing.assert_close(model_map.unknowns(model_map.models(theta)), theta)


def test_the_gradient_reaches_each_unknown_from_its_own_cell():
    model_map = build(start())
    theta = torch.from_numpy(np.random.default_rng(3).standard_normal((2, model_map.n)))
    assert torch.autograd.gradcheck(
        model_map.models, theta.requires_grad_(), eps=1e-5, rtol=1e-6, atol=1e-4
    )


def test_the_start_is_reproduced():
    model_map = build(start())
    models = model_map.models(model_map.start_theta()[None])
    np.testing.assert_allclose(models[0], start(), rtol=1e-10)


def test_a_start_on_a_bound_is_moved_inside():
    model = start()
    model[4, 2, 3] = 5000
    assert build(model).start_theta().abs().max() == 3


def test_a_start_outside_the_prior_is_refused_with_the_first_cell():
    model = start()
    model[3, 1, 2] = 5500
    message = r"1 of 36 cells.*depth of 175 m, has 5500 m/s, not 1950 to 4750"
    with pytest.raises(ConfigError, match=message):
        build(model)


def test_a_start_of_another_shape_is_refused():
    with pytest.raises(ConfigError, match=r"shape \(5, 3, 4\), got shape \(4, 3, 5\)"):
        build(start().transpose(2, 1, 0))


def test_no_unknown_at_all_is_refused():
    with pytest.raises(ConfigError, match=r"'prior.fixed_above_m' must be above"):
        build(start(), fixed_above_m=1e4)


def test_expand_puts_values_back_on_the_grid():
    model_map = build(start())
    values = np.arange(2.0 * model_map.n).reshape(2, -1)
    full = model_map.expand(values, fixed=np.nan)
    np.testing.assert_array_equal(full[:, model_map.active], values)
    assert np.isnan(full[:, ~model_map.active]).all()
