"""A small run ends with the same bits on Slurm, Grid Engine and inside one allocation."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from chain import ROOT
from daemons import wait_until
from external_example import SHAPE, SPACING, command, compiled, observed
from recorded_pvi import digest
from site_profile import make_profile

from pvi_hpc.store.checkpoint_file import read_checkpoint

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2400)]

LAST = 8
PVI = Path(sys.executable).with_name("pvi")
#: What a site would change in cluster_profiles/allocation/slurm.sh.
SMALL = ("--nodes=2", "--cpus-per-task=2", "--mem=1500M", "--time=20", "--output=job.log")


def write_project(folder):
    """Write the tiny project with one run, of two workers of two ranks each."""
    tree = yaml.safe_load((ROOT / "tests" / "workflow" / "tiny.yaml").read_text())
    tree["runs"] = [{"name": "psvi", "execution": {"workers": 2, "ranks": 2},
                     "inference": {"family": {"kind": "structured",
                                              "options": {"stencil": [3, 3, 3]}}}}]  # fmt: skip
    tree["segments"] = 1
    (folder / "tiny.yaml").write_text(yaml.safe_dump(tree))


def run(folder, profile, *options, environment=None):
    """Run the workflow to its end; return what it printed."""
    command = [PVI, "run", "tiny.yaml", "--profile", profile, *options]
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **(environment or {}), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=1200,
        check=False,
    )
    logs = [path.read_text()[-2000:] for path in (folder / "results").rglob("*.log")]
    assert done.returncode == 0, "\n".join([done.stdout, *logs])
    return done.stdout


def bits(folder):
    """Return the digest of the last state of the run."""
    path = folder / "results" / "tiny" / "psvi" / "checkpoints" / f"{LAST:06d}.h5"
    return digest(read_checkpoint(path, LAST)[1]["state"])


@pytest.fixture(scope="module")
def local(tmp_path_factory):
    """The project, inverted on this machine: its folder."""
    folder = tmp_path_factory.mktemp("local")
    write_project(folder)
    run(folder, ROOT / "cluster_profiles" / "local", "--", "--until", "segment")
    return folder


@pytest.fixture
def project(tmp_path):
    """The project, nothing run of it."""
    write_project(tmp_path)
    return tmp_path


def test_slurm_runs_the_whole_workflow_to_the_bits_of_a_local_run(local, project, slurm):
    profile = make_profile("slurm", project)
    run(project, profile, environment=slurm.environment)
    assert bits(project) == bits(local)
    assert (project / "results" / "tiny" / "report" / "index.html").exists()
    assert not slurm.jobs()


def test_a_program_of_a_user_has_the_bits_of_a_local_run_on_slurm(tmp_path, slurm):
    program = compiled(tmp_path)
    folders = []
    for name in ("local", "slurm"):
        folder = tmp_path / name
        folder.mkdir()
        write_project(folder)
        tree = yaml.safe_load((folder / "tiny.yaml").read_text())
        del tree["forward"], tree["survey"], tree["report"]
        data = {"data": str(observed(tmp_path)), "noise_sd": 0.001, "memory_gb": 0.2}
        tree["grid"] = {"shape": list(SHAPE), "spacing_m": SPACING}
        tree["forward"] = {**command(program), **data}
        tree["runs"][0]["execution"] = {"workers": 2, "ranks": 1}
        (folder / "tiny.yaml").write_text(yaml.safe_dump(tree))
        folders.append(folder)
    here, there = folders
    run(here, ROOT / "cluster_profiles" / "local", "--", "--until", "segment")
    profile = make_profile("slurm", there)
    run(there, profile, "--", "--until", "segment", environment=slurm.environment)
    assert bits(there) == bits(here)
    wait_until(lambda: not slurm.jobs(), 15, "The end of all jobs")


def test_grid_engine_ends_with_the_bits_of_a_local_run(local, project, grid_engine):
    profile = make_profile("sge", project)
    run(project, profile, "--", "--until", "segment", environment=grid_engine.environment)
    assert bits(project) == bits(local)
    wait_until(lambda: not grid_engine.jobs(), 15, "The end of all jobs")


def test_one_allocation_ends_with_the_bits_of_a_local_run(local, project, slurm):
    profile = make_profile("allocation", project)
    text = (profile / "slurm.sh").read_text()
    text = text.replace("cluster_profiles/allocation", str(profile))
    text = text.replace("config=$1", f"config=tiny.yaml\nexport PATH={PVI.parent}:$PATH")
    script = project / "job.sh"
    script.write_text(text)
    job = slurm.submit(script, f"--chdir={project}", *SMALL)
    wait_until(lambda: job not in slurm.jobs(), 1200, "The end of the job")
    assert "Done. Open" in (project / "job.log").read_text(), (project / "job.log").read_text()
    assert bits(project) == bits(local)


@pytest.mark.parametrize("kind", ["slurm", "sge"])
def test_the_doctor_finds_a_batch_system_fit(kind, project, request):
    cluster = request.getfixturevalue({"slurm": "slurm", "sge": "grid_engine"}[kind])
    profile = make_profile(kind, project)
    shutil.rmtree(project / "results", ignore_errors=True)
    done = subprocess.run(
        [PVI, "doctor", "--profile", profile],
        cwd=project,
        env={**os.environ, **cluster.environment},
        capture_output=True,
        text=True,
        timeout=800,
        check=False,
    )
    assert done.stdout.rstrip().endswith("12 passed, 0 failed"), done.stdout + done.stderr
    wait_until(lambda: not cluster.jobs(), 15, "The end of all jobs")
