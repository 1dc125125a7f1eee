"""A stop that was asked for while a workflow was starting is never lost."""

import json
import os
import subprocess
import sys
import time

import psutil
import pytest

from pvi_hpc.config import parse_project
from pvi_hpc.errors import CheckpointError, LeaseError
from pvi_hpc.execution.lease import Lease
from pvi_hpc.run.owner import begin_workflow, live_owner, read_owner
from pvi_hpc.run.plan import refuse_changed_runs
from pvi_hpc.run.project import read_statuses
from pvi_hpc.run.status import Status, change_state
from pvi_hpc.store.layout import ProjectPaths

TREE = {
    "name": "p",
    "grid": {"shape": [10, 12, 12], "spacing_m": 60},
    "survey": {
        "format": "segy",
        "files": ["s.sgy"],
        "noise_sd": 1,
        "wavelet": {"ricker": {"peak_hz": 4, "delay_s": 0.3}},
    },
    "prior": {
        "kind": "uniform",
        "depth_m": [0, 600],
        "lower_m_s": [1600, 2000],
        "upper_m_s": [2800, 3600],
    },
    "inference": {"iterations": 6},
}


@pytest.fixture
def paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    paths = ProjectPaths.of("p")
    paths.run("run").folder.mkdir(parents=True)
    return paths


def test_a_stop_of_before_is_forgotten_and_a_later_one_stays(paths):
    born = psutil.Process().create_time()
    paths.stop.touch()
    began = begin_workflow(paths)
    assert paths.stop.exists() and born - 2 < began <= time.time()
    os.utime(paths.stop, (began - 1, began - 1))
    begin_workflow(paths)
    assert not paths.stop.exists()


def test_who_runs_the_workflow_is_found(paths):
    begin_workflow(paths)
    assert live_owner(paths.owner).pid == os.getpid()
    owner = json.loads(paths.owner.read_text())
    paths.owner.write_text(json.dumps({**owner, "started": owner["started"] - 60}))
    assert live_owner(paths.owner) is None
    paths.owner.write_text(json.dumps({**owner, "name": "elsewhere"}))
    assert live_owner(paths.owner) is None
    paths.owner.unlink()
    assert live_owner(paths.owner) is None


def test_what_a_workflow_starts_leaves_its_owner_and_its_stop(paths):
    begin_workflow(paths)
    paths.stop.touch()
    os.utime(paths.stop, (1, 1))
    program = (
        "from pvi_hpc.run.owner import begin_workflow\n"
        "from pvi_hpc.store.layout import ProjectPaths\n"
        "begin_workflow(ProjectPaths.of('p'))\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
    assert live_owner(paths.owner).pid == os.getpid() and paths.stop.exists()


@pytest.mark.parametrize("content", ["", '{"pid": 12, "bir', "[1]", "\x00\x00\x00"])
def test_small_files_that_were_cut_are_named_with_the_remedy(paths, content):
    project, run = parse_project(TREE), paths.run("run")
    paths.owner.write_text(content)
    with pytest.raises(LeaseError, match=r"workflow\.json.*remove it if nothing"):
        read_owner(paths.owner)
    begin_workflow(paths)  # writes it anew
    run.claim.write_text(content)
    with pytest.raises(CheckpointError, match=r"settings\.json.*remove it"):
        refuse_changed_runs(project)
    paths.survey_claim.write_text(content)
    with pytest.raises(CheckpointError, match=r"survey\.json.*remove it"):
        refuse_changed_runs(project)
    if content:  # an empty one was given back
        run.lease.with_name("lease.json.000003").write_text(content)
        with pytest.raises(
            LeaseError, match=r"lease\.json\.000003.*remove it if no controller"
        ):
            Lease(run.lease).acquire()


@pytest.mark.parametrize("content", ["", '{"run": "r', "[1]", '{"run": "r"}', "\x00\x00"])
def test_a_status_that_was_cut_is_unknown(paths, content):
    project, file = parse_project(TREE), paths.run("run").status
    assert [s.state for s in read_statuses(project)] == ["waiting"]
    file.write_text(content)
    assert [s.state for s in read_statuses(project)] == ["unknown"]
    change_state(file, "stopped")
    assert file.read_text() == content


def test_a_state_is_changed_and_all_else_stays(paths):
    file = paths.run("run").status
    Status("run", "finished", 6, 6, message="converged").write(file)
    change_state(file, "finished", of="stopped")
    assert Status.read(file).message == "converged"
    change_state(file, "stopped", "by SIGTERM")
    assert (Status.read(file).state, Status.read(file).iteration) == ("stopped", 6)
    change_state(file, "finished", of="stopped")
    assert Status.read(file).state == "finished"
