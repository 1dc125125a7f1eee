"""Products of every solver: symmetric, the derivative of the misfit's gradient, and exact."""

from dataclasses import replace

import numpy as np
import pytest
from execution_case import GRID, make_models, make_setup, make_solver

from pvi_hpc.forward.own_process import OwnProcessSimulator
from pvi_hpc.forward.setup import SimulationSetup

MUTE = {"min_offset_m": 30.0, "taper_m": 25.0}
NOISE = {"offset_edges_m": [35.0, 45.0], "time_edges_s": [0.015]}
PRECISIONS = (0.5, 2.0, 1.5, 0.1, 1.0, 3.0)
SHOTS = (1, 4)


@pytest.fixture(params=[False, True], ids=["plain", "weighed"])
def solver(request, tmp_path):
    """One with all weights that a likelihood may have, and one without."""
    likelihood = {"mute": MUTE, "noise": NOISE} if request.param else {}
    setup = replace(make_setup(tmp_path, "float64"), likelihood=likelihood)
    made = make_solver(SimulationSetup.from_json(setup.to_json()), tmp_path)
    made.set_precisions(PRECISIONS if likelihood else ())
    made.set_model(make_models(1)[0].astype(float))
    yield made
    made.close()


def product(solver, direction):
    solver.set_direction(direction)
    return solver.products(SHOTS).gradient


def test_products_are_symmetric_and_not_negative(solver):
    u, v = np.random.default_rng(1).standard_normal((2, *GRID.shape))
    by_u, by_v = product(solver, u), product(solver, v)
    assert np.vdot(v, by_u) == pytest.approx(np.vdot(u, by_v), rel=1e-9)
    assert np.vdot(u, by_u) > 0


def test_a_product_is_half_the_squared_change_of_the_data_by_the_noise(solver):
    """`v^T J^T W J v` against the weighed squares of a finite difference of the data."""
    model = make_models(1)[0].astype(float)
    along = np.random.default_rng(2).standard_normal(GRID.shape)
    found = np.vdot(along, product(solver, along))
    ends, expected = [], 0.0
    for half in (0.01, -0.01):
        solver.set_model(model + half * along)
        ends.append(solver._forward(solver.survey.shot(1), store=False))
        ends.append(solver._forward(solver.survey.shot(4), store=False))
    every, n = solver.setup.steps_per_sample, solver.survey.n_samples
    for i, index in enumerate(SHOTS):
        change = ((ends[i] - ends[i + 2]) / 0.02)[:, ::every][:, :n]
        expected += np.vdot(change, solver.misfit.weigh(change, solver.survey.shot(index)))
    assert found == pytest.approx(expected, rel=1e-5)


def test_a_simulator_of_one_process_takes_every_direction_in_turn(tmp_path):
    setup = make_setup(tmp_path, "float64")
    solver, model = make_solver(setup, tmp_path), make_models(1)[0]
    directions = np.random.default_rng(3).standard_normal((2, *GRID.shape)).astype(np.float32)
    found = OwnProcessSimulator(solver).products(model, list(directions), SHOTS)
    for each, direction in zip(found.products, directions, strict=True):
        np.testing.assert_array_equal(each, product(solver, direction))
    assert found.count.done == 4
    nothing = OwnProcessSimulator(solver).products(model, list(directions[:1]), ())
    assert not nothing.products.any()
    solver.close()
