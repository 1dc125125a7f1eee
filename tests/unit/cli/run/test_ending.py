"""Stopping a project, and what an earlier workflow left running, here and elsewhere."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from pvi_hpc.cli.run import ending
from pvi_hpc.errors import LeaseError
from pvi_hpc.execution import lease as module
from pvi_hpc.execution.lease import Lease
from pvi_hpc.store.layout import ProjectPaths

CONTROLLER = """
import sys, time
from pathlib import Path
from pvi_hpc.execution.lease import Lease
from pvi_hpc.run.interrupt import StopFlag
with Lease(Path(sys.argv[1])), StopFlag() as stop:
    print("held", flush=True)
    while not stop:
        time.sleep(0.05)
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project of one run."""
    monkeypatch.chdir(tmp_path)
    return SimpleNamespace(name="tiny", resolved=(SimpleNamespace(name="psvi"),))


@pytest.fixture
def lease(project):
    return ProjectPaths.of("tiny").run("psvi").lease


@pytest.fixture
def controller(lease):
    command = [sys.executable, "-c", CONTROLLER, str(lease)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline()
        yield process
        process.kill()


def test_a_controller_elsewhere_is_named_at_once(project, lease, monkeypatch):
    ending.refuse_elsewhere(project)
    with monkeypatch.context() as there, Lease(lease):
        ending.refuse_elsewhere(project)
        there.setattr(module, "_host", lambda: "elsewhere")
        message = rf"process {os.getpid()} on {socket.gethostname()}.*'pvi stop'.*wait 60 s"
        with pytest.raises(LeaseError, match=message):
            ending.refuse_elsewhere(project)


def test_a_survivor_stops(project, controller, capsys):
    ending.end_survivors(project)
    assert controller.wait(10) == 0
    assert f"Run 'psvi' outlived its workflow (process {controller.pid})" in (
        capsys.readouterr().out
    )


@pytest.mark.parametrize("place", ["bank", "network"])
def test_who_fills_a_bank_or_trains_a_network_is_a_survivor_too(project, place, capsys):
    path = ProjectPaths.of("tiny").run("psvi").folder / place / "lease.json"
    command = [sys.executable, "-c", CONTROLLER, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline()
        ending.end_survivors(project)
        assert process.wait(10) == 0
    assert f"Run 'psvi/{place}' outlived its workflow" in capsys.readouterr().out


def test_a_suspended_survivor_is_not_waited_for_without_end(project, controller, monkeypatch):
    monkeypatch.setattr(ending, "PATIENCE_S", 0.3)
    controller.send_signal(signal.SIGSTOP)
    with pytest.raises(LeaseError, match=rf"{controller.pid}.*suspended.*-CONT.*-KILL"):
        ending.end_survivors(project)


def test_a_stop_file_that_cannot_be_written_does_not_keep_the_signal_back(
    project, controller, monkeypatch, capsys
):
    def refuse(path, text):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(ending, "write_text", refuse)
    assert ending.ask_to_stop(project)
    assert controller.wait(10) == 0
    assert "Only this host is told" in capsys.readouterr().err


def test_a_controller_of_another_user_is_told_by_the_file_and_named(
    project, controller, monkeypatch, capsys
):
    def refuse(process):
        raise psutil.AccessDenied(process.pid)

    monkeypatch.setattr(psutil.Process, "terminate", refuse)
    assert ending.ask_to_stop(project)
    assert rf"(process {controller.pid}): told by a file" in capsys.readouterr().out
    with pytest.raises(LeaseError, match=rf"process {controller.pid} of user .*ask"):
        ending.end_survivors(project)


def test_nobody_is_told_where_nobody_is(project, lease):
    lease.parent.mkdir(parents=True)
    assert not ending.ask_to_stop(project)
    lease.write_text('{"name": "elsewhere", "pid": 1}')
    assert ending.ask_to_stop(project)
    assert Path("results/tiny/stop").exists()
