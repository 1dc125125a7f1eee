"""Gradients of a misfit with weights, through the solver of a gang, against differences."""

from dataclasses import replace

import numpy as np
import pytest
from execution_case import DT, N_SAMPLES, make_models, make_setup, make_solver, make_survey

from pvi_hpc.forward.comparison import DataMisfit
from pvi_hpc.forward.grouping import offsets
from pvi_hpc.forward.likelihood import LikelihoodSettings
from pvi_hpc.forward.setup import SimulationSetup
from pvi_hpc.forward.weighting import Weighting

MUTE = {
    "min_offset_m": 30.0,
    "taper_m": 25.0,
    "before": {"velocity_m_s": 4000, "taper_s": 0.01},
    "after": {"time_s": 0.03, "taper_s": 0.01},
}


def a_solver(folder, likelihood):
    setup = replace(make_setup(folder, precision="float64"), likelihood=likelihood)
    # As a gang gets it.
    return make_solver(SimulationSetup.from_json(setup.to_json()), folder)


def test_the_gradient_of_a_muted_misfit_is_its_derivative(tmp_path):
    solver, rng = a_solver(tmp_path, {"mute": MUTE}), np.random.default_rng(2)
    model, along = make_models(1)[0].astype(float), rng.standard_normal((12, 14, 16))
    solver.set_model(model)
    found = solver.simulate([1, 4], "gradient")

    def misfit(step):
        solver.set_model(model + step * along)
        return solver.simulate([1, 4], "misfit").misfit

    slope = (misfit(0.01) - misfit(-0.01)) / 0.02
    assert np.vdot(found.gradient, along) == pytest.approx(slope, rel=1e-6)
    solver.close()
    plain = a_solver(tmp_path, {})
    plain.set_model(model)
    assert found.misfit < 0.9 * plain.simulate([1, 4], "misfit").misfit
    plain.close()


def test_the_gradient_with_noise_factors_and_its_squares(tmp_path):
    noise = {"offset_edges_m": [35.0, 45.0], "time_edges_s": [0.015]}
    solver, rng = a_solver(tmp_path, {"mute": MUTE, "noise": noise}), np.random.default_rng(2)
    model, along = make_models(1)[0].astype(float), rng.standard_normal((12, 14, 16))
    precisions = (0.5, 2.0, 1.5, 0.1, 1.0, 3.0)
    solver.set_model(model)
    solver.set_precisions(precisions)
    found = solver.simulate([1, 4], "gradient")
    assert found.misfit == pytest.approx(0.5 * np.dot(precisions, found.squares))

    def misfit(step):
        solver.set_model(model + step * along)
        return solver.simulate([1, 4], "misfit").misfit

    slope = (misfit(0.01) - misfit(-0.01)) / 0.02
    assert np.vdot(found.gradient, along) == pytest.approx(slope, rel=1e-6)
    solver.close()


def test_a_limit_that_every_receiver_keeps_changes_no_bit(tmp_path):
    nearest = min(float(offsets(shot).min()) for shot in make_survey().shots)
    results = []
    for likelihood in ({}, {"mute": {"min_offset_m": 0.5 * nearest}}):
        solver = a_solver(tmp_path, likelihood)
        solver.set_model(make_models(1)[0])
        results.append(solver.simulate([0, 2, 3], "gradient"))
        solver.close()
    assert results[0].misfit == results[1].misfit
    np.testing.assert_array_equal(results[0].gradient, results[1].gradient)


def test_other_weights_are_another_forward_problem(tmp_path):
    setup = make_setup(tmp_path)
    muted = replace(setup, likelihood={"mute": MUTE})
    assert muted.fingerprint() != setup.fingerprint()
    assert replace(muted, threads=3).fingerprint() == muted.fingerprint()


@pytest.mark.parametrize("more", [{}, {"spectrum": {"correlation_s": 0.006}}])
def test_gradients_of_noise_have_the_covariance_that_weighs_the_residuals(tmp_path, more):
    """`E[w w^T]` against the derivative of the misfit's derivative by the data."""
    noise = {"offset_edges_m": [35.0, 45.0], "time_edges_s": [0.015]}
    given = LikelihoodSettings.model_validate({"mute": MUTE, "noise": noise, **more})
    misfit = DataMisfit(Weighting(given, DT, N_SAMPLES), (0.5, 2.0, 1.5, 0.1, 1.0, 3.0))
    shot = make_survey().shots[1]
    rng = np.random.default_rng(6)
    data, along = rng.standard_normal((2, 5, N_SAMPLES))
    ends = [misfit.compare(data + h * along, shot).derivative for h in (0.5, -0.5)]
    curved = float(np.vdot(along, ends[0] - ends[1]))
    squares = [
        float(np.vdot(along, misfit.noise(shot, N_SAMPLES, key, 1))) ** 2 for key in range(2000)
    ]
    # Squares of nearly normal numbers: five standard errors of their mean.
    assert np.mean(squares) == pytest.approx(curved, rel=5 * np.sqrt(2 / 2000))
    solver = a_solver(tmp_path, given.lasting())
    solver.set_model(make_models(1)[0])
    before = solver.noise_gradients(1, [3]).gradient
    solver.set_precisions((4.0,) * 6)
    np.testing.assert_allclose(solver.noise_gradients(1, [3]).gradient, 2 * before, rtol=1e-9)
    solver.close()
