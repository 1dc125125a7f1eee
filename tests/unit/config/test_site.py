"""The site's file of a profile, and the settings of a cluster."""

from pathlib import Path

import pytest
import yaml

from pvi_hpc.config import load_project
from pvi_hpc.config.site import at_site, site_of
from pvi_hpc.errors import ConfigError
from pvi_hpc.execution.settings import ClusterSettings

ROOT = Path(__file__).parents[3]
DEMO = ROOT / "config" / "demo.yaml"


@pytest.mark.parametrize("name", ["slurm", "sge", "allocation"])
def test_a_profile_moves_every_run_of_a_project_to_its_executor(name):
    site = site_of(ROOT / "cluster_profiles" / name)
    here, there = load_project(DEMO), load_project(DEMO, site=site)
    assert {run.execution.executor for run in there.resolved} == {name}
    # Physics, and with it the fingerprint of a begun run, stays.
    assert [r.fingerprint() for r in there.resolved] == [r.fingerprint() for r in here.resolved]


@pytest.mark.parametrize("name", ["slurm", "sge", "allocation"])
def test_the_workflow_of_a_profile_names_its_own_site(name):
    profile = yaml.safe_load((ROOT / "cluster_profiles" / name / "config.yaml").read_text())
    assert profile["config"] == [f"site=cluster_profiles/{name}/dask.yaml"]


def test_a_site_wins_over_a_run_and_over_what_runs_share(tmp_path):
    site = tmp_path / "dask.yaml"
    site.write_text("{executor: slurm, cluster: {queue: long}}")
    runs = [{"name": "a"}, {"name": "b", "execution": {"executor": "local", "ranks": 2}}]
    tree = at_site({"execution": {"workers": 3}, "runs": runs}, site)
    assert tree["execution"] == {
        "workers": 3,
        "executor": "slurm",
        "cluster": {"queue": "long"},
    }
    assert tree["runs"][0] == {"name": "a"}
    assert tree["runs"][1]["execution"]["ranks"] == 2
    assert tree["runs"][1]["execution"]["executor"] == "slurm"


def test_a_fault_in_a_site_file_is_named_with_its_file(tmp_path):
    site = tmp_path / "dask.yaml"
    site.write_text("{executor: slurm, cluster: {partition: long}}")
    with pytest.raises(ConfigError, match=r"dask\.yaml:\n.*cluster\.partition' is unknown"):
        load_project(DEMO, site=site)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"walltime": "4h"}, "HH:MM:SS"),
        ({"memory": "4 gigs"}, "16GB"),
        ({"queue": "a b; rm"}, "pattern"),
        ({"prologue": ["a\nb"]}, "one line"),
        ({"nodes": 2}, "launcher"),
        ({"nodes": 2, "gangs": 2, "launcher": "srun"}, "gangs"),
    ],
)
def test_settings_of_a_cluster_that_cannot_work_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        ClusterSettings(**settings)


def test_a_walltime_is_read_in_seconds():
    assert ClusterSettings(walltime="30:02:03").walltime_s == 108123
