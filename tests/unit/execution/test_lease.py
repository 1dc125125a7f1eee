"""A run has one controller."""

import errno
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from pvi_hpc.errors import LeaseError
from pvi_hpc.execution import lease as module
from pvi_hpc.execution.lease import Lease

HOLDER = """
import sys, time
from pathlib import Path
from pvi_hpc.execution.lease import Lease
with Lease(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "lease.json")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline()
        yield process
        process.kill()


def test_a_second_controller_is_refused_with_host_pid_and_remedy(tmp_path, holder):
    with pytest.raises(LeaseError, match=rf"process {holder.pid} on .*kill {holder.pid}"):
        Lease(tmp_path / "lease.json").acquire()
    assert json.loads((tmp_path / "lease.json").read_text())["pid"] == holder.pid


def test_a_dead_controller_is_overtaken_at_once(tmp_path, holder):
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    with Lease(tmp_path / "lease.json") as lease:
        assert lease.epoch == 2
        lease.check()
    assert not (tmp_path / "lease.json").exists()


def test_a_released_lease_is_free_and_epochs_never_run_backwards(tmp_path):
    path = tmp_path / "run" / "lease.json"
    for epoch in (1, 2, 3):
        with Lease(path) as lease:
            assert lease.epoch == epoch
    assert [p.name for p in path.parent.iterdir()] == ["lease.json.000003"]


def test_an_owner_on_another_host_keeps_its_lease_while_its_heart_beats(tmp_path, monkeypatch):
    path = tmp_path / "lease.json"
    mine = Lease(path, expires_s=0.4)
    mine.acquire()
    monkeypatch.setattr(module, "_host", lambda: "elsewhere")
    time.sleep(0.8)
    with pytest.raises(LeaseError, match=r"pvi stop.*if it died, wait"):
        Lease(path, expires_s=0.4).acquire()
    mine._stop.set()
    time.sleep(0.8)
    with Lease(path, expires_s=0.4) as other:
        assert other.epoch == 2
        with pytest.raises(LeaseError, match="from epoch 1 to 2"):
            mine.check()
        mine.release()
        other.check()


def test_of_two_that_overtake_together_one_wins(tmp_path, monkeypatch):
    path = tmp_path / "lease.json"
    slow, quick = Lease(path), Lease(path)
    monkeypatch.setattr(slow, "_refuse_if_alive", lambda epoch: quick.acquire())
    Lease(path).acquire()
    monkeypatch.setattr(quick, "_refuse_if_alive", lambda epoch: None)
    with pytest.raises(LeaseError, match="at this moment"):
        slow.acquire()
    quick.check()


@pytest.fixture(params=[errno.EPERM, errno.ENOTSUP])
def no_links(request, monkeypatch):
    """A file system without hard links."""

    def refuse(*_):
        raise OSError(request.param, os.strerror(request.param))

    monkeypatch.setattr(os, "link", refuse)


def test_a_file_system_without_hard_links_will_do(tmp_path, no_links):
    path = tmp_path / "run" / "lease.json"
    with Lease(path) as lease:
        lease.check()
        with pytest.raises(LeaseError, match=rf"worked on by process {os.getpid()}"):
            Lease(path).acquire()
    with Lease(path) as lease:
        assert lease.epoch == 2
    assert [p.name for p in path.parent.iterdir()] == ["lease.json.000002"]


def test_of_two_that_overtake_together_one_wins_without_hard_links(
    tmp_path, no_links, monkeypatch
):
    path = tmp_path / "lease.json"
    slow, quick = Lease(path), Lease(path)
    monkeypatch.setattr(slow, "_refuse_if_alive", lambda epoch: quick.acquire())
    Lease(path).acquire()
    monkeypatch.setattr(quick, "_refuse_if_alive", lambda epoch: None)
    with pytest.raises(LeaseError, match="at this moment"):
        slow.acquire()
    quick.check()
