"""`pvi solver test` finds nothing wrong with the solver, and says so when there is."""

from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from pvi_hpc.cli.app import app
from pvi_hpc.config import load_project
from pvi_hpc.errors import ConfigError
from pvi_hpc.forward.acoustic.acoustic_solver import AcousticSolver
from pvi_hpc.forward.acoustic.stability import max_time_step
from pvi_hpc.selftest.solver.accuracy import check_accuracy
from pvi_hpc.selftest.solver.case import VerifyCase
from pvi_hpc.selftest.solver.properties import check_properties
from pvi_hpc.selftest.solver.roofline import bytes_a_cell


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


def test_a_section_has_all_properties_and_the_wave_of_a_line_source():
    case = VerifyCase.default(28, 100, shape=(28, 1, 33))
    outcomes = [*check_properties(case), *check_accuracy(case)]
    assert all(outcome.passed for outcome in outcomes), outcomes


def demo(order, dt_s=0.005):
    """The demo's run with another order in space and data interval."""
    run = load_project("config/demo.yaml").shared_run
    synthetic = run.survey.synthetic.model_copy(update={"dt_s": dt_s})
    changes = {
        "survey": run.survey.model_copy(update={"synthetic": synthetic}),
        "forward": run.forward.model_copy(update={"order": order, "steps_per_sample": 1}),
    }
    return run.model_copy(update=changes)


@pytest.mark.slow
@pytest.mark.parametrize("order", [4, 8, 12])
def test_every_order_in_space_converges_as_it_says(order):
    outcomes = list(check_accuracy(VerifyCase.default(28, 100, order=order)))
    assert all(outcome.passed for outcome in outcomes), outcomes
    assert outcomes[-1].name == f"order in space (scheme: {order})"


@pytest.mark.parametrize("order", [4, 8, 12])
def test_the_case_of_a_run_has_its_order(order):
    assert VerifyCase.of_run(demo(order), 24, 10).settings.order == order


def test_a_time_step_that_only_the_wider_stencil_refuses_is_named():
    dt = 1.004 * max_time_step(4000.0, (50.0, 50.0, 50.0), order=12)
    VerifyCase.of_run(demo(8, dt), 24, 10)
    with pytest.raises(ConfigError, match=r"forward\.steps_per_sample: 2"):
        VerifyCase.of_run(demo(12, dt), 24, 10)


def test_too_few_cells_per_wavelength_are_found():
    case = VerifyCase.default(28, 100)
    coarse = replace(case, peak=3 * case.peak)
    exact_wave = next(check_accuracy(coarse))
    assert not exact_wave.passed
    assert "finer grid" in exact_wave.remedy


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
    in_memory = {line[:24].strip(): line[24:].split() for line in lines}["in memory, no layer"]
    rate, traffic, moved = map(float, in_memory[:3])
    assert traffic == 16 and moved == pytest.approx(16 * rate, rel=0.1, abs=0.6)


def test_the_traffic_of_a_layer_counts_every_array_once():
    case = VerifyCase.default(24, 10)
    deep = replace(case.settings, shape=(10_000, 10_000, 10_000), n_pml=10)
    assert bytes_a_cell(deep) == pytest.approx(16, rel=0.02)
    # All cells in the layer of z, next to none in those of y and x: 16 - 4 + 16.
    thin = replace(case.settings, shape=(2, 10**6, 10**6), n_pml=10)
    assert bytes_a_cell(thin) == pytest.approx(28, rel=1e-3)
    top = replace(case.settings, free_surface=True)
    assert bytes_a_cell(top) < bytes_a_cell(case.settings)
