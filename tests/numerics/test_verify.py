"""`pvi solver test` finds nothing wrong with the solver, and says so when there is."""

from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from pvi_hpc.cli.app import app
from pvi_hpc.simulate.acoustic_solver import AcousticSolver
from pvi_hpc.verify.accuracy import check_accuracy
from pvi_hpc.verify.case import VerifyCase
from pvi_hpc.verify.outcome import table
from pvi_hpc.verify.properties import check_properties


@pytest.mark.slow
def test_the_whole_list_passes_on_the_demo_grid():
    arguments = ["solver", "test", "config/demo.yaml", "--cells", "26", "--steps", "120"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "FAILED" not in result.output and "3 ranks against 1" in result.output


@pytest.mark.parametrize("free_surface", [False, True], ids=["absorbing", "free"])
def test_a_default_case_has_all_properties(free_surface):
    case = VerifyCase.default(24, 120, free_surface=free_surface)
    assert all(outcome.passed for outcome in check_properties(case))


def test_too_few_cells_per_wavelength_are_found():
    case = VerifyCase.default(28, 100)
    coarse = replace(case, peak=3 * case.peak)
    exact_wave = next(check_accuracy(coarse))
    assert not exact_wave.passed
    assert "finer grid" in table([exact_wave])[1]


def test_a_gradient_of_the_wrong_length_is_found(monkeypatch):
    right = AcousticSolver.gradient
    monkeypatch.setattr(AcousticSolver, "gradient", lambda self, r: 1.01 * right(self, r))
    failed = {o.name for o in check_properties(VerifyCase.default(24, 80)) if not o.passed}
    assert "gradient: directional derivative" in failed


def test_points_and_models_stay_inside():
    case, rng = VerifyCase.default(24, 10), np.random.default_rng(0)
    for points in (case.points(rng, 50), case.inner_points(rng, 50)):
        assert (points >= 0).all() and (points <= case.extent()).all()
    model = case.model(rng)
    assert model.min() > case.slowest and model.max() < case.fastest


def test_the_bench_prints_speeds_and_the_cost_of_every_storage():
    arguments = ["solver", "bench", "--cells", "24", "--steps", "40", "--threads", "1"]
    result = CliRunner().invoke(app, [*arguments, "--repeats", "1"])
    assert result.exit_code == 0, result.output
    lines = [line for line in result.output.splitlines() if line]
    rows = {line[:24].strip(): line.split()[-1] for line in lines}
    assert rows["all steps"] == "exact" and rows["5 segments, 2 states"] == "exact"
    assert 0 < float(rows["1 of 4 steps, 16 bits"]) < 0.5
