"""Results of different states are never mixed, and a stop or a damage loses nothing."""

import signal
import subprocess
import sys
import time

import h5py
import numpy as np
import psutil
import pytest

from pvi_hpc.config.project import RESERVED
from pvi_hpc.run.interrupt import EXIT_STOPPED

pytestmark = pytest.mark.slow


def datasets(path):
    """Return all arrays of an HDF5 file by name."""
    with h5py.File(path) as file:
        found = {}
        file.visititems(lambda name, item: found.update({name: item}))
        return {n: d[...] for n, d in found.items() if isinstance(d, h5py.Dataset)}


def assert_same(one, other):
    a, b = datasets(one), datasets(other)
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_array_equal(a[name], b[name], err_msg=name)


def test_without_its_last_checkpoint_a_run_has_no_posterior_until_it_is_done_again(
    finished, copied
):
    run = copied.results / "mean_field"
    damaged = bytearray((run / "checkpoints" / "000008.h5").read_bytes())
    damaged[len(damaged) // 2] ^= 1
    (run / "checkpoints" / "000008.h5").write_bytes(damaged)
    (run / "posterior.h5").unlink()
    text = copied.call("posterior", "tiny", "mean_field", code=2)
    assert "is not done" in text and "of 8" in text and "pvi resume tiny" in text
    assert not (run / "posterior.h5").exists()
    assert "Done." in copied.pvi("resume", "tiny")
    for name in ("posterior.h5", "predictive.h5"):
        assert_same(run / name, finished.results / "mean_field" / name)


def test_a_report_of_files_of_different_states_is_refused(copied):
    for name in ("posterior.h5", "predictive.h5", "samples.nc", "posterior.vtkhdf"):
        with h5py.File(copied.results / "psvi" / name) as file:
            assert file.attrs["user_state_iteration"] == "8"
    with h5py.File(copied.results / "psvi" / "predictive.h5", "r+") as file:
        file.attrs["user_state_iteration"] = "7"
    text = copied.call("report", "tiny", code=2)
    assert "predictive.h5' is of another state" in text and "pvi resume tiny" in text


def test_a_predictive_check_that_is_stopped_keeps_what_it_has_simulated(finished, copied):
    run = copied.results / "mean_field"
    for name in ("predictive.h5", "summary.json"):
        (run / name).unlink()
    process = copied.start("predictive", "tiny", "mean_field")
    deadline = time.monotonic() + 200
    while not list(run.glob("predicted/*.npz")) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGUSR1)
    text, _ = process.communicate(timeout=300)
    assert process.returncode == EXIT_STOPPED, text
    assert "stopped by SIGUSR1" in text and not (run / "predictive.h5").exists()
    kept = {path: path.stat().st_mtime_ns for path in run.glob("predicted/*.npz")}
    assert kept and "predictive check stopped" in copied.call("status", "tiny")
    copied.call("predictive", "tiny", "mean_field")
    assert not (run / "predicted").exists()
    assert_same(run / "predictive.h5", finished.results / "mean_field" / "predictive.h5")


def test_a_stop_in_the_first_moments_is_heard(project):
    process = project.start("run", "tiny.yaml")
    owner = project.results / "workflow.json"
    while not owner.exists():
        assert process.poll() is None
        time.sleep(0.01)
    psutil.Process(process.pid).send_signal(signal.SIGTERM)
    text, _ = process.communicate(timeout=300)
    assert process.returncode == EXIT_STOPPED, text
    assert not list(project.results.glob("*/checkpoints"))
    again = project.pvi("run", "tiny.yaml", "--", "--until", "prepare")
    assert "the report was not made" in again


def test_every_file_of_a_project_is_beside_its_runs_by_a_name_that_no_run_can_have(finished):
    beside = {path.name for path in finished.results.iterdir()} - {"mean_field", "psvi"}
    taken = {name for name in beside if "." not in name and name not in RESERVED}
    assert not taken and not (finished.results / ".simulation").exists()


def test_a_key_that_stands_twice_is_refused_where_snakemake_is_started_alone(project):
    with (project.folder / "tiny.yaml").open("a") as file:
        file.write("seed: 4\n")
    assert "stands twice" in project.call("run", "tiny.yaml", code=2)
    words = ("-n", "--snakefile", str(project.snakefile), "--configfile", "tiny.yaml")
    command = [sys.executable, "-m", "snakemake", *words]
    done = subprocess.run(
        command, cwd=project.folder, capture_output=True, text=True, check=False
    )
    assert done.returncode and "'seed' stands twice" in done.stdout + done.stderr
