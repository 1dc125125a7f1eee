"""A solver grid finer than the models': the interpolation, and all that must follow it."""

import numpy as np
import pytest
from run_example import make_run

from pvi_hpc.data.survey_file import SurveyFile, write_survey
from pvi_hpc.errors import ConfigError
from pvi_hpc.forward.acoustic.setup import AcousticSetup
from pvi_hpc.forward.refinement import Refinement
from pvi_hpc.forward.setup import SimulationSetup
from pvi_hpc.grid import Grid
from pvi_hpc.problem.forward import forward_problem, survey_geometry

GRID = Grid((4, 5, 3), (10.0, 20.0, 30.0), (100.0, 0.0, -60.0))


def test_the_fine_grid_ends_where_the_coarse_one_does():
    fine = Refinement((2, 1, 3)).fine(GRID)
    assert fine.shape == (7, 5, 7)
    assert fine.spacing == (5.0, 20.0, 10.0)
    assert (fine.origin, fine.upper) == (GRID.origin, GRID.upper)


def test_a_linear_model_is_sampled_exactly():
    def at(grid):
        z, y, x = np.meshgrid(*(grid.axis(i) for i in range(3)), indexing="ij")
        return 1500 + 0.7 * z - 0.2 * y + 0.05 * x

    refinement = Refinement((3, 2, 4))
    np.testing.assert_allclose(
        refinement.refine(at(GRID)), at(refinement.fine(GRID)), rtol=1e-13
    )


@pytest.mark.parametrize("factors", [(2, 3, 4), (1, 2, 1), (5, 1, 1)])
def test_the_transpose_is_exact(factors):
    rng, refinement = np.random.default_rng(1), Refinement(factors)
    model = rng.standard_normal(GRID.shape)
    cells = rng.standard_normal(refinement.fine(GRID).shape)
    forward = np.vdot(refinement.refine(model), cells)
    assert np.vdot(model, refinement.transpose(cells)) == pytest.approx(forward, rel=1e-13)


def test_setup_and_cost_follow_the_solver_grid(tmp_path):
    plain, fine = make_run(), make_run(forward__refine=[2, 1, 1])
    survey = survey_geometry(plain)
    write_survey(survey, tmp_path / "survey.h5")
    sent = forward_problem(fine).setup(SurveyFile(tmp_path / "survey.h5"), "hash")
    setup = AcousticSetup.from_setup(SimulationSetup.from_json(sent.to_json()))
    assert setup.grid.shape == (20, 28, 24)
    assert setup.solver.shape == (39, 28, 24)
    assert setup.solver.spacing == (25.0, 50.0, 50.0)
    assert setup.refinement == Refinement((2, 1, 1))
    costs = [forward_problem(run).cost(survey) for run in (plain, fine)]
    assert costs[1].memory > costs[0].memory
    # With 10 absorbing cells on either side.
    assert costs[1].forward_seconds / costs[0].forward_seconds == pytest.approx(59 / 40)


def test_the_stability_limit_is_that_of_the_solver_grid():
    run = make_run(forward__refine=2)
    findings = forward_problem(run).check(survey_geometry(run))
    (fault,) = [f for f in findings if f.level == "error"]
    assert "a spacing of 25 m; set 'forward.steps_per_sample: 2'" in fault.message
    run = make_run(forward__refine=2, forward__steps_per_sample=2)
    findings = list(forward_problem(run).check(survey_geometry(run)))
    assert not [f for f in findings if f.level == "error"]
    (points,) = [f for f in findings if f.setting == "grid.spacing_m"]
    before = forward_problem(make_run()).check(survey_geometry(make_run()))
    (coarse,) = [f for f in before if f.setting == "grid.spacing_m"]
    of = [float(f.message.split()[0]) for f in (coarse, points)]
    assert of[1] == pytest.approx(2 * of[0], rel=5e-3)


def test_a_begun_run_without_refinement_keeps_its_claim():
    assert make_run(forward__refine=1).fingerprint() == make_run().fingerprint()
    assert "refine" not in make_run().lasting_settings()["solver"]
    refined = make_run(forward__refine=2)
    assert refined.fingerprint() != make_run().fingerprint()
    assert refined.lasting_settings()["solver"]["refine"] == 2


def test_factors_out_of_range_are_refused():
    for factor in (0, 9, [2, 0, 1], 1.5):
        with pytest.raises((ConfigError, ValueError), match="forward"):
            make_run(forward__refine=factor)
