"""The tutorial's Python runs as it stands on its pages, and its families rank as it says."""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
# The mean field does not cover a bent posterior, and says so.
@pytest.mark.filterwarnings("ignore::pvi_hpc.ConvergenceWarning")
def test_the_tutorial_runs_and_its_families_rank_as_it_says():
    place = ROOT / "benchmarks" / "tutorial.py"
    spec = importlib.util.spec_from_file_location("tutorial", place)
    tutorial = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tutorial)
    names = tutorial.run_tutorial()
    elbos = {name: fit.elbo(1000).mean for name, fit in names["fits"].items()}
    assert elbos["mean field"] < elbos["full rank"] - 2
    assert elbos["full rank"] < min(elbos["mixture"], elbos["spline flow"])
    assert names["chains"].r_hat.max() < 1.01
