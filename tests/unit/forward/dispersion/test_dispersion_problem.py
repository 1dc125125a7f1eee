"""Dispersion as forward problem: columns, misfit, gradient, and what is refused."""

import numpy as np
import pytest
from pydantic import ValidationError
from run_example import make_run

from pvi_hpc.checks.run import check_run
from pvi_hpc.data.survey_file import SurveyFile, file_hash, write_survey
from pvi_hpc.errors import SolverError, SurveyError
from pvi_hpc.forward.dispersion.scaling import ScalingSettings
from pvi_hpc.forward.problem import plugin_of
from pvi_hpc.problem.forward import forward_problem, true_model

PICKS = """wave,velocity,mode,period_s,velocity_m_s,sd_m_s
rayleigh,phase,0,2,2300,20
rayleigh,phase,0,4,2700,25
rayleigh,group,0,2,1900,30
love,phase,1,0.9,2500,40
love,phase,0,3,,40
rayleigh,phase,0,2,2320,20
"""
TWO = "wave,velocity,period_s,velocity_m_s,sd_m_s,y_m,x_m\n" + "".join(
    f"rayleigh,phase,{t},{v},20,0,{x}\n"
    for t, v, x in ((2, 2300, 990), (3, 2500, 0), (4, 2800, 1040))
)
SYNTHETIC = {
    "model": {"depth_m": [0, 1000, 3000], "vs_m_s": [1800, 2500, 3400]},
    "noise_sd_m_s": 1e-3,
}


@pytest.fixture
def curve_run(tmp_path):
    def make(text=PICKS, shape=(8, 1, 1), lower=1200, upper=4500, **forward):
        (tmp_path / "picks.csv").write_text(text)
        options = {"kind": "dispersion", "picks": str(tmp_path / "picks.csv")}
        grid = {"shape": list(shape), "spacing_m": [500, 1000, 1000], "origin_m": [250, 0, 0]}
        prior = {"kind": "uniform", "depth_m": [0], "lower_m_s": [lower], "upper_m_s": [upper]}
        return make_run(survey=None, grid=grid, prior=prior, forward=options | forward)

    return make


def solver_of(run, folder):
    problem = forward_problem(run)
    write_survey(problem.geometry(), folder / "survey.h5")
    setup = problem.setup(SurveyFile(folder / "survey.h5"), file_hash(folder / "survey.h5"))
    return plugin_of("dispersion").solver(setup, folder, None)


def faults(run, level="error"):
    return [f"{f.setting}: {f.message}" for f in check_run(run) if f.level == level]


def model_of(shape, seed=3):
    rng = np.random.default_rng(seed)
    rising = np.linspace(1900, 3500, shape[0])[:, None, None]
    return rising * np.exp(0.03 * rng.standard_normal(shape))


@pytest.mark.parametrize("vp", ["ratio", "brocher"])
@pytest.mark.parametrize("density", ["gardner", "brocher", 2600.0])
def test_relations_have_the_slopes_of_differences(vp, density):
    scaling, vs = ScalingSettings(vp=vp, density=density), np.array([800.0, 2500, 4400])
    rock = scaling.rock(vs)
    above, below = scaling.rock(vs + 0.1), scaling.rock(vs - 0.1)
    np.testing.assert_allclose((above.vp - below.vp) / 0.2, rock.vp_slope, rtol=1e-7)
    np.testing.assert_allclose(
        (above.density - below.density) / 0.2, rock.density_slope, rtol=1e-6, atol=1e-9
    )


def test_relations_are_those_of_their_papers():
    crust = ScalingSettings(vp="brocher", density="brocher").rock(np.array([3500.0]))
    # Brocher (2005): vs of 3.5 km/s has vp of 6.0 km/s and 2.72 g/cm3.
    assert crust.vp[0] == pytest.approx(6000, rel=0.01)
    assert crust.density[0] == pytest.approx(2720, rel=0.01)
    # Gardner et al. (1974): 4 km/s has 2.46 g/cm3.
    assert ScalingSettings(ratio=2.0).rock(np.array([2000.0])).density[0] == pytest.approx(
        2462, rel=1e-3
    )


@pytest.mark.parametrize(
    "options",
    [{}, {"scaling": {"vp": "brocher", "density": "brocher"}, "water": {"thickness_m": 300}}],
)
def test_misfit_and_gradient_are_those_of_the_velocities(curve_run, tmp_path, options):
    solver, model = solver_of(curve_run(**options), tmp_path), model_of((8, 1, 1))
    solver.set_model(model)
    found = solver.simulate([0], "gradient")
    [trace] = solver.simulate([0], "traces").traces
    assert trace.shape == (5, 1)  # without the missing pick
    assert trace[0, 0] == trace[4, 0]
    left = (trace[:, 0] - [2300, 2700, 1900, 2500, 2320]) / [20, 25, 30, 40, 20]
    assert found.misfit == pytest.approx(0.5 * np.sum(left**2), rel=1e-4)
    change = np.random.default_rng(1).standard_normal(model.shape)
    ends = []
    for k in (1, -1, 2, -2):
        solver.set_model(model + 0.1 * k * change)
        ends.append(solver.simulate([0], "misfit").misfit)
    slope = (8 * (ends[0] - ends[1]) - (ends[2] - ends[3])) / 1.2
    assert float(np.sum(found.gradient * change)) == pytest.approx(slope, rel=1e-7)


