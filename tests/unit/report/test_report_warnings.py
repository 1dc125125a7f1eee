"""Warnings of a report: only where figures give a reason, and with a remedy."""

import json
from dataclasses import replace

import pytest
from report_example import FACTS, example_view
from run_example import make_run

from pvi_hpc.report.warnings import warnings_of

PSVI = {"kind": "structured", "options": {"stencil": [3, 3, 3]}}


@pytest.fixture(scope="module")
def example():
    return example_view()


def view(example, name, elbo, family=None, **changes):
    """Return the view of a run that ended with an ELBO of standard error 10."""
    family = family or {"kind": "mean_field", "options": {}}
    run = make_run(name=name, inference={"iterations": 5, "family": family}, **changes)
    facts = {**FACTS, "elbo": elbo, "elbo_se": 10.0}
    # JSON is YAML.
    config = json.dumps(run.model_dump(mode="json"))
    return replace(example, run=name, facts=facts, config=config)


def test_a_family_that_ends_below_its_mean_field_is_told_with_a_remedy(example):
    (told,) = warnings_of([view(example, "mf", -500.0), view(example, "psvi", -900.0, PSVI)])
    assert "The ELBO of 'psvi' is 400 nats below that of 'mf'" in told
    assert "kind: noise" in told


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (("mf", -500.0), ("psvi", -400.0, PSVI)),  # as it should be
        (("mf", -500.0), ("psvi", -530.0, PSVI)),  # within 3 errors of the difference
        (("mf", -500.0), ("mf2", -900.0)),
        (("mf", -500.0), ("flow", -900.0, {"kind": "planar", "options": {}})),
    ],
)
def test_other_differences_are_no_reason(example, first, second):
    assert warnings_of([view(example, *first), view(example, *second)]) == []


def test_another_prior_has_another_elbo(example):
    other = {
        "prior": {"kind": "uniform", "depth_m": [0], "lower_m_s": [1000], "upper_m_s": [9000]}
    }
    views = [view(example, "mf", -500.0), view(example, "psvi", -900.0, PSVI, **other)]
    assert warnings_of(views) == []


def test_an_sd_that_linear_response_contradicts_is_told(example):
    response = {"sd": 20.0, "sd_of_family": 9.0, "ratio": 0.45, "disagrees": True}
    fine = {**response, "ratio": 1.1, "disagrees": False}
    answers = {"box": {"linear_response": response}, "disc": {"linear_response": fine}, "c": {}}
    (told,) = warnings_of([replace(view(example, "mf", -500.0), answers=answers)])
    assert "The family of 'mf'" in told and "box (0.45)" in told and "disc" not in told


def test_a_mean_that_misses_the_data_is_told(example):
    predictive = example.predictive
    poor = replace(
        predictive, misfits=replace(predictive.misfits, mean=predictive.misfits.mean + 0.3)
    )
    (told,) = warnings_of([replace(example, run="poor", predictive=poor)])
    assert "'poor' has a reduced chi-squared of 1.31" in told and "map_iterations" in told
    assert warnings_of([example]) == []
