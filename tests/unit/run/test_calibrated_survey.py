"""Small waveform inversions of truths from the prior, and what is ranked in them."""

import json
from dataclasses import replace

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from pvi_hpc.cli.app import app
from pvi_hpc.config import Run
from pvi_hpc.config.load import parse_project
from pvi_hpc.diagnostics.calibration import Calibration, Inversion
from pvi_hpc.errors import ConfigError
from pvi_hpc.grid import Cells, Grid
from pvi_hpc.priors.load import load_prior
from pvi_hpc.run.calibration.kept import KeptInversions
from pvi_hpc.run.calibration.quantities import QUANTITIES, Quantities
from pvi_hpc.run.calibration.summary import summary_of, table_of
from pvi_hpc.run.calibration.survey import SurveyCase

TREE = """
name: tiny
grid: {shape: [8, 8, 9], spacing_m: 50}
survey:
  format: synthetic
  wavelet: {ricker: {peak_hz: 5, delay_s: 0.2}}
  synthetic:
    model: {seed: 1, velocity_top_m_s: 2000, velocity_bottom_m_s: 2500, n_layers: 2}
    sources:
      depth_m: 50
      y: {first_m: 100, last_m: 250, n: 2}
      x: {first_m: 200, last_m: 200, n: 1}
    receivers:
      depth_m: 25
      y: {first_m: 50, last_m: 300, n: 3}
      x: {first_m: 50, last_m: 350, n: 3}
    n_samples: 61
    dt_s: 0.008
    noise_level: 0.1
forward: {n_pml: 6}
prior:
  kind: whittle_matern
  depth_m: [0, 350]
  lower_m_s: [1800, 2000]
  upper_m_s: [2300, 2800]
  length_m: 100.0
start: {map_iterations: 2, sd: 1.0}
inference: {iterations: 0}
posterior: {samples: 40}
"""


def project(**changes):
    tree = yaml.safe_load(TREE)
    for name, value in changes.items():
        tree[name] = {**tree.get(name, {}), **value} if isinstance(value, dict) else value
    return parse_project(tree)


def case(**changes):
    return SurveyCase(project(**changes).resolved[0])


def test_without_data_the_posterior_is_the_prior_and_every_quantity_is_calibrated():
    free = case(inference={"use_data": False})
    free.check()
    results = [free.invert(i) for i in range(20)]
    found = free.quantities.calibrations(results)
    assert tuple(found) == QUANTITIES
    numbers = [its.ranks.shape[1] for its in found.values()]
    assert numbers == [576, 216, 216, 144, 27, 3]
    summary = summary_of(found, results, 576)
    assert summary["sbc_share_above_0_01"] > 0.97
    for name, row in summary["quantities"].items():
        assert row["TARP p-value"] > 1e-3, name
        assert row["coverage of 90 %"] == pytest.approx(0.9, abs=0.08), name
    assert len({tuple(one.truth[:3]) for one in results}) == 20


def test_an_inversion_repeats_to_the_bit_and_fits_its_data():
    settings = {"map_iterations": 12, "map_optimiser": "lbfgs", "sd": 0.05}
    fits = case(start=settings)
    one, again, other = fits.invert(3), fits.invert(3), fits.invert(4)
    assert np.array_equal(one.draws, again.draws) and one.draws.shape == (40, 576)
    assert not np.array_equal(one.truth, other.truth)
    assert one.draws.dtype == one.truth.dtype == np.float32
    assert one.facts["simulations"] == 2 * 12
    assert one.facts["chi-squared of the truth"] == pytest.approx(1, abs=0.15)
    prior = case().invert(3)  # two small steps: nothing but the prior's spread
    assert one.facts["chi-squared of the mean"] < 1.3
    assert prior.facts["chi-squared of draws"] > 2 * one.facts["chi-squared of draws"]


def test_blocks_and_volumes_are_those_of_the_unknown_cells():
    run = Run.model_validate({**yaml.safe_load(TREE), "name": "run"})
    grid = Grid((4, 6, 6), (50.0, 50.0, 50.0))
    cells = Cells.of(grid, fixed_above=50.0)
    quantities = Quantities.of(cells, load_prior(run.prior, cells))
    assert [len(third) for third in quantities.thirds] == [36, 36, 36]
    assert sum(len(block) for block in quantities.blocks) == cells.n
    models = np.stack([load_prior(run.prior, cells).quantile(p) for p in (0.1, 0.6, 0.9)])
    volumes = quantities.values("volumes", models)
    np.testing.assert_array_equal(volumes, [[1, 0, 0], [0, 1, 0], [0, 1, 1]])
    means = quantities.values("block means", models)
    sizes = [len(block) for block in quantities.blocks]
    np.testing.assert_allclose(means @ sizes / cells.n, models.mean(axis=1))
    lower = quantities.values("lower third", models)
    np.testing.assert_array_equal(lower, models[:, cells.depth == 150.0])


