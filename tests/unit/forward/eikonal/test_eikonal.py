"""Travel times as forward problem: tables, misfit, gradient, and what is refused."""

import numpy as np
import pytest
from pydantic import ValidationError
from run_example import make_run

from pvi_hpc.checks.run import check_run
from pvi_hpc.data.survey_file import SurveyFile, file_hash, write_survey
from pvi_hpc.errors import SolverError, SurveyError
from pvi_hpc.forward.eikonal.settings import BallsSettings
from pvi_hpc.forward.problem import plugin_of
from pvi_hpc.problem.forward import forward_problem, true_model

STATIONS = "station,y_m,x_m\nA,150,100\nB,150,1100\nC,900,500\nD,600,1000\n"
PICKS = """source_station,receiver_station,travel_time_s,sd_s
A,B,0.5,0.01
A,C,0,
B,C,0.47,0.02
A,D,0.51,0.03
"""
BALL = {"centre_m": [0, 500, 600], "radius_m": 250, "velocity_m_s": 1500}
SYNTHETIC = {"model": {"background_m_s": 2000, "balls": [BALL]}, "noise_sd_s": 1e-3}


@pytest.fixture
def times_run(tmp_path):
    (tmp_path / "stations.csv").write_text(STATIONS)
    (tmp_path / "picks.csv").write_text(PICKS)

    def make(synthetic=None, picks=True, prior=1500, **changes):
        forward = {
            "kind": "eikonal",
            "stations": str(tmp_path / "stations.csv"),
            "refine": 3,
        }
        if picks:
            forward["picks"] = str(tmp_path / "picks.csv")
        if synthetic is not None:
            forward["synthetic"] = synthetic
        grid = {"shape": [1, 11, 13], "spacing_m": 100}
        limits = {
            "kind": "uniform",
            "depth_m": [0],
            "lower_m_s": [prior],
            "upper_m_s": [2500],
        }
        return make_run(survey=None, grid=grid, prior=limits, forward=forward | changes)

    return make


def solver_of(run, folder):
    problem = forward_problem(run)
    write_survey(problem.geometry(), folder / "survey.h5")
    setup = problem.setup(SurveyFile(folder / "survey.h5"), file_hash(folder / "survey.h5"))
    return plugin_of("eikonal").solver(setup, folder, None)


def faults(run):
    return [f"{f.setting}: {f.message}" for f in check_run(run) if f.level == "error"]


def test_picks_are_grouped_by_source_and_missing_ones_left_out(times_run):
    run = times_run()
    survey = forward_problem(run).geometry()
    assert [shot.source.tolist() for shot in survey.shots] == [[0, 150, 100], [0, 150, 1100]]
    first, second = survey.shots
    np.testing.assert_allclose(first.data[:, 0], [0.5, 0.51])
    np.testing.assert_array_equal(first.noise_sd, [0.01, 0.03])
    np.testing.assert_array_equal(second.receivers, [[0, 900, 500]])
    assert faults(run) == []


def test_misfit_and_gradient_are_those_of_the_times(times_run, tmp_path):
    solver = solver_of(times_run(), tmp_path)
    rng = np.random.default_rng(2)
    model = 2000 * np.exp(0.05 * rng.standard_normal((1, 11, 13)))
    solver.set_model(model)
    found = solver.simulate([0, 1], "gradient")
    traces = solver.simulate([0, 1], "traces").traces
    left = np.concatenate(traces)[:, 0] - np.array([0.5, 0.51, 0.47])
    assert found.misfit == pytest.approx(
        0.5 * np.sum((left / [0.01, 0.03, 0.02]) ** 2), rel=1e-4
    )
    each = [solver.simulate([i], "gradient") for i in (0, 1)]
    np.testing.assert_allclose(each[0].gradient + each[1].gradient, found.gradient, rtol=1e-12)
    change, ends = 1e-3 * rng.standard_normal(model.shape), []
    for sign in (1, -1):
        solver.set_model(model + sign * change)
        ends.append(solver.simulate([0, 1], "misfit").misfit)
    slope = float(np.sum(found.gradient * change))
    assert 0.5 * (ends[0] - ends[1]) == pytest.approx(slope, rel=1e-4)


