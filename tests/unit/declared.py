"""Needs that the project's files declare, each as names and versions of conda's packages."""

import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml
from packaging.requirements import Requirement

__all__ = ["ROOT", "pyproject", "read", "specifiers", "wanted"]

ROOT = Path(__file__).parents[2]
CONDA_NAMES = {
    "torch": "pytorch",
    "matplotlib": "matplotlib-base",
    "dask": "dask-core",
    "snakemake": "snakemake-minimal",
}


def pyproject() -> dict[str, Any]:
    """Return `pyproject.toml`."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def wanted(*extras: str) -> dict[str, str]:
    """Return what the package and some of its extras depend on."""
    project = pyproject()["project"]
    lines = [*project["dependencies"]]
    for extra in extras:
        lines += project["optional-dependencies"][extra]
    return specifiers(lines)


def specifiers(lines: Iterable[str]) -> dict[str, str]:
    """Return the version that each requirement allows."""
    listed = [Requirement(line) for line in lines]
    names = [CONDA_NAMES.get(r.name.lower(), r.name.lower()) for r in listed]
    return {name: str(r.specifier) for name, r in zip(names, listed, strict=True)}


def read(name: str) -> Any:
    """Return a YAML file of the source tree."""
    return yaml.safe_load((ROOT / name).read_text())
