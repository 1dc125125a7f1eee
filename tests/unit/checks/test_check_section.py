"""A grid of one cell along y: what a section is told, and what it cannot do."""

from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError
from run_example import make_run

from pvi_hpc.checks.run import check_run, render
from pvi_hpc.data.survey_file import write_survey
from pvi_hpc.forward.acoustic.plugin import AcousticProblem
from pvi_hpc.forward.acoustic.stability import max_time_step
from pvi_hpc.forward.problem import SimulationCost
from pvi_hpc.forward.refinement import Refinement
from pvi_hpc.grid import Grid
from pvi_hpc.problem.forward import survey_geometry

LINE = {"survey__synthetic__sources__y": None, "survey__synthetic__receivers__y": None}


@pytest.fixture(autouse=True)
def _no_native_solver(monkeypatch):
    cost = SimulationCost(10_000_000, 1.0, 3.0, "kept", "assumed")
    monkeypatch.setattr(AcousticProblem, "cost", lambda *_: cost)


def section(**changes):
    line = {} if "survey" in changes else LINE
    return make_run(grid__shape=[20, 1, 24], **line, **changes)


def errors_of(run, survey=None):
    return [f"{f.setting}: {f.message}" for f in check_run(run, survey) if f.level == "error"]


def test_a_section_without_y_passes_and_is_told_what_its_waves_are():
    run = section()
    findings = check_run(run)
    assert {f.level for f in findings} == {"ok"}, render(findings)
    assert any("line sources along y" in f.message for f in findings)
    points = survey_geometry(run).shots[0].receivers
    assert points.shape == (5, 3)
    assert not points[:, 1].any()


def test_positions_without_y_need_a_grid_of_one_cell_along_y():
    with pytest.raises(
        ValidationError, match=r"survey\.synthetic\.sources\.y' is missing; add"
    ):
        make_run(**LINE)


@pytest.mark.parametrize("shape", [[1, 20, 24], [20, 24, 1], [20, 1, 7], [20, 7, 24]])
def test_only_y_can_have_one_cell(shape):
    changes = LINE if shape[1] == 1 else {}
    messages = errors_of(make_run(grid__shape=shape, **changes))
    assert any("[nz, 1, nx] for a section" in m for m in messages), messages


def test_the_time_step_of_a_section_is_that_of_two_axes():
    limit = max_time_step(4000.0, (50.0, 50.0))
    assert limit > max_time_step(4000.0, (50.0, 50.0, 50.0))
    fits = section(survey__synthetic__dt_s=0.99 * limit, grid__spacing_m=[50, 1e-3, 50])
    assert errors_of(fits) == []
    (message,) = errors_of(section(survey__synthetic__dt_s=1.01 * limit))
    assert "exceeds the stability limit" in message


def test_points_off_the_section_and_vy_are_refused_with_the_remedy():
    run = section(survey__component="vy")
    survey = survey_geometry(run)
    assert any("'vy' is zero in a section" in m for m in errors_of(run))
    moved = tuple(
        replace(s, receivers=s.receivers + np.array([0, 26, 0])) for s in survey.shots
    )
    near = tuple(replace(s, receivers=s.receivers + np.array([0, 24, 0])) for s in survey.shots)
    given = section(survey__component="pressure")
    plain = replace(survey, component="pressure")
    assert errors_of(given, replace(plain, shots=near)) == []
    (message,) = errors_of(given, replace(plain, shots=moved))
    assert "Project them on the section" in message


def test_field_data_of_a_section_are_warned_about(tmp_path):
    run = section()
    survey = replace(survey_geometry(run), component="pressure")
    path = tmp_path / "survey.h5"
    data = [np.ones((len(s.receivers), survey.n_samples), np.float32) for s in survey.shots]
    write_survey(survey.with_data(data), path)
    field = section(survey={"format": "hdf5", "files": [str(path)]})
    warned = [f.message for f in check_run(field) if f.level == "warning"]
    assert any("corrected" in m and "point sources" in m for m in warned), warned


def test_one_cell_stays_one_cell_of_its_width_when_the_grid_is_refined():
    grid = Grid((9, 1, 9), (10.0, 40.0, 10.0))
    fine = Refinement((2, 2, 2)).fine(grid)
    assert (fine.shape, fine.spacing) == ((17, 1, 17), (5.0, 40.0, 5.0))
    inside = grid.contains(np.array([[10, 20, 10], [10, -20, 10], [10, 21, 10], [-1, 0, 10]]))
    assert inside.tolist() == [True, True, False, False]
    assert grid.axes == (0, 2)
