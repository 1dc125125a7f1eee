"""Hypotheses of a configuration: other priors, checked before anything runs."""

import copy

import pytest
from run_example import GOOD

from pvi_hpc.checks.report import check_hypotheses
from pvi_hpc.config import parse_project
from pvi_hpc.config.load import run_under
from pvi_hpc.errors import ConfigError


def project(*hypotheses, **changes):
    tree = copy.deepcopy(GOOD)
    del tree["name"]
    return parse_project({**tree, "name": "p", "hypotheses": list(hypotheses), **changes})


def test_keys_of_a_hypothesis_are_put_over_those_of_the_run():
    made = project({"name": "low", "prior": {"lower_m_s": [1400, 2000]}})
    run = run_under(made.resolved[0], made.hypotheses[0])
    prior = run.prior.model_dump()
    assert prior["lower_m_s"] == (1400, 2000) and prior["upper_m_s"] == (2700, 4000)
    assert list(check_hypotheses(made)) == []


def test_another_kind_keeps_the_keys_that_it_has():
    made = project({"name": "alike", "prior": {"kind": "matern", "length_m": 300}})
    run = run_under(made.resolved[0], made.hypotheses[0])
    prior = run.prior.model_dump()
    assert prior["kind"] == "matern" and prior["upper_m_s"] == (2700, 4000)


def test_hypotheses_change_no_run():
    assert project().resolved[0].fingerprint() == project(
        {"name": "a", "prior": {"kind": "matern", "length_m": 300}}
    ).resolved[0].fingerprint()  # fmt: skip


def test_what_cannot_be_a_prior_is_found_before_anything_runs():
    made = project({"name": "bad", "prior": {"lower_m_s": [3000, 5000]}})
    (finding,) = check_hypotheses(made)
    assert finding.setting == "hypotheses.bad.prior" and "lower_m_s" in finding.message
    method = {"inference": {**GOOD["inference"], "method": {"kind": "svgd"}}}
    made = project({"name": "a", "prior": {"lower_m_s": [1400, 2000]}}, **method)
    (finding,) = check_hypotheses(made)
    assert "got 'svgd' in run 'run'" in finding.message


@pytest.mark.parametrize(
    ("hypotheses", "message"),
    [
        ([{"name": "a", "prior": {"x": 1}}] * 2, "different names"),
        ([{"name": "own", "prior": {"x": 1}}], "must not be 'own', the run's own prior"),
        ([{"name": "a", "prior": {}}], r"hypotheses\.0\.prior"),
        ([{"name": "a", "prior": {"x": 1}, "samples": 3}], "must be even"),
    ],
)
def test_faults_are_named(hypotheses, message):
    with pytest.raises(ConfigError, match=message):
        project(*hypotheses)
