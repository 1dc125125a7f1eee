"""Faults of an external program: each has its class, and leaves nothing behind."""

import os
import time

import numpy as np
import psutil
import pytest
from external_example import SHAPE, command, compiled, external_run, true_model
from test_external import solver_of

from pvi_hpc.errors import SolverError

WRAPPER = """#!/bin/sh
# The first gradient is good; what comes after fails as FAULT says.
folder=$1
{fault}
exec {program} "$@"
"""

FAULTS = {
    "killed": ("kill -SEGV $$", "crash", "ended by SIGSEGV"),
    "hangs": (
        "sleep 1000 & sleep 1000",
        "hang",
        "within 'forward.time_limit_s: 1'",
    ),
    "exit code": ("echo no mesh for this model >&2; exit 3", "solver_error", "exited with 3"),
    "bad model": ("exit 65", "bad_model", "cannot simulate this model"),
    "no answer": ("exit 0", "wrong_result", "'answer.json' cannot be used"),
    "stale answer": (
        'cp {old}/* "$folder"; exit 0',
        "wrong_result",
        "it is the answer to another request",
    ),
    "cut array": (
        '{program} "$@"; for f in "$folder"/data.npy; do truncate -s 60 $f; done; exit 0',
        "wrong_result",
        "'data.npy' cannot be read",
    ),
    "NaN": (
        'cp {nan} "$folder"/data.npy; '
        'printf \'{{"identity": "%s"}}\' "$2" > "$folder"/answer.json; exit 0',
        "non_finite",
        "holds NaN or infinite values",
    ),
}


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    return compiled(tmp_path_factory.mktemp("program"))


@pytest.mark.parametrize("kind", FAULTS)
def test_each_fault_of_a_program_has_its_class(program, tmp_path, kind):
    fault, failure, message = FAULTS[kind]
    old = tmp_path / "old"
    old.mkdir()
    (old / "answer.json").write_text('{"identity": "0123456789abcdef0123456789abcdef"}')
    np.save(old / "data.npy", np.ones(242))
    np.save(tmp_path / "nan.npy", np.full(242, np.nan))
    wrapper = tmp_path / "wrapper.sh"
    filled = fault.format(old=old, nan=tmp_path / "nan.npy", program=program)
    wrapper.write_text(WRAPPER.format(fault=filled, program=program))
    wrapper.chmod(0o755)
    run = external_run(tmp_path, **command(wrapper), time_limit_s=1.0)
    solver = solver_of(run, tmp_path)
    solver.set_model(true_model())
    with pytest.raises(SolverError, match=message) as caught:
        solver.simulate([0], "misfit")
    assert caught.value.failure == failure
    assert not list((tmp_path / "own").iterdir())
    if kind == "exit code":
        assert "no mesh for this model" in str(caught.value)


def test_a_hanging_program_and_its_children_are_gone(program, tmp_path):
    wrapper = tmp_path / "wrapper.sh"
    mark = f"pvi-test-{os.getpid()}"
    wrapper.write_text(f"#!/bin/sh\n(exec -a {mark} sleep 1000) &\nsleep 1000\n".replace(
        "(exec -a", "bash -c 'exec -a").replace("1000) &", "1000' &"))  # fmt: skip
    wrapper.chmod(0o755)
    solver = solver_of(external_run(tmp_path, **command(wrapper), time_limit_s=0.5), tmp_path)
    solver.set_model(true_model())
    with pytest.raises(SolverError, match="killed"):
        solver.simulate([0], "misfit")
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline and running(mark):
        time.sleep(0.05)
    assert not running(mark)


def running(mark):
    return [p for p in psutil.process_iter(["cmdline"]) if mark in (p.info["cmdline"] or [])]


def test_an_mpi_program_does_not_take_itself_for_a_rank_of_ours(tmp_path, monkeypatch):
    monkeypatch.setenv("PMI_RANK", "0")
    monkeypatch.setenv("HYDI_CONTROL_FD", "9")
    wrapper = tmp_path / "wrapper.sh"
    wrapper.write_text("#!/bin/sh\nenv | grep -E 'PMI_|HYDI_' && exit 4\nexit 5\n")
    wrapper.chmod(0o755)
    solver = solver_of(external_run(tmp_path, **command(wrapper)), tmp_path)
    solver.set_model(np.full(SHAPE, 2500.0))
    with pytest.raises(SolverError, match="exited with 5"):
        solver.simulate([0], "misfit")
