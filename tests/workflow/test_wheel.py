"""A wheel, installed where the source tree cannot be seen, does the whole work by itself."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import yaml
from apptainer import copied_files
from declared import ROOT
from made_once import made_once

pytestmark = pytest.mark.slow

TINY = Path(__file__).with_name("tiny.yaml")
#: What a wheel takes from the top of the source tree.
SHIPPED = ("Snakefile", "environment.yml", "workflow", "cluster_profiles")

Pvi = Callable[..., str]


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from those files of the source tree that the container copies."""
    (path,) = made_once(tmp_path_factory, "wheel", build).glob("*.whl")
    return path


def build(folder: Path) -> None:
    """Build the wheel in a folder."""
    source = folder / "source"
    source.mkdir()
    for name in copied_files():
        path = ROOT / name
        if path.is_dir():
            shutil.copytree(path, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(path, source)
    options = ["--no-deps", "--no-build-isolation", "--wheel-dir", str(folder)]
    run([sys.executable, "-m", "pip", "wheel", *options, str(source)], folder)


@pytest.fixture(scope="session")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new environment with the wheel; its dependencies are those of this one."""
    return made_once(tmp_path_factory, "installed", partial(install, wheel)) / "env"


def install(wheel: Path, place: Path) -> None:
    """Make the environment `env` in a folder."""
    folder = place / "env"
    run([sys.executable, "-m", "venv", "--without-pip", str(folder)], place)
    python = str(folder / "bin" / "python")
    words = ["--python", python, "install", "--no-deps", "--no-index", str(wheel)]
    run([sys.executable, "-m", "pip", *words], place)
    # A path in a .pth file adds a folder whose own .pth files, one of which leads to the
    # source tree, are not read.
    packages = folder.joinpath(*Path(sysconfig.get_path("purelib")).parts[-3:])
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    # What the `mpi` extra brings, where it is installed.
    for pattern in ("lib/libmpi*", "lib/mpich", "bin/mpiexec*", "bin/hydra*"):
        for path in Path(sys.prefix).glob(pattern):
            (folder / path.relative_to(sys.prefix)).symlink_to(path)


@pytest.fixture
def pvi(environment: Path, tmp_path: Path) -> Pvi:
    """Call the installed `pvi` in an empty folder; return what it printed."""

    def call(*words: str, code: int = 0) -> str:
        return run([str(environment / "bin" / "pvi"), *words], tmp_path, code)

    return call


def run(command: list[str], folder: Path, code: int = 0) -> str:
    """Run a command to its end, check its exit code, return what it printed."""
    hidden = ("PYTHONPATH", "PVI_NATIVE_DIR", "VIRTUAL_ENV")
    done = subprocess.run(
        command,
        cwd=folder,
        env={k: v for k, v in os.environ.items() if k not in hidden},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
    )
    assert done.returncode == code, done.stdout
    return done.stdout


def test_the_wheel_holds_what_the_source_tree_holds(wheel):
    with zipfile.ZipFile(wheel) as archive:
        held = {n: archive.read(n) for n in archive.namelist() if "/_workflow/" in n}
    expected = {}
    for name in SHIPPED:
        path = ROOT / name
        for file in [path] if path.is_file() else path.rglob("*.*"):
            expected[f"pvi_hpc/_workflow/{file.relative_to(ROOT)}"] = file.read_bytes()
    for name in ("config/demo.yaml", "config/README.md"):
        expected[f"pvi_hpc/_workflow/{name}"] = (ROOT / name).read_bytes()
    assert held == expected


def test_the_libraries_of_a_wheel_run_on_other_machines(wheel):
    with zipfile.ZipFile(wheel) as archive:
        instructions = archive.read("pvi_hpc/_native/instructions.txt").decode()
    assert not any(name.startswith("AVX512") for name in instructions.split())


def test_the_source_tree_cannot_be_imported(environment, tmp_path):
    code = "import pvi_hpc, sys; print(pvi_hpc.__path__, sys.path)"
    seen = run([str(environment / "bin" / "python"), "-c", code], tmp_path)
    assert str(environment) in seen
    assert f"'{ROOT}'" not in seen and f"{ROOT}/pvi_hpc" not in seen


def test_a_survey_goes_to_its_report_in_an_empty_folder(pvi, tmp_path):
    pvi("init", "mine.yaml")
    # The data that the template names do not exist: nothing about its keys is wrong.
    assert "data/" in pvi("check", "mine.yaml", code=2)
    tree = yaml.safe_load(TINY.read_text())
    one = {
        **tree,
        "segments": 1,
        "runs": [run for run in tree["runs"] if run["name"] == "psvi"],
    }
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(one))
    assert "Run 'psvi'" in pvi("check", "tiny.yaml")
    assert "report/index.html" in pvi("run", "tiny.yaml")
    page = (tmp_path / "results" / "tiny" / "report" / "index.html").read_text()
    assert "psvi" in page


def test_the_demo_begins_without_any_file(pvi, tmp_path):
    pvi("demo", "--", "--until", "check")
    assert (tmp_path / "results" / "demo" / "psvi" / "check.txt").read_text()
    assert "mean_field" in pvi("status", "demo")


def test_the_doctor_finds_this_machine_fit_and_leaves_nothing_behind(pvi, tmp_path):
    text = pvi("doctor")
    assert re.search(r"ok +lost worker: killed, replaced after \d+ s, same bits", text), text
    assert re.search(r"ok +halo exchange: gradient of 2 ranks", text), text
    assert text.rstrip().endswith("11 passed, 0 failed")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["slurm", "sge", "allocation", "local"])
def test_init_copies_what_a_site_edits(pvi, tmp_path, name):
    assert f"pvi doctor --profile cluster_profiles/{name}" in pvi("init", "--profile", name)
    copied = tmp_path / "cluster_profiles" / name
    source = ROOT / "cluster_profiles" / name
    for file in source.iterdir():
        assert (copied / file.name).read_bytes() == file.read_bytes()
        assert os.access(copied / file.name, os.X_OK) == os.access(file, os.X_OK)
    # Files that one names are found from where it is used.
    config = yaml.safe_load((copied / "config.yaml").read_text())
    for entry in config.get("config", []):
        assert (tmp_path / entry.removeprefix("site=")).is_file()
    assert "not overwritten" in pvi("init", "--profile", name, code=2)