def test_products_are_those_of_the_jacobian(curve_run, tmp_path):
    solver, model = solver_of(curve_run(), tmp_path), model_of((8, 1, 1))
    rng = np.random.default_rng(1)
    first, second = rng.standard_normal((2, 8, 1, 1))
    solver.set_model(model)
    products = []
    for direction in (first, second):
        solver.set_direction(direction)
        products.append(solver.products([0]).gradient)
    assert np.sum(second * products[0]) == pytest.approx(np.sum(first * products[1]), rel=1e-10)
    assert np.sum(first * products[0]) > 0


def test_a_column_is_a_shot_of_its_own(curve_run, tmp_path):
    run = curve_run(TWO, shape=(6, 1, 2))
    survey = forward_problem(run).geometry()
    assert [len(shot.receivers) for shot in survey.shots] == [2, 1]
    solver, model = solver_of(run, tmp_path), model_of((6, 1, 2))
    solver.set_model(model)
    first, second, both = (
        solver.simulate(shots, "gradient").gradient for shots in ([0], [1], [0, 1])
    )
    assert not first[:, 0, 0].any()
    assert not second[:, 0, 1].any()
    np.testing.assert_array_equal(first + second, both)
    assert both.all()
    assert faults(run) == []


def test_a_mode_that_is_not_guided_is_finite_and_told(curve_run, tmp_path, caplog):
    solver = solver_of(curve_run(radius_m=None), tmp_path)
    solver.set_model(np.full((8, 1, 1), 2000.0))  # no Love wave at all
    found = solver.simulate([0], "gradient")
    assert np.isfinite(found.misfit)
    [trace] = solver.simulate([0], "traces").traces
    assert trace[3, 0] == 2000
    assert [r.message for r in caplog.records if "love mode 1 at 0.9 s" in r.message]
    assert len(caplog.records) == 1  # not for every model
    late = PICKS.replace("love,phase,1,0.9", "love,phase,7,3")
    [told] = [w for w in faults(curve_run(late), "warning") if "does not guide" in w]
    assert "has 1 points of modes" in told


def test_synthetic_curves_are_those_of_the_true_model(curve_run, tmp_path):
    run = curve_run(synthetic=SYNTHETIC)
    survey = forward_problem(run).geometry()
    [shot] = survey.shots
    assert shot.data.shape == (6, 1)  # the missing pick too
    truth = true_model(run)
    np.testing.assert_array_equal(
        truth[:, 0, 0], [1800, 1800, 2500, 2500, 2500, 2500, 3400, 3400]
    )
    solver = solver_of(run, tmp_path)
    solver.set_model(truth)
    [clean] = solver.simulate([0], "traces").traces
    assert 0 < np.abs(clean - shot.data).max() < 0.01
    assert faults(run) == []
    other = curve_run(synthetic=SYNTHETIC | {"seed": 2})
    assert run.fingerprint() != other.fingerprint()


def test_errors_of_picks_are_filled_and_raised(curve_run):
    text = PICKS.replace("2300,20", "2300,")
    with pytest.raises(SurveyError, match=r"'forward\.noise_sd_m_s' must be set, got 1 picks"):
        forward_problem(curve_run(text)).geometry()
    [shot] = (
        forward_problem(curve_run(text, noise_sd_m_s=33, noise_floor_m_s=28)).geometry().shots
    )
    np.testing.assert_array_equal(shot.noise_sd, [33, 28, 30, 40, 28])


def test_what_cannot_work_is_refused(curve_run, tmp_path):
    with pytest.raises(ValidationError, match="have no effect with 'synthetic'"):
        curve_run(synthetic=SYNTHETIC, noise_sd_m_s=10)
    layers = {"depth_m": [0, 0], "vs_m_s": [1800, 2500]}
    with pytest.raises(ValidationError, match="'depth_m' must increase"):
        curve_run(synthetic={"model": layers, "noise_sd_m_s": 1})
    with pytest.raises(SurveyError, match=r"'y_m' and 'x_m' of every pick"):
        forward_problem(curve_run(shape=(8, 1, 3))).geometry()
    with pytest.raises(SurveyError, match="must lie within 'grid'"):
        forward_problem(curve_run(TWO.replace("1040", "5000"), shape=(6, 1, 2))).geometry()
    [fault] = faults(curve_run(scaling={"vp": "brocher"}, upper=9000))
    assert "forward.scaling: must give a vp of more than 1.155 vs" in fault
    [fault] = faults(curve_run(radius_m=4000))
    assert "forward.radius_m: must be larger than the 4000 m of water and layers" in fault
    solver = solver_of(curve_run(), tmp_path)
    model = np.full((8, 1, 1), 2000.0)
    model[3] = -1
    solver.set_model(model)
    with pytest.raises(SolverError, match=r"must be positive and finite, got -1\.0 m/s"):
        solver.simulate([0], "misfit")


def test_a_half_space_within_the_reach_of_the_waves_is_told(curve_run):
    [told] = [w for w in faults(curve_run(), "warning") if w.startswith("grid.shape")]
    assert "puts the half-space at 3500 m below" in told
