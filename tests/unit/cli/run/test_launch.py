"""`pvi run` never waits for ever, never runs another workflow, and says how it ended."""

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from pvi_hpc.cli.run import launch as module
from pvi_hpc.cli.run import process as child
from pvi_hpc.cli.run.launch import EXIT_FAILED
from pvi_hpc.cli.run.process import Workflow
from pvi_hpc.cli.shipped import shipped
from pvi_hpc.errors import ConfigError, LeaseError
from pvi_hpc.run.interrupt import EXIT_STOPPED, StopFlag
from pvi_hpc.run.owner import begin_workflow
from pvi_hpc.run.status import Status
from pvi_hpc.store.layout import ProjectPaths

LOCAL = Path(__file__).parents[4] / "cluster_profiles" / "local"
#: Stands for Snakemake: says so, counts each SIGTERM, and does what its words say.
CHILD = """
import os, signal, subprocess, sys, time
from pathlib import Path
def count(*_):
    with open("terms", "a") as file:
        file.write("x")
    if "obey" in sys.argv:
        sys.exit(1)
signal.signal(signal.SIGTERM, count)
print("1 of 5 steps (20%) done", flush=True)
Path("up").touch()
if "job" in sys.argv:
    subprocess.run([sys.executable, "-c", "import time; time.sleep(1.5)"])
if "fail" in sys.argv:
    sys.exit(3)
while "wait" in sys.argv:
    time.sleep(0.05)
"""


@pytest.fixture
def start(tmp_path, monkeypatch):
    """Make a workflow whose Snakemake is the script above."""
    monkeypatch.chdir(tmp_path)
    runs = (SimpleNamespace(name="psvi", start=None, inference=None),)
    project = SimpleNamespace(name="tiny", resolved=runs)
    monkeypatch.setattr(child, "progress_display", _no_display)
    monkeypatch.setattr(module, "read_statuses", lambda project: [])

    def make(*words):
        workflow = Workflow(project, LOCAL, [])
        workflow.command = [sys.executable, "-c", CHILD, *words]
        workflow.patience_s = 0.5
        workflow.paths.folder.mkdir(parents=True, exist_ok=True)
        return workflow

    return make


class _no_display:  # noqa: N801
    def __init__(self, project):
        self.console = SimpleNamespace(print=print)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    def refresh(self, step):
        if Path("up").exists() and Path("ask").exists():
            Path("ask").unlink()
            for _ in range(3):
                os.kill(os.getpid(), signal.SIGTERM)


def _run(workflow):
    Path("ask").touch()
    with StopFlag(workflow.paths.stop) as stop:
        return workflow.run(stop), stop


def test_the_child_is_told_once_however_often_one_asks(start):
    code, stop = _run(start("wait", "obey"))
    assert (code, bool(stop)) == (1, True)
    assert Path("terms").read_text() == "x"
    assert ProjectPaths.of("tiny").stop.exists()


def test_a_child_that_never_ends_is_killed_when_its_jobs_are_gone(start):
    began = time.monotonic()
    code, _ = _run(start("job", "wait"))
    assert code == -signal.SIGKILL
    assert 1.5 < time.monotonic() - began < 20


def test_a_stop_file_from_elsewhere_is_heard(start):
    workflow = start("wait", "obey")
    Path("results/tiny/stop").touch()
    with StopFlag(workflow.paths.stop) as stop:
        assert workflow.run(stop) == 1 and stop.received == "pvi stop"


def test_an_error_here_ends_the_child_too(start, monkeypatch):
    def fail(self, step):
        if Path("up").exists():
            raise ZeroDivisionError

    monkeypatch.setattr(_no_display, "refresh", fail)
    with StopFlag() as stop, pytest.raises(ZeroDivisionError):
        start("wait", "obey").run(stop)
    assert Path("terms").read_text() == "x"


def test_a_reader_that_has_gone_does_not_end_the_run(start, monkeypatch):
    reader = sys.stdout

    def fail(self, step):
        if sys.stdout is reader:
            raise BrokenPipeError

    monkeypatch.setattr(_no_display, "refresh", fail)
    monkeypatch.setattr(sys, "stdout", reader)
    with StopFlag() as stop:
        assert start("job").run(stop) == 0
    with sys.stdout as nowhere:
        assert nowhere.name == os.devnull
    assert not Path("terms").exists()


