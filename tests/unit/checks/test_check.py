"""`pvi check`: a good run passes, and each fault has one message with its remedy."""

import re
from dataclasses import replace

import h5py
import numpy as np
import pytest
from run_example import GOOD, make_run

from pvi_hpc.checks import resources
from pvi_hpc.checks.controller_cost import controller_cost
from pvi_hpc.checks.run import check_report, check_run, refuse, render
from pvi_hpc.config import parse_project
from pvi_hpc.data.survey_file import write_survey
from pvi_hpc.errors import ConfigError, SolverError
from pvi_hpc.forward.acoustic.plugin import AcousticProblem
from pvi_hpc.forward.problem import SimulationCost
from pvi_hpc.problem.forward import forward_problem, survey_geometry

ONE = SimulationCost(10_000_000, 1.0, 3.0, "kept", "assumed")


@pytest.fixture(autouse=True)
def _no_native_solver(request, monkeypatch):
    if "native" not in request.node.name:
        monkeypatch.setattr(AcousticProblem, "cost", lambda *_: ONE)


def with_data(run, n=20):
    """Return the geometry of a run with traces, as if it were a prepared survey."""
    survey = survey_geometry(run)
    rng = np.random.default_rng(1)
    data = [
        rng.standard_normal((len(s.receivers), survey.n_samples)).astype(np.float32)
        for s in survey.shots
    ]
    return survey.with_data(data)


def only_error(findings):
    errors = [f for f in findings if f.level == "error"]
    assert len(errors) == 1, render(findings)
    return f"{errors[0].setting}: {errors[0].message}"


def warnings_of(findings):
    return [f"{f.setting}: {f.message}" for f in findings if f.level == "warning"]


