"""The whole workflow, from a configuration to the report, on a tiny survey."""

import json
import subprocess
import sys

import h5py
import numpy as np
import pytest
import xarray as xr

pytestmark = pytest.mark.slow

RUNS = ("mean_field", "psvi")


def test_run_ends_with_the_path_of_the_report(finished):
    assert "results/tiny/report/index.html" in (finished.folder / "output.txt").read_text()
    page = (finished.results / "report" / "index.html").read_text()
    for run in RUNS:
        assert run in page


@pytest.mark.parametrize("run", RUNS)
def test_every_result_is_there_and_readable(finished, run):
    folder = finished.results / run
    with h5py.File(folder / "posterior.h5") as file:
        assert file["mean"].shape == (10, 12, 12)
        assert np.all(file["sd"][...] > 0)
    samples = xr.open_dataset(folder / "samples.nc", group="posterior", engine="h5netcdf")
    assert dict(samples.sizes) == {"chain": 1, "draw": 20, "z": 10, "y": 12, "x": 12}
    with h5py.File(folder / "posterior.vtkhdf") as file:
        assert file["VTKHDF"].attrs["Type"] == b"ImageData"
    summary = json.loads((folder / "summary.json").read_text())
    # 2 MAP iterations of one sample and 6 of two, one shot each; 4 models on 2 shots.
    assert summary["simulations"]["for the posterior"] == 2 + 6 * 2
    assert summary["simulations"]["for the predictive check"] == 4 * 2
    assert summary["simulations"]["for k-hat"] == 2 * 25 * 2
    assert set(summary["k_hat"]) == {
        f"z 0 to 540 m, y 0 to 660 m, x {x} m" for x in ("0 to 300", "360 to 660")
    }
    page = (finished.results / "report" / f"{run}.html").read_text()
    assert "Pareto k-hat of blocks, worst" in page
    assert np.isfinite(summary["elbo"]) and summary["elbo_se"] > 0


@pytest.mark.parametrize("run", RUNS)
def test_the_questions_of_the_configuration_are_answered(finished, run):
    folder = finished.results / run
    found = json.loads((folder / "answers.json").read_text())
    with h5py.File(folder / "posterior.h5") as file:
        mean = file["mean"][:5].mean()  # the average of means is the mean of averages
        assert found["state"]["state_digest"] == file.attrs["user_state_digest"]
    assert found["answers"]["shallow"]["mean"] == pytest.approx(mean, rel=1e-6)
    assert 0 < found["answers"]["slow_body"]["mean"] <= 1440 * 60.0**3
    response = found["answers"]["shallow"]["linear_response"]
    assert (
        1 <= response["products"] <= 5 and response["simulations"] == 2 * response["products"]
    )
    # The data teach: neither sd is that of independent cells under the prior.
    assert 0 < response["sd"] < found["answers"]["shallow"]["prior"]["sd"]
    assert "sd by linear response" in (finished.results / "report" / f"{run}.html").read_text()
    assert "Sensitivity" in (finished.results / "report" / f"{run}.html").read_text()


@pytest.mark.parametrize("run", RUNS)
def test_the_prior_is_replaced_by_each_hypothesis(finished, run):
    folder = finished.results / run
    found = json.loads((folder / "hypotheses.json").read_text())
    right, wrong = (found["hypotheses"][name] for name in ("correlated", "disjoint"))
    assert right["gate"]["passed"] and right["evidence"]["kind"] == "exact"
    assert "no mass" in wrong["refused"]
    its = folder / "hypotheses" / "correlated"
    with h5py.File(its / "posterior.h5") as file:
        mean = file["mean"][:5].mean()
        assert file["mean"].shape == (10, 12, 12) and np.all(file["sd"][...] > 0)
    assert right["answers"]["shallow"]["mean"] == pytest.approx(mean, rel=1e-6)
    assert not (folder / "hypotheses" / "disjoint").exists()
    page = (finished.results / "report" / f"{run}.html").read_text()
    assert "Other priors" in page and "refused: the old posterior has no mass" in page


def test_the_inversion_fits_better_than_its_start(finished):
    with h5py.File(finished.results / "mean_field" / "predictive.h5") as file:
        misfits = file["reduced_chi_squared"]
        assert misfits["mean"][...].mean() < misfits["start"][...].mean()


def test_status_tells_how_far_every_run_is(finished):
    text = finished.call("status", "tiny")
    assert text.count("finished") == 2 and "8/8" in text


def test_a_second_run_has_nothing_to_do(copied):
    checkpoints = copied.results / "psvi" / "checkpoints"
    before = {p.name: p.stat().st_mtime_ns for p in checkpoints.iterdir()}
    copied.pvi("run", "tiny.yaml")
    assert {p.name: p.stat().st_mtime_ns for p in checkpoints.iterdir()} == before


