"""Data that count: impossible mutes are refused, and traces next to a source are told."""

import numpy as np
import pytest
from run_example import make_run

from pvi_hpc.checks.likelihood import check_likelihood, check_near_traces
from pvi_hpc.checks.run import check_run
from pvi_hpc.data.survey import Shot, Survey, Wavelet
from pvi_hpc.problem.forward import forward_problem


def a_survey():
    """Two shots on a grid of 50 m; receivers 60, 250 and 800 m from each source."""
    shots = []
    for i, y in enumerate((300.0, 500.0)):
        x = 100 + np.array([60.0, 250.0, 800.0])
        receivers = np.column_stack([np.full(3, 25.0), np.full(3, y), x])
        data = np.ones((3, 11), np.float32)
        shots.append(Shot(i + 7, np.array([25.0, y, 100.0]), receivers, data, np.ones(3)))
    return Survey(tuple(shots), Wavelet(np.ones(1), 0.01), 0.01, 11)


def of_files(**changes):
    """Return a run whose survey comes from a file, which is not read."""
    return make_run(
        survey__format="segy", survey__synthetic=None, survey__noise_sd=1.0,
        survey__files=["absent.sgy"], **changes,
    )  # fmt: skip


def found(run):
    findings = check_likelihood(run, a_survey(), forward_problem(run))
    return [(f.level, f.setting, f.message) for f in findings]


def test_the_share_of_the_data_that_count_is_told():
    assert found(make_run()) == []
    ((level, _, message),) = found(make_run(likelihood__mute={"min_offset_m": 100}))
    assert level == "ok" and "44 of 66 samples of live traces count (66.7%)" in message


def test_a_mute_that_leaves_nothing_is_an_error():
    ((level, setting, message),) = found(make_run(likelihood__mute={"min_offset_m": 900}))
    assert (level, setting) == ("error", "likelihood.mute")
    assert "offsets reach 800 m and records 0.1 s" in message


def test_shots_without_any_data_are_a_warning():
    survey = a_survey()
    run = make_run(likelihood__mute={"max_offset_m": 10})
    near = Shot(1, np.zeros(3), np.full((1, 3), 2.0), np.ones((1, 11), np.float32), np.ones(1))
    survey = Survey((near, *survey.shots), survey.wavelet, survey.dt, survey.n_samples)
    findings = list(check_likelihood(run, survey, forward_problem(run)))
    assert [f.level for f in findings] == ["ok", "warning"]
    assert "leaves no sample of 2 of 3 shots, the first is shot 7" in findings[1].message


@pytest.mark.parametrize("returns", ["misfit", "log_likelihood"])
def test_a_forward_problem_that_compares_by_itself_takes_no_mute(returns):
    forward = {"kind": "function", "function": "m:f", "returns": returns}
    run = make_run(survey=None, forward=forward, likelihood__mute={"min_offset_m": 100})
    ((level, setting, message),) = found(run)
    assert (level, setting) == ("error", "likelihood")
    assert "must be left out with 'forward.kind: function'" in message


def test_traces_within_two_cells_of_their_source_are_told_with_the_mute():
    (finding,) = check_near_traces(of_files(), a_survey())
    assert finding.level == "warning"
    assert "2 traces of 2 of 2 shots" in finding.message
    assert "{mute: {min_offset_m: 70, taper_m: 50}}" in finding.message
    muted = of_files(likelihood__mute={"min_offset_m": 70, "taper_m": 50})
    assert not list(check_near_traces(muted, a_survey()))


def test_a_synthetic_survey_has_the_errors_of_the_simulations_itself():
    assert not list(check_near_traces(make_run(), a_survey()))


def test_pvi_check_tells_both(monkeypatch):
    run = of_files(likelihood__mute={"min_offset_m": 30})
    settings = [f.setting for f in check_run(run, a_survey())]
    assert "likelihood.mute.min_offset_m" in settings and "likelihood" in settings


def test_groups_with_few_data_and_methods_that_infer_no_noise_are_told():
    _, groups = found(make_run(likelihood__noise={"offset_edges_m": [100.0, 300.0]}))
    assert groups[0] == "warning"
    assert "the group 'offset up to 100 m' holds 22 data" in groups[2]
    run = make_run(likelihood__noise={}, inference__method={"kind": "svgd"})
    ((level, setting, message),) = found(run)
    assert (level, setting) == ("error", "likelihood.noise")
    assert "got 'svgd'" in message


def test_one_factor_for_all_needs_no_positions_and_bins_of_offset_do():
    forward = {"kind": "function", "function": "m:f", "returns": "data"}
    forward |= {"data": "d.npy", "noise_sd": "sd.npy"}
    one = make_run(survey=None, forward=forward, likelihood__noise={})
    assert "error" not in [level for level, *_ in found(one)]
    bins = make_run(survey=None, forward=forward, likelihood__noise={"offset_edges_m": [100]})
    ((level, _, message),) = found(bins)
    assert level == "error" and "whose receivers have no positions" in message


def test_a_band_beyond_the_highest_frequency_of_the_data_is_refused():
    ((level, setting, message),) = found(make_run(likelihood__spectrum={"band_hz": [50, 80]}))
    assert (level, setting) == ("error", "likelihood.spectrum.band_hz")
    assert "must begin below 50 Hz" in message
    ((level, *_),) = found(make_run(likelihood__spectrum={"band_hz": [2, 80]}))
    assert level == "ok"


def test_factors_do_not_move_in_a_line_search():
    run = make_run(likelihood__noise={"in_start": True}, start__map_optimiser="lbfgs")
    ((level, setting, _),) = found(run)
    assert (level, setting) == ("error", "likelihood.noise.in_start")
    run = make_run(likelihood__noise={"in_start": True})
    assert "error" not in [level for level, *_ in found(run)]
