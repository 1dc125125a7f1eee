"""`environment.yml` and `pyproject.toml` list the same dependencies."""

import tomllib
from pathlib import Path

import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[3]
CONDA_NAMES = {
    "torch": "pytorch",
    "matplotlib": "matplotlib-base",
    "dask": "dask-core",
    "snakemake": "snakemake-minimal",
}
CONDA_ONLY = {"python", "pip", "c-compiler", "cmake", "ninja"}


def from_pyproject() -> dict[str, str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = [*project["dependencies"]]
    for extra in project["optional-dependencies"].values():
        lines += extra
    wanted = {}
    for requirement in map(Requirement, lines):
        name = requirement.name.lower()
        wanted[CONDA_NAMES.get(name, name)] = str(requirement.specifier)
    return wanted


def from_environment() -> dict[str, str]:
    tree = yaml.safe_load((ROOT / "environment.yml").read_text())
    listed = [Requirement(line) for line in tree["dependencies"]]
    return {r.name: str(r.specifier) for r in listed if r.name not in CONDA_ONLY}


def test_conda_and_pip_install_the_same_packages():
    assert from_environment() == from_pyproject()


def test_no_requirement_names_a_build_of_torch():
    assert "+" not in from_pyproject()["pytorch"]
