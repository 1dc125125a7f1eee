"""A configuration is checked once, with one message for each fault."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from pvi_hpc.config import load_project, parse_project
from pvi_hpc.errors import ConfigError

ROOT = Path(__file__).parents[3]
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


@pytest.mark.parametrize(
    "name",
    [
        "calibrate3d.yaml",
        "correlated.yaml",
        "demo.yaml",
        "overthrust3d.yaml",
        "australia.yaml",
        "overthrust2d.yaml",
    ],
)
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
    tree["execution"] = {"workers": 7, "threads": 3}
    tree["posterior"] = {"samples": 7}
    assert parse_project(tree).run("psvi").fingerprint() == before
    tree["prior"]["upper_m_s"] = [2500, 4001]
    assert parse_project(tree).run("psvi").fingerprint() != before


def test_the_generated_files_are_up_to_date():
    import schema

    assert schema.SCHEMA.read_text() == schema.schema_text(), "run: python scripts/schema.py"
    assert schema.KEYS.read_text() == schema.keys_text(), "run: python scripts/schema.py"


@pytest.mark.parametrize("setting", ["shots_per_task", "ranks"])
def test_what_changes_the_order_of_sums_changes_the_fingerprint(tree, setting):
    before = parse_project(tree).run("psvi").fingerprint()
    tree["execution"] = {setting: 5}
    assert parse_project(tree).run("psvi").fingerprint() != before


NORMAL = {"mean_m_s": [2000, 3000], "sd_m_s": [200, 300]}


def test_a_run_with_another_kind_of_prior_leaves_the_tables_of_the_first(tree):
    tree["prior"] |= {"kind": "normal", **NORMAL}
    tree["runs"][1]["prior"] = {"kind": "uniform"}
    project = parse_project(tree)
    uniform: Any = project.run("mean_field").prior
    normal: Any = project.run("psvi").prior
    assert not hasattr(uniform, "mean_m_s")
    assert uniform.upper_m_s == (2500, 4000)
    assert normal.sd_m_s == (200, 300)
    tree["runs"][1]["prior"] = {"lower_m_s": [1400, 2000]}
    changed: Any = parse_project(tree).run("mean_field").prior
    assert changed.mean_m_s == (2000, 3000)


def test_an_unknown_key_of_a_prior_is_refused_with_those_that_exist(tree):
    tree["prior"] |= {**NORMAL, "lower_m_s": [1500, -1]}
    message = fault(tree)
    assert "'prior.lower_m_s.1': input should be greater than 0, got -1" in message
    for name in NORMAL:
        assert f"'prior.{name}': is no key of this kind of prior, which has kind," in message
    assert "depth_m, lower_m_s, upper_m_s; correct or remove it" in message


def test_a_key_of_a_prior_without_a_value_counts_as_not_given(tree):
    tree["prior"] |= dict.fromkeys(NORMAL)
    assert parse_project(tree).run("psvi").prior == parse_project(tree).shared_run.prior
    tree["prior"] |= {"kind": "normal", **NORMAL, "sd_m_s": None}
    assert "'prior.sd_m_s'" in fault(tree)


def test_an_unknown_prior_is_refused_with_those_that_exist(tree):
    tree["prior"]["kind"] = "unifrom"
    assert "'prior.kind' must be one of those installed (" in fault(tree)
    assert "got 'unifrom'; did you mean 'uniform'?" in fault(tree)
    del tree["prior"]["kind"]
    assert fault(tree).endswith("'prior.kind' is missing; add it (see config/README.md).")


@pytest.mark.parametrize("mean", [1400, 2600])
def test_the_mean_of_a_normal_prior_lies_between_its_bounds(tree, mean):
    tree["prior"] |= {"kind": "normal", "mean_m_s": [mean, 3000], "sd_m_s": [100, 100]}
    assert f"got {mean} m/s at 0 m, bounds 1500 to 2500" in fault(tree)


def test_runs_begun_when_all_priors_had_the_same_keys_keep_their_fingerprint(tree):
    lasting = parse_project(tree).run("psvi").lasting_settings()["prior"]
    assert lasting == {
        "kind": "uniform",
        "depth_m": [0, 1000],
        "lower_m_s": [1500, 2000],
        "upper_m_s": [2500, 4000],
        "mean_m_s": None,
        "sd_m_s": None,
        "fixed_above_m": None,
    }


def put(tree, path, value):
    *parents, last = path.split(".")
    for parent in parents:
        tree = tree.setdefault(parent, {})
    tree[last] = value


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("seed", -1, "'seed': input should be greater than or equal to 0, got -1"),
        ("prior.upper_m_s", [2500, float("inf")], "'prior.upper_m_s.1': input should be a fin"),
        ("grid.shape", [10, 0, 14], "'grid.shape.1': input should be greater than 0, got 0"),
        ("grid.origin_m", [0, float("nan"), 0], "'grid.origin_m.1': input should be a finite"),
        ("start.model", {"depth_m": [], "velocity_m_s": []}, "at least 1 item"),
        ("posterior.samples", 1, "'posterior.samples': input should be greater than or equal"),
        (
            "posterior.predictive_draws",
            1,
            "'posterior.predictive_draws': input should be great",
        ),
        ("posterior.quantiles", [], "'posterior.quantiles': tuple should have at least 1 item"),
        ("runs", [{"name": "index"}], "must not be one of benchmarks, comparison, index"),
        ("runs", [{"name": "Logs"}], "got 'Logs'; choose another name"),
    ],
)
def test_each_value_that_cannot_work_has_its_message(tree, path, value, message):
    put(tree, path, value)
    assert message in fault(tree)


def test_a_prior_without_nodes_is_refused(tree):
    tree["prior"] |= {"depth_m": [], "lower_m_s": [], "upper_m_s": []}
    assert "'prior.depth_m': tuple should have at least 1 item" in fault(tree)


SYNTHETIC = """
format: synthetic
wavelet: {ricker: {peak_hz: 5, delay_s: 0.24}}
synthetic:
  model: {}
  sources: {depth_m: 1, y: {first_m: 1, last_m: 2, n: 2}, x: {first_m: 1, last_m: 2, n: 2}}
  receivers: {depth_m: 1, y: {first_m: 1, last_m: 2, n: 2}, x: {first_m: 1, last_m: 2, n: 2}}
  n_samples: 100
  dt_s: 0.005
  noise_level: 0.1