def test_a_good_run_passes_and_its_cost_is_told():
    findings = check_run(make_run())
    assert {f.level for f in findings} == {"ok"}, render(findings)
    cost = next(f for f in findings if f.setting == "cost")
    assert "120 simulations" in cost.message
    refuse(findings, "good")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"survey__synthetic__receivers__x__last_m": 1200},
            r"receivers: shot 1: its receiver at \(z, y, x\) = \(25, 50, 1200\) m is outside "
            r"the grid.*x 0 to 1150 m; 24 of 120.*'grid\.shape' or 'grid\.origin_m'",
        ),
        (
            {"survey__synthetic__sources__depth_m": -1},
            r"sources: shot 1: its source.*\(-1, 100, 100\) m is outside.*z 0 to 950",
        ),
        (
            {"grid__origin_m": [0, 80, 0], "survey__synthetic__sources__y__first_m": 100},
            r"receivers: shot 1.*y 80 to 1430.*30 of 120",
        ),
        (
            {"forward__free_surface": True, "survey__synthetic__receivers__depth_m": 0},
            r"receivers: shot 1.*free surface.*'forward\.free_surface: false'",
        ),
        (
            {"prior__upper_m_s": [2700, 8000]},
            r"prior\.upper_m_s: the time step of 0\.005 s exceeds.*0\.0028\d+ s at 8000 m/s.*"
            r"'forward\.steps_per_sample: 2'",
        ),
        (
            {"survey__wavelet__ricker__peak_hz": 5.0},
            r"grid\.spacing_m: 2\.7\d grid points per wavelength at 1500 m/s and 11.*is 3: use "
            r"a spacing of at most 45.*now 50.*raise 'prior\.lower_m_s' to 16\d\d",
        ),
        (
            {"survey__wavelet__ricker__delay_s": 1.2},
            r"survey: 'survey\.wavelet\.ricker' lasts 1\.4\d+ s, longer than.* of 1\.25 s",
        ),
        (
            {"survey__wavelet__ricker__delay_s": 0.2},
            r"survey: 'survey\.wavelet\.ricker\.delay_s' must be at least.*got 0\.2 s",
        ),
        (
            {"start__model": {"depth_m": [0, 950], "velocity_m_s": [1600, 2200]}},
            r"start\.model: must lie between.*at z = 500 m it is 1915.*bounds 1921.*50\.00%"
            r".*'prior\.lower_m_s'",
        ),
        (
            {"start__model": {"depth_m": [0, 950], "velocity_m_s": [2600, 4100]}},
            r"start\.model: must lie between.*at z = \d+ m it is .*, and \d+\.00% of the model",
        ),
        (
            {"start__model": {"file": "absent.h5"}},
            r"start\.model: Model file 'absent\.h5' does not exist",
        ),
        (
            {"survey__synthetic__model__water_m": 999},
            r"survey\.synthetic\.model: 'synthetic\.model\.water_m' must be less than.*950",
        ),
        (
            {"inference__shots_per_sample": 7},
            r"inference\.shots_per_sample: must be at most the survey's 6 shots, got 7; null",
        ),
        (
            {"prior__fixed_above_m": 960.0},
            r"prior\.fixed_above_m: must be above the grid's last cell at 950 m.*got 960",
        ),
        (
            {"prior__kind": "matern", "prior__length_m": 1e7},
            r"prior: 'prior\.length_m' must let neighbouring cells differ.*along z",
        ),
        (
            {"prior__upper_m_s": [1500.00001, 4000]},
            r"prior: 'lower_m_s' must be below 'upper_m_s' by more than a float32 resolves",
        ),
        (
            {
                "prior__kind": "normal", "prior__lower_m_s": None,
                "prior__mean_m_s": [2000, 3000], "prior__sd_m_s": [300, 300],
            },
            r"prior\.lower_m_s: must be given with 'forward\.kind: acoustic', or the prior al",
        ),
        (
            {"prior__kind": "whittle_matern", "prior__length_m": {"file": "absent.npy"}},
            r"prior: 'prior\.length_m\[z\]\.file' must be a file, but 'absent\.npy' is none",
        ),
        (
            {
                "grid__shape": [20, 2, 24],
                "survey__synthetic__sources__y": {"first_m": 0, "last_m": 0, "n": 1},
                "survey__synthetic__receivers__y": {"first_m": 0, "last_m": 0, "n": 1},
            },
            r"grid\.shape: must have at least 8 cells along each axis with 'forward\.kind: "
            r"acoustic', or \[nz, 1, nx\] for a section in two dimensions, got \[20, 2, 24\]",
        ),
        (
            {"inference__family": {"kind": "psvi"}},
            r"inference\.family: 'inference\.family\.kind' must be one of .*got 'psvi'",
        ),
        (
            {"inference__family": {"kind": "structured", "options": {"stencil": [4, 4, 4]}}},
            r"inference\.family: .*options\.stencil': must be three odd.*got \[4, 4, 4\]",
        ),
        (
            {"execution__executor": "nowhere"},
            r"execution\.executor: 'execution\.executor' must be one of.*got 'nowhere'",
        ),
    ],
)  # fmt: skip
def test_each_impossible_setting_has_one_message(changes, message):
    findings = check_run(make_run(**changes))

    assert re.search(message, only_error(findings)), only_error(findings)
    with pytest.raises(ConfigError, match=r"Run 'good' cannot work"):
        refuse(findings, "Run 'good'")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"prior__depth_m": [0, 800]}, r"prior.depth_m: covers 0 to 800 m, the grid 0 to 950"),
        (
            {"execution__workers": 4096},
            "execution.workers: 4096 workers of 1 ranks of 1 threads",
        ),
        ({"execution__workers": 3, "execution__shots_per_task": 6}, "2 tasks at a time for 3"),
        (
            {"prior__fixed_above_m": 100.0},
            "start.model: is 'prior_mean', so that the cells above 'prior.fixed_above_m: 100'",
        ),
        (
            {"prior__kind": "matern", "prior__length_m": 40},
            "prior.length_m: is 40 m along z, less than a cell of 50 m",
        ),
        (
            {
                "prior__kind": "matern", "prior__length_m": 300,
                "start__model": {
                    "depth_m": [0, 400, 401, 950], "velocity_m_s": [1900, 2000, 3000, 3500]
                },
            },
            "start.model: is one that the prior hardly allows: the inversion starts from",
        ),
        ({"survey__wavelet__ricker__peak_hz": 4.2}, "below 3.5, expect some dispersion"),
        (
            {"survey__synthetic__model__velocity_top_m_s": 1550},
            "survey.synthetic.model: no run can find it, for at z = 0 m it is 1",
        ),
    ],
)  # fmt: skip
def test_each_doubtful_setting_has_a_warning_and_no_error(changes, message, monkeypatch):
    monkeypatch.setattr(AcousticProblem, "cost", lambda *_: replace(ONE, memory=1000))
    monkeypatch.setattr(resources, "_cores_here", lambda: 4)
    findings = check_run(make_run(**changes))
    assert not [f for f in findings if f.level == "error"], render(findings)
    assert any(message in line for line in warnings_of(findings)), render(findings)