def test_exit_codes_are_those_of_the_docs(start, monkeypatch, capsys):
    unlocked = []

    def unlock(workflow):
        unlocked.append(workflow)
        raise ConfigError("it was told to end, too")

    monkeypatch.setattr(Workflow, "unlock", unlock)
    code, stop = _run(start("job", "wait"))
    workflow = start("fail")
    assert module._conclude(workflow, code, stop, 0.0) == EXIT_STOPPED
    assert not unlocked and "pvi resume tiny" in capsys.readouterr().out
    Path(".snakemake/locks").mkdir(parents=True)
    Path(".snakemake/locks/0.input.lock").touch()
    assert module._conclude(workflow, code, stop, 0.0) == EXIT_STOPPED
    assert unlocked == [workflow]
    Path("ask").unlink(missing_ok=True)
    with StopFlag() as quiet:
        assert module._conclude(workflow, workflow.run(quiet), quiet, 0.0) == EXIT_FAILED
        assert "ended with code 3" in capsys.readouterr().err
        # A controller that stopped before the end of its job; one that failed counts more.
        stopped, failed = (Status("a", s, 1, 2, updated=5.0) for s in ("stopped", "failed"))
        monkeypatch.setattr(module, "read_statuses", lambda project: [stopped])
        assert module._conclude(workflow, 1, quiet, 4.0) == EXIT_STOPPED
        assert module._conclude(workflow, 1, quiet, 6.0) == EXIT_FAILED
        monkeypatch.setattr(module, "read_statuses", lambda project: [stopped, failed])
        assert module._conclude(workflow, 1, quiet, 4.0) == EXIT_FAILED


def test_a_disk_that_takes_no_more_is_said(tmp_path, capsys):
    module._say_if_full(tmp_path)
    assert not capsys.readouterr().err
    assert not list(tmp_path.iterdir())
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        module._say_if_full(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    said = capsys.readouterr().err
    assert f"The disk of '{tmp_path}' takes nothing more: File too large. Make room" in said


def test_done_is_said_only_of_a_report_that_is_there(tmp_path):
    paths, nothing = ProjectPaths(tmp_path), ["Nothing to be done (all requested ...)."]
    page = paths.report / "index.html"
    assert "not made" in module._done(paths, [], 0.0)
    assert "not made" in module._done(paths, nothing, 0.0)
    page.parent.mkdir()
    page.touch()
    began = page.stat().st_mtime
    assert f"Done. Open {page}" == module._done(paths, [], began)
    assert f"Done. Open {page}" == module._done(paths, nothing, began + 60)
    assert "not made" in module._done(paths, [], began + 60)


def test_the_workflow_is_our_own_whatever_the_folder_holds(start):
    Path("Snakefile").write_text("rule all: shell: 'touch mine'\n")
    words = Workflow(SimpleNamespace(name="tiny"), LOCAL, ["-n"]).command
    assert words[words.index("--snakefile") + 1] == str(shipped("Snakefile"))
    assert words[-1] == "-n"


def test_a_second_workflow_in_the_folder_is_refused_and_the_first_one_named(start):
    workflow = start()
    module._refuse_second(workflow.project)
    begin_workflow(ProjectPaths.of("other"))
    with pytest.raises(
        LeaseError, match=rf"{os.getpid()} \(of the project 'other'\).*stop oth"
    ):
        module._refuse_second(workflow.project)


@pytest.mark.parametrize(("profile", "submits"), [("local", False), ("slurm", True)])
def test_only_jobs_in_a_queue_are_waited_for_long(profile, submits):
    workflow = Workflow(SimpleNamespace(name="tiny"), LOCAL.with_name(profile), [])
    assert (workflow.patience_s > 60) is submits


def test_a_terminal_that_is_not_utf8_shows_the_state(tmp_path):
    program = (
        "from pvi_hpc.cli import main, app; import pvi_hpc.cli as cli\n"
        "from pvi_hpc.cli.run import progress\n"
        "from pvi_hpc.run.status import Status\n"
        "from rich.console import Console\n"
        "cli.app = lambda: Console().print(progress.status_table("
        "[Status('Öl ━', 'finished', 3, 4)]))\n"
        "main()\n"
    )
    env = {**os.environ, "PYTHONIOENCODING": "ascii"}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "?l ?" in done.stdout and "3/4" in done.stdout