def test_snakemake_alone_makes_a_report_of_its_own(copied):
    done = subprocess.run(
        [
            *(sys.executable, "-m", "snakemake", "--report", "report.html"),
            *("--snakefile", str(copied.snakefile), "--configfile", "tiny.yaml"),
        ],
        cwd=copied.folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (copied.folder / "report.html").stat().st_size > 100_000


def test_other_settings_are_refused_and_nothing_is_overwritten(copied):
    before = (copied.results / "survey.h5").stat().st_mtime_ns
    copied.write(inference={**copied.tree["inference"], "iterations": 7})
    text = copied.call("run", "tiny.yaml", code=2)
    assert "'inference.iterations' was 6, is 7" in text
    assert (copied.results / "survey.h5").stat().st_mtime_ns == before


def test_two_workers_and_two_ranks_come_to_the_same_distribution(surveyed):
    """Ranks cut the same arithmetic in two: equal up to the rounding of float32 sums."""
    one = {"name": "one", "execution": {"workers": 2, "ranks": 1}}
    two = {"name": "two", "execution": {"workers": 1, "ranks": 2}}
    surveyed.write(runs=[one, two], segments=1)
    surveyed.steps("posterior")
    means = []
    for run in ("one", "two"):
        with h5py.File(surveyed.results / run / "posterior.h5") as file:
            means.append(file["mean"][...])
    np.testing.assert_allclose(means[0], means[1], rtol=2e-4)


def test_without_data_the_workflow_returns_the_prior(surveyed):
    inference = {
        "iterations": 300,
        "samples": 2,
        "use_data": False,
        "optimiser": {"step": 0.05},
    }
    surveyed.write(
        inference=inference,
        start={"sd": 0.3, "model": {"depth_m": [0], "velocity_m_s": [2300]}},
        runs=[{"name": "prior"}],
        posterior={"samples": 400, "predictive_draws": 2},
        segments=1,
    )
    surveyed.steps("posterior")
    with h5py.File(surveyed.results / "prior" / "posterior.h5") as file:
        mean, sd = file["mean"][...], file["sd"][...]
        prior_mean, prior_sd = file["prior_mean"][...], file["prior_sd"][...]
    # 400 draws: the mean of a cell has a standard error of sd / 20, its sd one of 3 %.
    assert np.abs((mean - prior_mean) / prior_sd).max() < 5 / 20
    assert np.abs(sd / prior_sd - 1).max() < 0.15
    assert abs(np.mean((mean - prior_mean) / prior_sd)) < 0.01
    assert abs(np.mean(sd / prior_sd) - 1) < 0.01


def test_a_run_that_converges_early_is_finished(surveyed):
    """It stops in the second of three segments; the third has nothing to do."""
    stop = {"window": 2, "tolerance": 1e9}  # converged after two windows, whatever the ELBO
    start = {"sd": 0.2, "map_iterations": 2, "map_optimiser": "lbfgs", "hessian": {"probes": 1}}
    surveyed.write(
        inference={"iterations": 12, "samples": 2, "stop": stop},
        start=start,
        segments=3,
        runs=[{"name": "early"}],
    )
    surveyed.steps("predictive")
    segments = [
        json.loads((surveyed.results / "early" / "segments" / f"{i}.json").read_text())
        for i in range(3)
    ]
    assert [(s["iteration"], s["converged"]) for s in segments] == [
        (6, False),
        (8, True),
        (8, True),
    ]
    assert "finished" in surveyed.call("status", "tiny")
    summary = json.loads((surveyed.results / "early" / "summary.json").read_text())
    assert summary["converged"] and summary["iterations"] == 8
    # On 2 shots each: 2 of L-BFGS, 1 and 1 of the curvature, 4 iterations of 2 samples.
    assert summary["simulations"]["for the posterior"] == (2 + 2 + 4 * 2) * 2


@pytest.mark.parametrize(
    ("kind", "options"), [("ssvgd", {"correction": "none"}), ("boosting", {})]
)
def test_other_methods_go_through_the_whole_workflow(surveyed, kind, options):
    """Two segments with a checkpoint between them, draws, predictive check, report."""
    method = {"kind": kind, "options": options}
    surveyed.write(
        inference={"method": method, "iterations": 4, "samples": 2},
        posterior={"samples": 3, "predictive_draws": 2},
        runs=[{"name": kind}],
    )
    surveyed.steps()
    summary = json.loads((surveyed.results / kind / "summary.json").read_text())
    assert summary["iterations"] == 2 + 4
    with h5py.File(surveyed.results / kind / "posterior.h5") as file:
        assert np.isfinite(file["mean"][...]).all()
    assert kind in (surveyed.results / "report" / "index.html").read_text()
