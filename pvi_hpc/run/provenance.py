"""Provenance of the numbers of a run: versions, machine, settings."""

import os
import platform
import socket
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pvi_hpc

__all__ = ["machine", "versions"]

PACKAGES = (
    "torch",
    "numpy",
    "scipy",
    "mpi4py",
    "mpich",
    "dask",
    "distributed",
    "h5py",
    "snakemake",
)


def versions() -> dict[str, str]:
    """Return the versions of this package, its git commit and what it stands on."""
    found = {"pvi_hpc": pvi_hpc.__version__, "python": platform.python_version()}
    commit = _git_commit()
    if commit:
        found["git_commit"] = commit
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def machine() -> dict[str, str]:
    """Return what the controller ran on."""
    return {
        "host": socket.gethostname(),
        "host_cores": str(os.cpu_count()),
        "system": f"{platform.system()} {platform.machine()}",
    }


def _git_commit() -> str | None:
    folder = Path(pvi_hpc.__file__).parent
    command = ["git", "describe", "--always", "--dirty"]
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
