"""A /dev/shm that is small, as in containers; each test has a private one of its own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from execution_case import N_SAMPLES, make_execution, make_setup

from pvi_hpc.execution.cluster.local import LocalExecutor
from pvi_hpc.execution.dask_simulator import DaskSimulator

HERE = Path(__file__).parent
RUN = """
import sys
from contextlib import suppress
sys.path.insert(0, {here!r})
from pathlib import Path
from execution_case import make_models, make_setup
from test_gang import ask
from pvi_hpc.execution.failures import GangError
from pvi_hpc.execution.gang.gang import Gang, GangSettings
setup, model = make_setup(Path({folder!r})), make_models(1)[0]
gang = Gang(setup, GangSettings(ranks={ranks}, timeout_s=60.0))
{before}
for _ in range(2):
    try:
        result = ask(gang, want="traces").result
        print("traces", sum(t.size for t in result.traces), gang._running.folder.parent)
    except GangError as error:
        print(error.kind, error.message)
gang.close()
"""


def run_with(size, tmp_path, *, ranks=1, before=""):
    """Run a gang where /dev/shm holds `size`; return what it printed."""
    if os.getuid() != 0 or shutil.which("unshare") is None:
        pytest.skip("needs root and unshare for a private /dev/shm")
    code = RUN.format(here=str(HERE), folder=str(tmp_path), ranks=ranks, before=before)
    (tmp_path / "run.py").write_text(code)
    mount = f"mount -t tmpfs -o size={size},mode=1777 tmpfs /dev/shm"
    command = f"{mount} && exec {sys.executable} {tmp_path}/run.py"
    done = subprocess.run(
        ["unshare", "-m", "bash", "-c", command],
        capture_output=True,
        text=True,
        env={**os.environ, "TMPDIR": "/tmp"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_bus_error_names_its_cause(tmp_path):
    said = run_with("64k", tmp_path)
    assert said.startswith("crash The gang ended")
    assert "/dev/shm has 0.0" in said
    assert "1 MPI ranks share 1.1 MB there; enlarge it" in said


def test_two_ranks_run_where_memory_is_short_of_what_mpi_likes(tmp_path):
    assert run_with("4m", tmp_path, ranks=2).count("traces 315 /") == 2


def test_an_answer_that_finds_no_room_says_so_and_the_next_gang_is_on_disk(tmp_path):
    full = """
ask(gang)
with suppress(OSError), open("/dev/shm/other", "wb", buffering=0) as other:
    while other.write(bytes(4096)):
        pass
"""
    first, second = run_with("16m", tmp_path, before=full).splitlines()
    assert first.startswith("start The answer does not fit into '/dev/shm/pvi-gang-")
    assert second == "traces 315 /tmp"


def test_the_room_of_a_gang_counts_the_traces_of_a_task(tmp_path):
    setup = make_setup(tmp_path)
    execution = make_execution(shots_per_task=3)
    simulator = DaskSimulator(LocalExecutor(), setup, execution)
    assert simulator.setup.scratch == setup.scratch + 3 * 5 * N_SAMPLES * 4
    assert simulator.setup.fingerprint() == setup.fingerprint()