def test_the_fixed_water_layer_counts_among_the_velocities():
    water = {"depth_m": [0, 99, 100, 950], "velocity_m_s": [1450, 1450, 2400, 3000]}
    prior = {"prior__lower_m_s": [1700, 2300], "prior__fixed_above_m": 100.0}
    findings = check_run(make_run(start__model=water, **prior))
    assert not [f for f in findings if f.level == "error"], render(findings)
    assert any("at 1450 m/s" in f.message for f in findings)
    assert "start.model" in only_error(
        check_run(make_run(start__model=water, prior__lower_m_s=[1700, 2300]))
    )


def test_a_true_model_too_fast_for_the_time_step_is_refused():
    findings = check_run(make_run(survey__synthetic__model__velocity_bottom_m_s=7000))
    assert "survey.synthetic.model: the time step" in only_error(findings)


def test_points_at_an_absorbing_top_are_fine():
    findings = check_run(make_run(survey__synthetic__receivers__depth_m=0))
    assert {f.level for f in findings} == {"ok"}, render(findings)


def test_every_fault_is_found_at_once():
    run = make_run(
        prior__upper_m_s=[2700, 8000],
        inference__shots_per_sample=7,
        survey__synthetic__sources__depth_m=-1,
    )
    errors = [f.setting for f in check_run(run) if f.level == "error"]
    assert len(errors) == 3
    assert [line[:8] for line in render(check_run(run))[-3:]] == ["ERROR   "] * 3


def test_bad_data_of_a_prepared_survey_are_refused():
    run = make_run()
    survey = with_data(run)
    survey.shots[2].data[4, 7] = np.nan
    assert "shot 3, receiver 5 holds NaN" in only_error(check_run(run, survey))
    survey = with_data(run)
    survey.shots[1].noise_sd[:] = 0.0
    assert "survey.noise_sd: the noise sd of every trace must be positive, got 0 and 20" in (
        only_error(check_run(run, survey))
    )


def test_dead_traces_are_a_warning_and_only_dead_traces_an_error():
    run = make_run()
    survey = with_data(run)
    for shot in survey.shots[:2]:
        shot.noise_sd[:] = np.inf
    lines = warnings_of(check_run(run, survey))
    assert any("40 of 120 traces are dead" in line for line in lines)
    assert any("2 shots have no live trace, the first is shot 1" in line for line in lines)
    for shot in survey.shots:
        shot.noise_sd[:] = np.inf
    assert "all 120 traces are dead" in only_error(check_run(run, survey))


def hdf5_run(path, **changes):
    return make_run(
        survey__format="hdf5", survey__synthetic=None, survey__wavelet=None,
        survey__files=[str(path)], **changes,
    )  # fmt: skip


def test_a_survey_of_our_own_is_checked_and_needs_data(tmp_path):
    survey = with_data(make_run())
    write_survey(survey, tmp_path / "s.h5")
    assert not [f for f in check_run(hdf5_run(tmp_path / "s.h5")) if f.level == "error"]
    write_survey(survey_geometry(make_run()), tmp_path / "g.h5")
    message = only_error(check_run(hdf5_run(tmp_path / "g.h5")))
    assert "a geometry without data" in message


def test_a_wavelet_of_another_interval_is_refused_with_its_remedy(tmp_path):
    write_survey(with_data(make_run()), tmp_path / "s.h5")
    message = only_error(check_run(hdf5_run(tmp_path / "s.h5", forward__steps_per_sample=2)))
    assert "sampled every 0.005 s, the solver steps 0.0025 s" in message
    assert "'survey.wavelet.resample: true'" in message


def test_a_damaged_survey_is_one_message_beside_the_others(tmp_path):
    (tmp_path / "s.h5").write_text("damaged")
    run = hdf5_run(tmp_path / "s.h5", prior__depth_m=[0, 800])
    findings = check_run(run)
    assert "not a readable survey file" in only_error(findings)
    assert warnings_of(findings)


def test_a_model_on_another_grid_is_refused(tmp_path):
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file["vp"] = np.full((20, 28, 25), 2500.0)
    run = make_run(start__model={"file": str(tmp_path / "m.h5")})
    assert "has shape (20, 28, 25), 'grid.shape'" in only_error(check_run(run))