"""


@pytest.mark.parametrize(
    ("name", "value", "instead"),
    [
        ("noise_sd", 1.0, "synthetic.noise_level"),
        ("noise_window_s", 0.1, "synthetic.noise_level"),
        ("true_model", {"file": "a.h5"}, "synthetic.model"),
    ],
)
def test_what_a_synthetic_survey_would_ignore_is_refused(tree, name, value, instead):
    tree["survey"] = yaml.safe_load(SYNTHETIC)
    assert parse_project(tree)
    tree["survey"][name] = value
    assert f"'{name}' has no effect with 'format: synthetic'" in fault(tree)
    assert f"set '{instead}'" in fault(tree)


@pytest.mark.parametrize("where", ["", "model"])
def test_seeds_of_a_synthetic_survey_are_not_negative(tree, where):
    tree["survey"] = yaml.safe_load(SYNTHETIC)
    put(tree["survey"]["synthetic"], f"{where}.seed".lstrip("."), -1)
    assert "seed': input should be greater than or equal to 0" in fault(tree)


def test_a_survey_of_our_own_takes_one_noise_setting_at_most(tree):
    tree["survey"] = {"format": "hdf5", "files": ["a.h5"], "noise_sd": 1.0}
    assert parse_project(tree)
    tree["survey"]["noise_window_s"] = 0.1
    assert "at most one of 'noise_sd' and 'noise_window_s'" in fault(tree)


@pytest.mark.parametrize(
    ("family", "right"),
    [
        ({"kind": "structured", "options": {"stencil": [3, 3, 3]}}, True),
        ({"kind": "structured", "options": {"layers": 3}}, False),
        ({"kind": "spline_coupling", "options": {"layers": 3, "bins": 4}}, True),
        ({"kind": "low_rank", "options": {}}, False),
        ({"options": {"stencil": [3, 3, 3]}}, False),  # of mean_field, the default
        ({"kind": "of_another_package", "options": {"colour": "red"}}, True),
    ],
)
def test_an_editor_knows_the_options_of_each_family(tree, family, right):
    import jsonschema
    import schema

    tree["inference"]["family"] = family
    checker = jsonschema.Draft202012Validator(json.loads(schema.schema_text()))
    assert checker.is_valid(tree) is right


def test_a_wrong_value_is_shown_in_short(tree):
    tree["seed"] = [["lol" * 1000] * 1000] * 1000
    assert len(fault(tree)) < 2000


def test_runs_are_checked_once_however_often_they_are_asked_for(tree):
    tree["runs"] = [{"name": f"r{i}"} for i in range(3)]
    project = parse_project(tree)
    assert project.run("r2") is project.run("r2") is project.resolved[2]
    with pytest.raises(ConfigError, match="no run called 'absent', only r0, r1, r2"):
        project.run("absent")
