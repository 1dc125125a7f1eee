"""The precision of a posterior: symmetric, with a push that is the transpose of the pull."""

import numpy as np
import torch
from execution_case import GRID, make_models, make_setup, make_solver
from run_example import make_run

from pvi_hpc.forward.own_process import OwnProcessSimulator
from pvi_hpc.problem.curvature import PosteriorCurvature
from pvi_hpc.problem.model_map import ModelMap


def a_curvature(simulator, n_shots):
    tree = {
        "kind": "matern",
        "depth_m": [0, 110],
        "lower_m_s": [1700, 1800],
        "upper_m_s": [2600, 2700],
        "length_m": 30,
        "fixed_above_m": 15,
    }
    settings = make_run(prior=tree).prior
    model_map = ModelMap.build(settings.cells(GRID), settings, make_models(1)[0])
    return PosteriorCurvature(model_map, model_map.start_theta(), simulator, n_shots)


def test_the_change_of_the_model_is_the_transpose_of_the_pull():
    curvature, rng = a_curvature(None, 0), np.random.default_rng(1)
    by_model = rng.standard_normal((1, *GRID.shape))
    row = torch.from_numpy(1e3 * rng.standard_normal(curvature.model_map.n))
    pulled = float((curvature.pulled(by_model)[0] * row).sum())
    np.testing.assert_allclose(np.vdot(by_model[0], curvature.pushed(row)), pulled, rtol=1e-7)
    assert not curvature.pushed(0 * row).any()
    np.testing.assert_array_equal(curvature.products(row[None]), row[None])  # the prior's


def test_products_of_waves_are_symmetric_and_grow_with_the_unknowns(tmp_path):
    solver = make_solver(make_setup(tmp_path, "float64"), tmp_path)
    curvature = a_curvature(OwnProcessSimulator(solver), 6)
    rows = torch.from_numpy(
        np.random.default_rng(2).standard_normal((2, curvature.model_map.n))
    )
    found = curvature.products(rows)
    cross = rows.numpy() @ found.numpy().T
    # Directions travel in single precision.
    np.testing.assert_allclose(cross[0, 1], cross[1, 0], atol=1e-6 * cross[0, 0])
    assert cross[0, 0] > float(rows[0].square().sum())
    np.testing.assert_allclose(
        curvature.products(1e-4 * rows), 1e-4 * found, rtol=1e-4, atol=1e-7
    )
    assert curvature.count.done == 2 * 2 * 6
    solver.close()
