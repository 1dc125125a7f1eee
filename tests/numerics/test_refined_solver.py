"""A solver grid finer than the models': exact gradients, and waves nearer to the truth."""

import numpy as np
import pytest
from execution_case import DT, GRID, N_SAMPLES, make_models, make_survey

from pvi_hpc.data.survey_file import SurveyFile, write_survey
from pvi_hpc.forward.acoustic.acoustic_solver import AcousticSolver
from pvi_hpc.forward.acoustic.setup import AcousticSetup
from pvi_hpc.forward.acoustic.shots import ShotSolver
from pvi_hpc.forward.acoustic.solver_settings import SolverSettings
from pvi_hpc.forward.refinement import Refinement
from pvi_hpc.grid import Grid


def test_the_gradient_is_the_derivative_by_the_cells_of_the_models(tmp_path):
    write_survey(make_survey(), tmp_path / "survey.h5")
    refinement = Refinement((2, 1, 2))
    fine = refinement.fine(GRID)
    settings = SolverSettings(
        fine.shape, fine.spacing, DT / 4, 2500.0, 25.0, n_pml=6, free_surface=True,
        dtype="float64",
    )  # fmt: skip
    setup = AcousticSetup(GRID, settings, (N_SAMPLES - 1) * 4 + 1, 4, refinement=refinement)
    model = make_models(1)[0].astype(float)
    along = np.random.default_rng(1).standard_normal(GRID.shape)
    with AcousticSolver(settings) as waves:
        solver = ShotSolver(waves, setup, SurveyFile(tmp_path / "survey.h5"))
        solver.set_model(model)
        found = solver.simulate([2], "gradient")
        assert found.gradient.shape == GRID.shape
        ends = []
        for step in (0.01, -0.01):
            solver.set_model(model + step * along)
            ends.append(solver.simulate([2], "misfit").misfit)
    slope = (ends[0] - ends[1]) / 0.02
    assert np.vdot(found.gradient, along) == pytest.approx(slope, rel=1e-6)


def traces(grid, model, positions):
    """Simulate 1 s of one shot of 6 Hz on a grid."""
    t = 0.002 * np.arange(501)
    u = (np.pi * 6 * (t - 0.2)) ** 2
    settings = SolverSettings(grid.shape, grid.spacing, 0.002, 3500.0, 6.0, n_pml=10)
    with AcousticSolver(settings) as waves:
        waves.set_model(model)
        source, receivers = (grid.relative(x) for x in positions)
        return waves.forward(source, (1 - 2 * u) * np.exp(-u), receivers).astype(float)


def test_waves_on_a_finer_grid_are_nearer_to_those_in_the_true_model():
    """At four points a wavelength: 60 m cells, velocities of about 1500 m/s near the source."""
    coarse = Grid((12, 14, 16), (60.0,) * 3)
    true = Grid(tuple(3 * n for n in coarse.shape), (20.0,) * 3, (-20.0,) * 3)
    z, y, x = np.meshgrid(*(true.axis(i) for i in range(3)), indexing="ij")
    layers = 150 * np.sign(np.sin((z + 0.15 * x) / 60))
    finely = np.clip(1500 + 1.2 * z + 0.1 * y + layers, 1450, 3500)
    blocks = finely.reshape(12, 3, 14, 3, 16, 3).mean(axis=(1, 3, 5))
    receivers = np.array([[30.0, 400.0, 300.0 + d] for d in (50, 90, 150, 300, 450)])
    places = np.array([60.0, 390.0, 300.0]), receivers
    wanted = traces(true, finely, places)
    errors = []
    for factor in (1, 2):
        refinement = Refinement((factor,) * 3)
        found = traces(refinement.fine(coarse), refinement.refine(blocks), places)
        errors.append(np.linalg.norm(found - wanted) / np.linalg.norm(wanted))
    assert errors[1] < 0.6 * errors[0], errors