def test_too_many_ranks_and_too_little_memory_or_disk_are_refused(monkeypatch):
    run, survey = make_run(), survey_geometry(make_run())
    _, finding = resources.check_workers(run, ONE, cores=4, memory=1_000_000)
    assert finding.level == "error"
    assert "needs 10.0 MB a rank" in finding.message
    assert "1.0 MB of memory are free; use fewer workers" in finding.message
    (finding,) = resources.check_disk(run, survey, free=1000)
    assert finding.level == "error"
    assert "0.0 MB free" in finding.message

    def fail(problem, survey):
        raise SolverError("cannot be cut into 64 blocks; use at most 8 ranks.")

    monkeypatch.setattr(AcousticProblem, "cost", fail)
    assert only_error(check_run(run, with_data(run))) == (
        "execution.ranks: cannot be cut into 64 blocks; use at most 8 ranks."
    )


def test_the_native_solver_tells_memory_and_the_most_ranks():
    run = make_run()
    of_one = forward_problem(run).cost(survey_geometry(run))
    assert "16 bits (the fastest storage fits)" in of_one.storage
    assert 1e7 < of_one.memory < 1e9
    run = make_run(execution__ranks=1000)
    with pytest.raises(SolverError, match="cannot be cut into 1000 blocks; use at most"):
        forward_problem(run).cost(survey_geometry(run))


def test_minibatches_deterministic_iterations_and_a_run_without_data_are_counted():
    def simulations(**changes):
        run = make_run(**changes)
        return resources.cost_of(run, survey_geometry(run), ONE).simulations

    assert simulations() == 10 * 2 * 6
    assert simulations(inference__shots_per_sample=4, start__map_iterations=5) == (5 + 20) * 4
    assert simulations(inference__use_data=False) == 0
    lbfgs = {"map_iterations": 5, "map_optimiser": "lbfgs", "hessian": {"probes": 3}}
    assert simulations(inference__shots_per_sample=4, start=lbfgs) == (5 + 4) * 6 + 20 * 4
    boosting = {"kind": "boosting", "options": {"components": 3, "candidates": 5}}
    assert simulations(inference__method=boosting) == (10 * 2 + 2 * 5) * 6
    one = {"kind": "boosting", "options": {"components": 3}}
    assert simulations(inference__method=one) == 10 * 2 * 6


def test_noise_that_is_sent_back_costs_adjoint_runs():
    """A sweep of 5 gradients, 4 of them beyond the simulation; a metric has 3, 2 of them."""
    start = {
        "map_iterations": 2,
        "preconditioner": {"draws": 3},
        "polish": 4,
        "hessian": {"kind": "noise", "sweeps": 2, "draws": 5},
    }
    family = {"kind": "metric_gaussian", "options": {"gradients": 9}}
    run = make_run(inference__iterations=0, inference__family=family, start=start)
    cost = resources.cost_of(run, survey_geometry(run), ONE)
    assert cost.simulations == (2 + 1 + 4 + 2) * 6
    assert cost.sent_back == (2 + 2 * 4) * 6
    assert cost.core_seconds == cost.simulations * 3 + cost.sent_back * 2 + cost.predictions
    told = next(f.message for f in check_run(run) if f.setting == "cost")
    assert f"54 simulations, noise sent back 60 more times and {cost.predictions}" in told


def test_products_of_linear_response_are_told():
    box = {"z_m": [0, 1000]}
    asked = [
        {"name": "deep", "kind": "average", "box": box, "linear_response": {"products": 30}},
        {"name": "wide", "kind": "average", "box": box, "linear_response": {}},
        {"name": "cheap", "kind": "average", "box": box},
    ]
    found = check_report(parse_project({**GOOD, "questions": asked}))
    told = [f.message for f in found if f.setting == "questions"]
    assert len(told) == 1
    assert "2 answers takes at most 130 products" in told[0]


def test_a_check_writes_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    check_run(make_run())
    assert not any(tmp_path.iterdir())


def test_the_model_map_has_the_last_word_on_the_start(monkeypatch):
    from pvi_hpc.problem.model_map import ModelMap

    def refuse_start(*given):
        raise ConfigError("outside the bounds of a plug-in")

    monkeypatch.setattr(ModelMap, "build", refuse_start)
    assert "start.model: outside the bounds" in only_error(check_run(make_run()))


def structured(*stencil, **changes):
    options = {"stencil": list(stencil)} if stencil else {}
    family = {"kind": "structured", "options": options}
    return make_run(inference__family=family, **changes)


