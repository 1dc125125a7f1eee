"""A run that is killed anywhere and resumed ends with the bits of one that was not."""

import json
import os
import signal
import time
from contextlib import suppress
from pathlib import Path

import h5py
import numpy as np
import psutil
import pytest

pytestmark = pytest.mark.slow

LAST = "000008.h5"
#: Only the inversion: what follows it starts from the same checkpoint either way.
INVERSION = ("--", "--until", "segment")


@pytest.fixture
def short(surveyed):
    """The run `mean_field` in one segment: the bits do not depend on where it is cut."""
    surveyed.write(segments=1)
    surveyed.keep("mean_field")
    return surveyed


@pytest.fixture
def in_ranks(surveyed):
    """The run `psvi`, on two ranks, in one segment."""
    surveyed.write(segments=1)
    surveyed.keep("psvi")
    return surveyed


def parameters(results: Path, run: str) -> dict[str, np.ndarray]:
    """Return the variational parameters of the last checkpoint."""
    with h5py.File(results / run / "checkpoints" / LAST) as file:
        return {name: value[...] for name, value in file["state/parameters"].items()}


def assert_same_bits(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> None:
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_array_equal(a[name], b[name], err_msg=name)


def wait_for_iteration(results: Path, run: str, iteration: int) -> int:
    """Wait until a run has come so far; return the controller's pid."""
    deadline = time.monotonic() + 300
    path = results / run / "status.json"
    while time.monotonic() < deadline:
        if path.exists():
            status = json.loads(path.read_text())
            if status["iteration"] >= iteration:
                return int(status["pid"])
        time.sleep(0.02)
    raise AssertionError(f"{run} did not come to iteration {iteration}")


def processes_in(folder: Path) -> list[psutil.Process]:
    """Return the living processes that work in a folder."""
    found = []
    for process in psutil.process_iter(["cwd", "status"]):
        if process.info["cwd"] == str(folder) and process.info["status"] != "zombie":
            found.append(process)
    return found


@pytest.mark.parametrize(
    ("run", "runs"), [("mean_field", ("mean_field", "psvi")), ("psvi", ("psvi",))]
)
def test_a_killed_controller_resumes_to_the_same_bits(finished, surveyed, run, runs):
    """The other run, if there is one, goes on."""
    short = surveyed
    short.write(segments=1)
    short.keep(*runs)
    process = short.start("run", "tiny.yaml", *INVERSION)
    pid = wait_for_iteration(short.results, run, 3)
    os.kill(pid, signal.SIGKILL)
    text, _ = process.communicate(timeout=300)
    assert process.returncode != 0, text
    assert "pvi resume tiny" in text
    short.pvi("resume", "tiny", *INVERSION)
    for name in runs:
        expected = parameters(finished.results, name)
        assert_same_bits(parameters(short.results, name), expected)


def test_everything_killed_at_once_leaves_nothing_and_resumes(finished, short):
    process = short.start("run", "tiny.yaml", *INVERSION)
    wait_for_iteration(short.results, "mean_field", 2)
    for victim in processes_in(short.folder):
        with suppress(psutil.NoSuchProcess):  # ended by itself, a zombie included
            if any("snakemake" in word or "/pvi" in word for word in victim.cmdline()[:4]):
                victim.kill()
    process.communicate(timeout=60)
    deadline = time.monotonic() + 15
    while processes_in(short.folder) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not processes_in(short.folder)
    short.pvi("resume", "tiny", *INVERSION)
    expected = parameters(finished.results, "mean_field")
    assert_same_bits(parameters(short.results, "mean_field"), expected)


def test_stop_ends_at_a_checkpoint_and_resume_goes_on(finished, short):
    process = short.start("run", "tiny.yaml", *INVERSION)
    controller = psutil.Process(wait_for_iteration(short.results, "mean_field", 1))
    controller.suspend()  # `pvi stop` may take longer than the iterations
    text = short.call("stop", "tiny")
    controller.resume()
    assert "pvi resume tiny" in text
    process.communicate(timeout=120)
    assert process.returncode != 0
    assert "stopped" in short.call("status", "tiny")
    short.pvi("resume", "tiny", *INVERSION)
    expected = parameters(finished.results, "mean_field")
    assert_same_bits(parameters(short.results, "mean_field"), expected)


def test_resume_first_stops_a_controller_that_outlived_snakemake(finished, short):
    process = short.start("run", "tiny.yaml", *INVERSION)
    controller = psutil.Process(wait_for_iteration(short.results, "mean_field", 1))
    controller.suspend()
    for victim in [process, *psutil.Process(process.pid).children()]:
        victim.kill()
    process.communicate(timeout=60)
    resumed = short.start("resume", "tiny", *INVERSION)
    said = ""
    while "outlived its workflow" not in said:
        line = resumed.stdout.readline()
        assert line, said
        said += line
    controller.resume()
    said, _ = resumed.communicate(timeout=300)
    assert resumed.returncode == 0, said
    assert not controller.is_running()
    expected = parameters(finished.results, "mean_field")
    assert_same_bits(parameters(short.results, "mean_field"), expected)


def test_a_second_workflow_is_refused_while_the_first_one_runs(short):
    process = short.start("run", "tiny.yaml", *INVERSION)
    wait_for_iteration(short.results, "mean_field", 1)
    text = short.call("resume", "tiny", code=2)
    assert "still running" in text
    process.communicate(timeout=300)
    assert process.returncode == 0


def victim_of(controller: int, kind: str) -> psutil.Process:
    """Return a process of a running controller: a Dask worker, an mpiexec or a rank."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        children = psutil.Process(controller).children(recursive=True)
        named = [(p, p.cmdline()) for p in children if p.status() != psutil.STATUS_ZOMBIE]
        ranks = [p for p, words in named if words[-2:-1] == ["pvi_hpc.execution.gang.ranks"]]
        if kind == "rank" and ranks:
            return ranks[-1]
        if kind == "mpiexec" and (found := [p for p, w in named if "mpiexec" in w[0]]):
            return found[0]
        if kind == "worker" and ranks:
            owners = [p for p, words in named if any("spawn_main" in word for word in words)]
            return next(p for p in owners if ranks[0] in p.children(recursive=True))
        time.sleep(0.05)
    raise AssertionError(f"no {kind} under process {controller}")


@pytest.mark.parametrize("kind", ["worker", "mpiexec", "rank"])
def test_a_killed_part_is_replaced_and_the_bits_stay(finished, in_ranks, kind):
    process = in_ranks.start_controller("psvi")
    controller = wait_for_iteration(in_ranks.results, "psvi", 1)
    victim_of(controller, kind).kill()
    text, _ = process.communicate(timeout=300)
    assert process.returncode == 0, text
    expected = parameters(finished.results, "psvi")
    assert_same_bits(parameters(in_ranks.results, "psvi"), expected)
    assert "killed" not in in_ranks.call("status", "tiny")
