"""A configuration is checked once, with one message for each fault."""

import sys
from pathlib import Path

import pytest
import yaml

from pvi_hpc.config import load_project, parse_project
from pvi_hpc.errors import ConfigError

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

TREE = """
name: tiny
grid: {shape: [10, 12, 14], spacing_m: 50}
survey:
  format: segy
  files: [a.sgy]
  noise_sd: 1.0
  wavelet: {ricker: {peak_hz: 5, delay_s: 0.24}}
prior:
  {kind: uniform, depth_m: [0, 1000], lower_m_s: [1500, 2000], upper_m_s: [2500, 4000]}
inference: {iterations: 10, family: {kind: structured, options: {stencil: [3, 3, 3]}}}
runs:
  - name: psvi
  - {name: mean_field, inference: {family: {kind: mean_field}}}
"""


@pytest.fixture
def tree():
    return yaml.safe_load(TREE)


def fault(tree) -> str:
    with pytest.raises(ConfigError) as error:
        parse_project(tree)
    return str(error.value)


@pytest.mark.parametrize("name", ["demo.yaml", "overthrust3d.yaml"])
def test_the_shipped_configurations_are_valid(name, monkeypatch):
    monkeypatch.setenv("PVI_DATA", "/nowhere")
    assert load_project(ROOT / "config" / name).resolved


def test_a_run_takes_what_it_does_not_say_from_the_project(tree):
    project = parse_project(tree)
    assert project.run("psvi").inference.family.options == {"stencil": [3, 3, 3]}
    assert project.run("mean_field").inference.family.options == {}
    assert project.run("mean_field").inference.iterations == 10


def test_every_fault_is_named_at_once(tree):
    tree["inference"]["iteratons"] = 3
    tree["grid"]["spacing_m"] = -1
    del tree["prior"]
    message = fault(tree)
    assert "'inference.iteratons' is unknown" in message
    assert "'grid.spacing_m'" in message and "got -1" in message
    assert "'prior' is missing" in message


def test_faults_of_a_run_are_named_with_its_place(tree):
    tree["runs"][1]["infer"] = {}
    assert "'runs.1.infer' is unknown" in fault(tree)


def test_runs_cannot_have_surveys_of_their_own(tree):
    tree["runs"][1]["survey"] = {}
    assert "'runs.1.survey' cannot differ" in fault(tree)


def test_two_runs_cannot_have_one_name(tree):
    tree["runs"][1]["name"] = "psvi"
    assert "different names" in fault(tree)


def test_crossed_bounds_are_refused(tree):
    tree["prior"]["lower_m_s"] = [1500, 4500]
    assert "4500.0 >= 4000.0 at 1000.0 m" in fault(tree)


def test_an_unset_variable_in_a_path_is_named(tree, monkeypatch):
    monkeypatch.delenv("PVI_NOT_SET", raising=False)
    tree["survey"]["files"] = ["$PVI_NOT_SET/a.sgy"]
    assert "export PVI_NOT_SET" in fault(tree)


def test_an_odd_number_of_samples_makes_no_pairs(tree):
    tree["inference"]["samples"] = 3
    assert "even" in fault(tree)


def test_only_what_changes_a_result_changes_the_fingerprint(tree):
    before = parse_project(tree).run("psvi").fingerprint()
    tree["execution"] = {"workers": 7, "ranks": 3}
    tree["posterior"] = {"samples": 7}
    assert parse_project(tree).run("psvi").fingerprint() == before
    tree["prior"]["upper_m_s"] = [2500, 4001]
    assert parse_project(tree).run("psvi").fingerprint() != before


def test_the_generated_files_are_up_to_date():
    import schema

    assert schema.SCHEMA.read_text() == schema.schema_text(), "run: python scripts/schema.py"
    assert schema.KEYS.read_text() == schema.keys_text(), "run: python scripts/schema.py"


def test_the_size_of_a_task_changes_the_fingerprint(tree):
    before = parse_project(tree).run("psvi").fingerprint()
    tree["execution"] = {"shots_per_task": 5}
    assert parse_project(tree).run("psvi").fingerprint() != before