def test_checkpoints_hold_the_couplings_and_both_phases():
    def kept(run):
        found = next(iter(resources.check_disk(run, survey_geometry(run), free=10**15)))
        return found.message

    cells = 20 * 28 * 24
    n = make_run().cells.n
    assert controller_cost(make_run()).state == 8 * 3 * 2 * n
    # TAO's record has the start, the best point, and the gradient of every evaluation.
    tao = make_run(start={"map_iterations": 9, "polish": 5, "lbfgs": "blmvm"})
    assert controller_cost(tao).state == 8 * 3 * 2 * n + 8 * n * (5 + 2)
    assert controller_cost(structured(3, 3, 3)).state == 8 * 3 * (2 * n + 13 * cells)
    assert controller_cost(structured()).state == 8 * 3 * (2 * n + 62 * cells)
    assert controller_cost(structured(1, "a", None)).state == 0
    single = structured(inference__precision="single")
    assert controller_cost(single).state == 4 * 3 * (2 * n + 62 * cells)
    # 0, 50, ..., 500, 508, 509, 510 and the one being written; 10.8 MB of samples.
    message = kept(structured(start__map_iterations=500))
    assert "about 0.32 GB" in message, message


def test_a_worker_job_must_hold_its_gangs():
    cluster = {"memory": "1GB", "gangs": 2}
    run = make_run(execution={"executor": "slurm", "cluster": cluster})
    of_one = replace(ONE, memory=600_000_000)
    *_, finding = resources.check_workers(run, of_one, cores=4)
    assert (finding.level, finding.setting) == ("error", "execution.cluster.memory")
    assert "1.20 GB" in finding.message


def test_the_controller_needs_memory_too():
    run = structured()
    _, finding = resources.check_workers(run, ONE, cores=4, memory=40_000_000)
    assert finding.level == "error"
    assert "of which 20.6 MB are a checkpoint" in finding.message
    assert "0.38 GB for 1 workers" in finding.message


def make_project(**report):
    return parse_project({**GOOD, "runs": [{"name": "only"}], "report": report})


def test_the_report_shows_a_shot_and_wells_that_exist():
    assert check_report(make_project(shot=6, wells_y_x_m=[[0, 0], [1350, 1150]])) == []
    message = only_error(check_report(make_project(shot=7)))
    assert "report.shot: must be the id of a shot, 1 to 6 (6 shots), got 7" in message
    survey = with_data(make_run())
    assert "got 0" in only_error(check_report(make_project(shot=0), survey))
    message = only_error(check_report(make_project(wells_y_x_m=[[0, 0], [1150, 1350]])))
    assert "y 0 to 1350 and x 0 to 1150 m, got (y, x) = (1150, 1350) m for well 2" in message


def test_a_small_dev_shm_is_a_warning(monkeypatch):
    monkeypatch.setattr("pvi_hpc.execution.gang.launchers.free_memory", lambda: 64_000)
    *_, finding = resources.check_workers(make_run(), ONE, cores=4)
    assert finding.level == "warning"
    assert "/dev/shm has 0.06 MB free" in finding.message
    assert "enlarge it" in finding.message


@pytest.mark.parametrize(
    ("coordinates", "family", "told"),
    [
        ("field", {"kind": "mean_field"}, r"up to 0, 0, 0 apart.*beyond by up to 0\.[6-9]"),
        (
            "field",
            {"kind": "precision_structured", "options": {"stencil": [3, 3, 3]}},
            r"inference.family: 'precision_structured'.*up to 1, 1, 1.*'metric_gaussian'",
        ),
        ("field", {"kind": "metric_gaussian"}, None),
        ("field", {"kind": "full_rank"}, None),
        ("whitened", {"kind": "mean_field"}, None),
    ],
)
def test_a_family_shorter_than_the_priors_correlation_is_told(coordinates, family, told):
    prior = {**GOOD["prior"], "kind": "whittle_matern", "length_m": [100, 400, 400]}
    inference = {**GOOD["inference"], "coordinates": coordinates, "family": family}
    if family["kind"] == "metric_gaussian":
        inference = {**inference, "iterations": 0}
    start = {"map_iterations": 4, "hessian": {"kind": "noise"}}
    run = make_run(prior=prior, inference=inference, start=start)
    found = [w for w in warnings_of(check_run(run)) if "wavelengths" in w]
    assert len(found) == (told is not None)
    assert told is None or re.search(told, found[0])
