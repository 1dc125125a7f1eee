"""Snakemake's work before the first job grows with the runs, not with their square."""

import os
import pstats
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_project import SNAKEFILE, Project

PROFILE = SNAKEFILE.parent / "cluster_profiles" / "local"


def calls(folder: Path, n_runs: int) -> int:
    """Count the calls of functions in a dry run, which do not depend on the machine."""
    folder.mkdir()
    Project(folder).write(runs=[{"name": f"run{i}"} for i in range(n_runs)], segments=3)
    snakemake = ["-m", "snakemake", "--dry-run", "--quiet", "--snakefile", str(SNAKEFILE)]
    where = ["--workflow-profile", str(PROFILE), "--configfile", "tiny.yaml"]
    done = subprocess.run(
        [sys.executable, "-m", "cProfile", "-o", "calls", *snakemake, *where],
        cwd=folder,
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    # Of each function the number of its calls, those by itself included, comes second.
    table: dict[object, tuple[int, int]] = vars(pstats.Stats(str(folder / "calls")))["stats"]
    return sum(row[1] for row in table.values())


@pytest.mark.slow
def test_a_dry_run_costs_each_run_the_same(tmp_path):
    few, some, many = (calls(tmp_path / str(n), n) for n in (2, 10, 18))
    # Work that grows with the square of the runs costs 2.3 times as much in the second half:
    # 18^2 - 10^2 against 10^2 - 2^2.
    assert many - some < 1.1 * (some - few)
