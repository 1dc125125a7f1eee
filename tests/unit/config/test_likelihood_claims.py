"""The section `likelihood` in the claim of a run, and what it leaves as it was."""

import copy

from run_example import GOOD, make_run

from pvi_hpc.config import parse_project
from pvi_hpc.run.plan import survey_settings


def test_a_run_without_the_section_keeps_the_fingerprint_that_it_was_begun_with():
    assert make_run().fingerprint() == "4d402b80f9191706"
    assert make_run(likelihood={"mute": None}).fingerprint() == "4d402b80f9191706"
    assert "likelihood" not in make_run().lasting_settings()


def test_a_mute_belongs_to_the_claim_of_a_run_and_only_with_what_was_set():
    run = make_run(likelihood={"mute": {"min_offset_m": 100}})
    assert run.fingerprint() != make_run().fingerprint()
    assert run.lasting_settings()["likelihood"] == {"mute": {"min_offset_m": 100.0}}
    assert run.likelihood.model_validate(run.likelihood.lasting()) == run.likelihood


def test_the_survey_is_the_same_whatever_counts_of_it():
    tree = {**copy.deepcopy(GOOD), "runs": [{"name": "one"}]}
    muted = {**copy.deepcopy(tree), "likelihood": {"mute": {"min_offset_m": 100}}}
    assert survey_settings(parse_project(tree)) == survey_settings(parse_project(muted))


def test_runs_of_a_project_may_count_different_data():
    runs = [{"name": "all"}, {"name": "far", "likelihood": {"mute": {"min_offset_m": 100}}}]
    every, far = parse_project({**copy.deepcopy(GOOD), "runs": runs}).resolved
    assert every.likelihood.mute is None
    assert far.likelihood.mute is not None