def test_a_posterior_too_narrow_is_told_in_the_table():
    rng = np.random.default_rng(4)
    cells = Cells.of(Grid((3, 3, 3), (50.0, 50.0, 50.0)))
    run = Run.model_validate({**yaml.safe_load(TREE), "name": "run"})
    quantities = Quantities.of(cells, load_prior(run.prior, cells))
    results = [
        Inversion(
            2200 + 100 * rng.standard_normal(27), 2200 + 30 * rng.standard_normal((60, 27))
        )
        for _ in range(60)
    ]
    found = quantities.calibrations(results)
    summary = summary_of(found, results, 27)
    row = summary["quantities"]["cells"]
    assert summary["sbc_share_above_0_01"] < 0.1 and row["coverage of 90 %"] < 0.5
    assert row["estimated over right sd"] < 0.6
    lines = table_of(summary)
    assert len(lines) == 8 and "41 ± 1 %" in lines[1] and lines[1].startswith("cells")


def test_ties_of_draws_and_truth_may_have_any_rank():
    empty = [(np.zeros(1), np.zeros((9, 1))) for _ in range(100)]
    ranks = Calibration.of(empty).ranks
    assert ranks.min() < 0.1 and ranks.max() > 0.9 and abs(ranks.mean() - 0.5) < 0.1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"likelihood": {"noise": {}}}, r"'likelihood\.noise' must be null"),
        ({"likelihood": {"spectrum": {"correlation_s": 0.1}}}, r"'likelihood\.spectrum'"),
        ({"survey": {"synthetic": {"noise_level": 0}}}, r"noise_level' must be above 0"),
        ({"survey": {"synthetic": {"dt_s": 0.04}}}, "stability limit"),
    ],
)
def test_what_cannot_be_calibrated_is_refused(changes, message):
    tree = yaml.safe_load(TREE)
    for name, value in changes.items():
        tree[name] = tree.get(name, {})
        for key, inner in value.items():
            old = tree[name].get(key, {})
            tree[name][key] = {**old, **inner} if isinstance(inner, dict) else inner
    with pytest.raises(ConfigError, match=message):
        SurveyCase(parse_project(tree).resolved[0]).check()


def test_a_folder_holds_inversions_of_one_problem_and_damaged_files_are_done_again(tmp_path):
    kept = KeptInversions(tmp_path, "one")
    kept.claim()
    kept.keep(0, Inversion(np.arange(3.0), np.ones((4, 3)), {"seconds": 2.0}))
    found = kept.load(0)
    assert found is not None and found.facts == {"seconds": 2.0}
    np.testing.assert_array_equal(found.truth, np.arange(3.0))
    path = tmp_path / "inversions" / "0000.npz"
    path.write_bytes(path.read_bytes()[:200])
    assert kept.load(0) is None and kept.load(1) is None
    with pytest.raises(ConfigError, match="must be new or hold inversions of the same problem"):
        replace(kept, identity="two").claim()


@pytest.mark.slow
def test_the_command_goes_on_where_it_was_and_writes_numbers_and_figure(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.yaml").write_text(TREE)
    (tmp_path / "profile").mkdir()
    words = ["calibrate", "tiny.yaml", "--inversions", "10", "--workers", "1"]
    words += ["--profile", str(tmp_path / "profile"), "--folder", "out"]
    ours = case()
    kept = KeptInversions(tmp_path / "out" / "tiny" / "run", ours.identity)
    kept.claim()
    for index in set(range(10)) - {4}:
        kept.keep(index, ours.invert(index))
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0 and "2 of 10" not in done.output
    assert "10 of 10 inversions done" in done.output and "block means" in done.output
    numbers = json.loads((kept.folder / "calibration.json").read_text())
    assert numbers["inversions"] == 10 and len(numbers["by inversion"]["seconds"]) == 10
    assert (kept.folder / "calibration.png").read_bytes()[:4] == b"\x89PNG"
    # A worker does to the bit what is done here.
    there = kept.load(4)
    assert there is not None and np.array_equal(there.draws, ours.invert(4).draws)
    (tmp_path / "tiny.yaml").write_text(TREE.replace("sd: 1.0", "sd: 0.9"))
    assert isinstance(CliRunner().invoke(app, words).exception, ConfigError)