def test_gradients_of_noise_are_pulled_back(times_run, tmp_path):
    solver = solver_of(times_run(), tmp_path)
    solver.set_model(np.full((1, 11, 13), 2000.0))
    found = solver.noise_gradients(0, (3, 4)).gradient
    assert found.shape == (2, 1, 11, 13)
    assert not np.array_equal(found[0], found[1])


def test_synthetic_times_are_those_of_the_true_model(times_run):
    run = times_run(SYNTHETIC | {"noise_sd_s": 1e-9}, picks=False)
    survey = forward_problem(run).geometry()
    assert [len(shot.receivers) for shot in survey.shots] == [3, 2, 1]
    # Station A to station B passes below the ball, along a straight ray.
    assert survey.shots[0].data[0, 0] == pytest.approx(0.5, rel=1e-3)
    # The ball is between stations A and D: later than straight without it, earlier than with.
    straight = np.hypot(450, 900) / 2000
    assert straight * 1.02 < survey.shots[0].data[2, 0] < straight + 500 * (1 / 1500 - 1 / 2000)
    truth = true_model(run)
    assert truth[0, 5, 6] == 1500
    assert truth[0, 0, 0] == 2000
    assert faults(run) == []
    noisy = forward_problem(times_run(SYNTHETIC, picks=False)).geometry()
    assert 0 < abs(noisy.shots[0].data[0, 0] - survey.shots[0].data[0, 0]) < 6e-3


def test_another_truth_or_table_is_another_problem(times_run, tmp_path):
    run = times_run(SYNTHETIC, picks=False)
    other = times_run(SYNTHETIC | {"seed": 2}, picks=False)
    assert run.fingerprint() != other.fingerprint()
    solver_of(run, tmp_path)
    setup = forward_problem(run).setup(SurveyFile(tmp_path / "survey.h5"), "")
    (tmp_path / "stations.csv").write_text(STATIONS.replace("600", "610"))
    with pytest.raises(SolverError, match="has changed since the survey"):
        plugin_of("eikonal").solver(setup, tmp_path, None)


def test_what_cannot_work_is_refused(times_run, tmp_path):
    with pytest.raises(ValidationError, match="needs 'picks', or 'synthetic'"):
        times_run(picks=False)
    with pytest.raises(ValidationError, match="'noise_sd_s' has no effect"):
        times_run(SYNTHETIC, noise_sd_s=0.1)
    without = "\n".join(line.rsplit(",", 1)[0] for line in PICKS.splitlines())
    (tmp_path / "picks.csv").write_text(without)
    with pytest.raises(SurveyError, match=r"'forward\.noise_sd_s' must be set"):
        forward_problem(times_run()).geometry()
    survey = forward_problem(times_run(noise_sd_s=0.04)).geometry()
    np.testing.assert_array_equal(survey.shots[0].noise_sd, [0.04, 0.04])
    (tmp_path / "picks.csv").write_text(PICKS)
    (tmp_path / "stations.csv").write_text(STATIONS.replace("900", "9000"))
    assert any("outside the grid" in f for f in faults(times_run()))
    with pytest.raises(SurveyError, match=r"between the first and the last cell"):
        forward_problem(times_run(SYNTHETIC, picks=False)).geometry()
    (tmp_path / "stations.csv").write_text("station,lat_deg,lon_deg\nA,1,2\nB,2,3\n")
    with pytest.raises(SurveyError, match="must be in metres"):
        forward_problem(times_run(SYNTHETIC, picks=False)).geometry()
    with pytest.raises(ValidationError, match="balls"):
        BallsSettings.model_validate({"background_m_s": 2000, "balls": []})


def test_a_velocity_of_zero_is_refused(times_run, tmp_path):
    solver = solver_of(times_run(), tmp_path)
    model = np.full((1, 11, 13), 2000.0)
    model[0, 3, 4] = 0
    with pytest.raises(SolverError, match=r"must be positive and finite, got 0\.0 m/s"):
        solver.set_model(model)
