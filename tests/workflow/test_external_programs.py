"""A program in C and a Python function inverted through the whole workflow, and disturbed."""

import json
import os
import signal
import time

import h5py
import numpy as np
import pytest
from external_example import SHAPE, SPACING, command, compiled, function, observed, true_model
from made_once import made_once
from tiny_project import Project

pytestmark = pytest.mark.slow

LAST = "000024.h5"
NOISE_S = 0.001

#: Fails once, at its first call, then does what the program does.
DISTURBED = """#!/bin/sh
if mkdir "{flags}/done-{fault}" 2> /dev/null; then
  case {fault} in
    crash) kill -SEGV $$ ;;
    hang) sleep 1000 ;;
    exit) echo "no mesh" >&2; exit 3 ;;
    nan) {program} "$@" && cp "{flags}"/nan-$3.npy "$1"/$3.npy; exit 0 ;;
    stale) cp "{flags}"/stale/* "$1"/; exit 0 ;;
  esac
fi
exec {program} "$@"
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    return compiled(tmp_path_factory.mktemp("program"))


def settings(folder, forward):
    """Return the sections of a project of one PSVI run of a forward problem."""
    family = {"kind": "structured", "options": {"stencil": [3, 3, 3]}}
    return {
        "grid": {"shape": list(SHAPE), "spacing_m": SPACING},
        "survey": None,
        "forward": {"data": str(observed(folder)), "noise_sd": NOISE_S, **forward},
        "start": {"sd": 0.1, "map_iterations": 20, "map_step": 0.2},
        "inference": {"iterations": 4, "samples": 2, "family": family},
        "execution": {"workers": 2, "shots_per_task": 1, "timeout_s": 60, "retries": 3},
        "runs": [{"name": "psvi"}],
        "segments": 1,
        "report": {},
    }


def external_project(project, forward):
    """Make a project of a forward problem of the tiny one."""
    project.write(**settings(project.folder, forward))
    return project


def parameters(project):
    with h5py.File(project.results / "psvi" / "checkpoints" / LAST) as file:
        return {name: value[...] for name, value in file["state/parameters"].items()}


def assert_same_bits(project, expected):
    found = parameters(project)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)


@pytest.fixture(scope="module")
def undisturbed(program, tmp_path_factory):
    """The project of a run that nothing disturbs, and its parameters."""

    def run(folder):
        made = external_project(Project(folder), command(program))
        made.call("check", "tiny.yaml")
        made.steps()

    made = Project(made_once(tmp_path_factory, "undisturbed", run))
    return made, parameters(made)


def test_a_program_is_inverted_with_psvi_to_its_report(undisturbed):
    project, _ = undisturbed
    summary = json.loads((project.results / "psvi" / "summary.json").read_text())
    # All models: (20 + 4 x 2) for the posterior, start, mean and 2 draws for the check.
    assert summary["simulations"]["done"] == 28 + 4
    assert summary["chi_squared"]["draws"] < 0.5 * summary["chi_squared"]["start"]
    page = (project.results / "report" / "psvi.html").read_text()
    assert "Shot gather" not in page and "Geometry" not in page
    assert "Posterior draws" in page
    with h5py.File(project.results / "psvi" / "posterior.h5") as file:
        mean = file["mean"][...]
    anomaly = mean - mean.mean(axis=(1, 2), keepdims=True)
    truth = true_model() - true_model().mean(axis=(1, 2), keepdims=True)
    assert np.corrcoef(anomaly.ravel(), truth.ravel())[0, 1] > 0.3


def test_a_function_gives_the_posterior_of_the_program(undisturbed, project):
    made = external_project(project, function())
    made.steps("segment")
    for name, value in undisturbed[1].items():
        np.testing.assert_allclose(parameters(made)[name], value, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("crash", "crash"),
        ("hang", "hang"),
        ("exit", "solver_error"),
        ("nan", "non_finite"),
        ("stale", "wrong_result"),
    ],
)
def test_a_fault_of_the_program_is_counted_and_changes_no_bit(
    undisturbed, program, project, fault, kind
):
    flags = project.folder / "flags"
    (flags / "stale").mkdir(parents=True)
    n = sum(SHAPE[a] * SHAPE[b] for a, b in ((0, 1), (0, 2), (1, 2)))
    (flags / "stale" / "answer.json").write_text('{"identity": "of another request"}')
    np.save(flags / "stale" / "data.npy", np.zeros(n))
    np.save(flags / "stale" / "gradient.npy", np.zeros(SHAPE))
    np.save(flags / "nan-data.npy", np.full(n, np.nan))
    np.save(flags / "nan-gradient.npy", np.full(SHAPE, np.nan))
    wrapper = project.folder / "disturbed.sh"
    wrapper.write_text(DISTURBED.format(flags=flags, fault=fault, program=program))
    wrapper.chmod(0o755)
    # The gradient is not measured, so that the fault comes in the inversion.
    forward = {**command(wrapper), "time_limit_s": 5, "max_error": None}
    made = external_project(project, forward)
    made.steps("segment")
    assert_same_bits(made, undisturbed[1])
    lines = (made.results / "psvi" / "ledger.jsonl").read_text().splitlines()
    events = [json.loads(line) for line in lines]
    failed = [event["kind"] for event in events if event["event"] == "failed"]
    assert failed == [kind]
    status = json.loads((made.results / "psvi" / "status.json").read_text())
    assert (status["failed"], status["retried"]) == (1, 1)


def test_a_killed_controller_of_a_program_resumes_to_the_same_bits(
    undisturbed, program, project
):
    slow, flag = project.folder / "slow.sh", project.folder / "slow"
    slow.write_text(f'#!/bin/sh\nif [ -e {flag} ]; then sleep 0.3; fi\nexec {program} "$@"\n')
    slow.chmod(0o755)
    flag.touch()
    made = external_project(project, {**command(slow), "max_error": None})
    process = made.start("run", "tiny.yaml", "--", "--until", "segment")
    status, deadline = made.results / "psvi" / "status.json", time.monotonic() + 300
    while time.monotonic() < deadline:
        if status.exists() and json.loads(status.read_text())["iteration"] >= 3:
            break
        time.sleep(0.02)
    os.kill(json.loads(status.read_text())["pid"], signal.SIGKILL)
    process.communicate(timeout=300)
    flag.unlink()
    made.pvi("resume", "tiny", "--", "--until", "segment")
    assert_same_bits(made, undisturbed[1])


def test_a_log_likelihood_without_data_runs_to_its_report(project):
    (project.folder / "density_of_mine.py").write_text(
        "def log_likelihood(model):\n"
        "    residual = (model - 2600.0) / 200.0\n"
        "    return -0.5 * (residual**2).sum(), -residual / 200.0\n"
    )
    forward = {
        "kind": "function",
        "function": "density_of_mine:log_likelihood",
        "returns": "log_likelihood",
    }
    made = external_project(project, forward)
    del made.tree["forward"]["data"], made.tree["forward"]["noise_sd"]
    made.write()
    made.steps()
    summary = json.loads((made.results / "psvi" / "summary.json").read_text())
    assert "chi_squared" not in summary and np.isfinite(summary["elbo"])
    page = (made.results / "report" / "psvi.html").read_text()
    assert "chi-squared" not in page
