"""Files that come with the package are found, copied once, and never written over."""

from pathlib import Path

import pytest

from pvi_hpc.cli.app import init
from pvi_hpc.cli.run.launch import find_profile
from pvi_hpc.cli.shipped import shipped
from pvi_hpc.cli.template import copy_profile, write_template
from pvi_hpc.config.load import load_project
from pvi_hpc.errors import ConfigError

LOCAL = Path("cluster_profiles/local")
SLURM = Path("cluster_profiles/slurm")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_demo_comes_with_the_package():
    assert load_project(shipped("config/demo.yaml")).name == "demo"


def test_what_an_installation_lacks_is_named():
    with pytest.raises(ConfigError, match=r"lacks 'config/none\.yaml'.*install"):
        shipped("config/none.yaml")


def test_the_profile_of_this_machine_needs_no_copy(folder):
    assert (find_profile(LOCAL) / "config.yaml").is_file()
    (folder / LOCAL).mkdir(parents=True)
    assert find_profile(LOCAL) == LOCAL  # A profile in this folder comes first.


def test_the_profile_of_a_cluster_is_used_after_it_was_copied():
    with pytest.raises(ConfigError, match=r"pvi init --profile slurm.*edit .*dask\.yaml"):
        find_profile(SLURM)
    copy_profile("slurm")
    assert find_profile(SLURM) == SLURM


@pytest.mark.parametrize("name", ["nowhere", "cluster_profiles/lsf", "elsewhere/slurm"])
def test_an_unknown_profile_gets_the_list_of_those_that_exist(name):
    with pytest.raises(ConfigError, match="allocation, local, sge, slurm"):
        find_profile(Path(name))


def test_an_unknown_name_of_a_profile_gets_the_list():
    with pytest.raises(ConfigError, match="allocation, local, sge, slurm, got 'lsf'"):
        copy_profile("lsf")


def test_nothing_is_written_over():
    copy_profile("sge")
    with pytest.raises(ConfigError, match="not overwritten"):
        copy_profile("sge")
    write_template(Path("mine.yaml"))
    with pytest.raises(ConfigError, match="exists"):
        write_template(Path("mine.yaml"))


def test_init_asks_what_to_write():
    with pytest.raises(ConfigError, match="--profile"):
        init(None, None)
    init(Path("mine.yaml"), "allocation")
    assert Path("mine.yaml").is_file() and Path("cluster_profiles/allocation").is_dir()
