"""A local run on a shared machine, and another user of it who means harm."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil
import pytest
from strangers import Stranger, listening_ports, private_paths, unix_listeners

pytestmark = pytest.mark.slow
HERE = Path(__file__).parent
DEAD = 2**22 - 3
SPACE = Path("/proc/self/ns/pid").stat().st_ino


@pytest.fixture
def stranger():
    """Another user of this machine."""
    with Stranger() as one:
        yield one


@pytest.fixture
def temporary():
    """A folder like /tmp: everybody can write to it."""
    folder = Path(tempfile.mkdtemp(prefix="pvi-t-", dir="/tmp"))
    folder.chmod(0o1777)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def baited(stranger, temporary, tmp_path):
    """Names of another user in the folder of a run, so that it deletes, follows or waits."""
    thesis = tmp_path / "thesis.tex"
    thesis.write_text("years of work")
    tmp_path.chmod(0o755)
    user = os.getuid()
    for owner in (
        f"gang-{user}",
        f"gang-{user}-{DEAD}-1-{SPACE}",
        f"dask-{user}-{DEAD}-1-{SPACE}",
    ):
        bait, pipe, link = (temporary / f"pvi-{owner}-{what}" for what in ("x", "pipe", "link"))
        for folder in (bait, pipe):
            stranger.does("mkdir", "-m", "777", str(folder))
        stranger.does("sh", "-c", f"echo {thesis} > {bait}/segments")
        stranger.does("mkfifo", "-m", "666", str(pipe / "segments"))
        stranger.does("ln", "-s", str(tmp_path), str(link))
    work = temporary / "dask-scratch-space"
    stranger.does("mkdir", "-m", "777", str(work))
    stranger.does("ln", "-s", str(thesis), str(work / "global.lock"))
    stranger.does("mkfifo", "-m", "666", str(work / "purge.lock"))
    return thesis


@pytest.fixture
def running(baited, temporary, tmp_path):
    """A controller with two local workers on gangs of two, and all its processes."""
    environment = {**os.environ, "TMPDIR": str(temporary)}
    command = [sys.executable, str(HERE / "run_controller.py"), str(tmp_path / "run")]
    (tmp_path / "run").mkdir()
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout.readline() == "iteration\n"
        family = psutil.Process(process.pid).children(recursive=True)
        yield process, {process.pid, *(child.pid for child in family)}
        process.kill()


def test_a_local_run_answers_nobody_and_lends_nothing(running, stranger, temporary, baited):
    process, pids = running
    assert len(pids) >= 10, "two workers, each with a keeper, a launcher and two ranks"
    ports = listening_ports(pids)
    assert {host for host, _ in ports} == {"127.0.0.1"}
    assert len(ports) >= 5, "a scheduler, two nannies, two workers"
    assert stranger.scan(ports) == ""
    assert not {name for name in unix_listeners(pids) if name.startswith("@")}
    paths = private_paths(pids, temporary)
    assert len(paths) >= 4, "folders of Dask and of two gangs, shared memory"
    for path in paths:
        assert not stranger.can("test", "-r", str(path)), path
        assert not stranger.can("test", "-w", str(path)), path
    for _ in range(2):
        assert process.stdout.readline() == "iteration\n"
    assert all(psutil.pid_exists(pid) for pid in pids), "something ended on being asked"
    assert baited.read_text() == "years of work"
