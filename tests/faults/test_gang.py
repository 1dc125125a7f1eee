"""One gang and its worker, without Dask: real mpiexec, real solver, real signals."""

import errno
import os
import re
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
from conftest import leftovers
from execution_case import GRID, make_models, make_setup, make_solver

from pvi_hpc.execution.failures import GangError
from pvi_hpc.execution.gang import process as gang_process
from pvi_hpc.execution.gang.gang import Gang, GangSettings
from pvi_hpc.execution.gang.processes import ProcessId, _descendants
from pvi_hpc.execution.gang.scratch import PREFIX, sweep
from pvi_hpc.execution.identity import model_hash, task_identity

pytestmark = pytest.mark.usefixtures("no_orphans")
MODEL = make_models(1)[0]


@pytest.fixture
def make_gang(tmp_path):
    gangs = []

    def make(precision="float32", **settings):
        setup = make_setup(tmp_path, precision)
        gangs.append(Gang(setup, GangSettings(**{"timeout_s": 20.0, **settings})))
        return gangs[-1]

    yield make
    for gang in gangs:
        gang.close()


def ask(gang, shots=(0, 1, 2), want="gradient", model=MODEL):
    name = model_hash(model)
    identity = task_identity(name, shots, gang.setup.fingerprint(), want)
    return gang.simulate(name, model, shots, want, identity)


def members(gang):
    """Return the processes of a gang by what they are: keeper, mpiexec, ranks."""
    keeper = gang._running._process.pid
    found = {"keeper": [keeper], "mpiexec": [], "ranks": []}
    for pid in _descendants(keeper):
        command = psutil.Process(pid).cmdline()
        kind = {"mpi4py": "ranks"}.get(command[2] if len(command) > 2 else "", "")
        if not kind and "mpiexec" in command[0]:
            kind = "mpiexec"
        found.setdefault(kind, []).append(pid)
    return found


def members_command(gang):
    """Return what started the ranks of a gang."""
    (launcher,) = members(gang)["mpiexec"]
    return psutil.Process(launcher).cmdline()[0]


def wait_dead(pids, seconds):
    births = [ProcessId.of(pid) for pid in pids]
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and any(b.alive for b in births):
        time.sleep(0.02)
    return not any(b.alive for b in births)


def test_many_models_in_a_request_have_the_data_of_each_by_itself(make_gang):
    gang, models = make_gang(), make_models(4)
    alone = [ask(gang, (2, 4), "traces", model).result.traces for model in models]
    models[1, 3, 3, 3] = np.nan
    found = gang.simulate_models(models, (2, 4), gang.setup.fingerprint())
    assert [(i, kind) for i, kind, _ in found.failures] == [(1, "bad_model")]
    expected = [np.concatenate([t.ravel() for t in alone[i]]) for i in (0, 2, 3)]
    assert np.array_equal(found.data, expected)
    assert np.array_equal(ask(gang, (2,), "traces", models[3]).result.traces[0], alone[3][0])


def test_a_gang_weighs_groups_of_data_and_returns_their_squares(tmp_path):
    setup = replace(
        make_setup(tmp_path, "float64"),
        likelihood={"noise": {"offset_edges_m": [40.0], "time_edges_s": [0.02]}},
    )
    solver, precisions = make_solver(setup, tmp_path), (0.3, 0.1 + 0.2, 2.0, 0.7)
    solver.set_model(MODEL)
    solver.set_precisions(precisions)
    expected = solver.simulate([0, 2], "gradient")
    name = model_hash(MODEL)
    identity = task_identity(name, (0, 2), setup.fingerprint(), "gradient", (), precisions)
    gang = Gang(setup, GangSettings(ranks=2, timeout_s=20.0))
    try:
        wanted = name, MODEL, (0, 2), "gradient", identity
        answer = gang.simulate(*wanted, precisions=precisions)
        assert answer.result.misfit == pytest.approx(expected.misfit, rel=1e-10)
        np.testing.assert_allclose(answer.result.squares, expected.squares, rtol=1e-10)
        assert 0.5 * np.dot(precisions, expected.squares) == pytest.approx(expected.misfit)
        np.testing.assert_allclose(
            answer.result.gradient, expected.gradient, rtol=1e-6, atol=1e-9
        )
        # The precisions of a request do not outlive it.
        plain = ask(gang, (0, 2))
        assert plain.result.misfit == pytest.approx(0.5 * sum(expected.squares), rel=1e-10)
        with pytest.raises(GangError, match="is of task"):
            gang.simulate(*wanted, precisions=(0.3, 0.3, 2.0, 0.7))
    finally:
        gang.close()
    solver.close()


@pytest.mark.parametrize("ranks", [1, 2])
def test_a_gang_gives_what_the_solver_gives_in_this_process(make_gang, tmp_path, ranks):
    setup = make_setup(tmp_path, "float64")
    solver = make_solver(setup, tmp_path)
    solver.set_model(MODEL)
    expected = solver.simulate([0, 1, 2], "gradient")
    answer = ask(make_gang("float64", ranks=ranks))
    assert answer.result.misfit == pytest.approx(expected.misfit, rel=1e-12)
    scale = np.abs(expected.gradient).max()
    np.testing.assert_allclose(answer.result.gradient, expected.gradient, atol=1e-12 * scale)


def test_traces_come_back_shot_by_shot_at_the_samples_of_the_data(make_gang):
    traces = ask(make_gang(), [3, 1], "traces").result.traces
    assert [t.shape for t in traces] == [(5, 21)] * 2
    assert all(t.dtype == np.float32 for t in traces)
    assert not np.array_equal(*traces)


def test_a_gang_keeps_running_and_changes_its_model(make_gang):
    gang, other = make_gang(), MODEL + 50
    first = ask(gang).result.misfit
    assert ask(gang, model=other).result.misfit != first
    assert ask(gang).result.misfit == first
    assert gang.starts == 1


@pytest.mark.parametrize(
    ("what", "kind", "text"),
    [
        ("segfault@2", "crash", "11|Segmentation fault"),
        ("abort@2", "crash", "6|Aborted"),
        ("exit@2", "crash", "exit code 3"),
        ("exception@2", "crash", "RuntimeError: a bug"),
        ("hang@2", "hang", "No answer within 2 s"),
        ("nan@2", "non_finite", "traces of shot 2 are not finite"),
        ("nan_gradient@2", "non_finite", r"gradient of shots \[0, 1, 2\]"),
        ("error@2", "solver_error", "made to fail"),
    ],
)
def test_a_failure_has_its_class_and_the_next_request_succeeds(
    make_gang, fault, what, kind, text
):
    fault(what)
    gang = make_gang(module="faulty_gang", timeout_s=2.0)
    with pytest.raises(GangError) as caught:
        ask(gang)
    assert caught.value.kind == kind
    assert re.search(text, caught.value.message)
    assert ask(gang).result.misfit == ask(make_gang()).result.misfit


def test_a_crash_of_another_rank_is_a_crash_too(make_gang, fault):
    fault("segfault@2", rank=1)
    with pytest.raises(GangError, match="crash"):
        ask(make_gang(module="faulty_gang", ranks=2))


def test_a_result_of_another_task_is_refused(make_gang):
    gang, name = make_gang(), model_hash(MODEL)
    with pytest.raises(GangError, match="wrong_result: The result is of task"):
        gang.simulate(name, MODEL, [0], "misfit", "0" * 32)
    assert gang._running is None


def test_a_gradient_of_the_wrong_shape_is_refused(make_gang, fault):
    fault("shape@1")
    with pytest.raises(GangError, match=r"wrong_result.*\(11, 14, 16\)"):
        ask(make_gang(module="faulty_gang"), [0])


@pytest.mark.parametrize("value", [np.nan, 0.0, 1e5])
def test_an_impossible_model_is_a_bad_model_and_the_gang_survives(make_gang, value):
    gang, bad = make_gang(ranks=2), MODEL.copy()
    bad[3, 4, 5] = value
    with pytest.raises(GangError, match="bad_model"):
        ask(gang, model=bad)
    ask(gang)
    assert gang.starts == 1


@pytest.mark.parametrize("who", ["keeper", "mpiexec", "ranks"])
def test_a_killed_member_takes_the_gang_with_it_and_a_new_one_starts(make_gang, who):
    gang = make_gang(ranks=2)
    expected, found = ask(gang), members(gang)
    assert len(found["ranks"]) == 2
    os.kill(found[who][-1], signal.SIGKILL)
    # MPICH's forking launcher takes 2 s where a rank was killed.
    assert wait_dead([pid for pids in found.values() for pid in pids], 4.0)
    with pytest.raises(GangError, match="crash"):
        ask(gang)
    np.testing.assert_array_equal(ask(gang).result.gradient, expected.result.gradient)
    assert gang.starts == 2


def test_closing_during_a_hang_ends_it(make_gang, fault):
    fault("hang@4", always=True)
    gang, errors = make_gang(module="faulty_gang", timeout_s=60.0), []
    ask(gang)  # three shots; it is up now

    def run():
        try:
            ask(gang)
        except GangError as error:
            errors.append(error.kind)

    thread = threading.Thread(target=run)
    thread.start()
    time.sleep(0.5)
    gang.close()
    thread.join(5)
    assert errors == ["crash"]


def test_too_few_ranks_are_noticed(make_gang, tmp_path):
    launcher = tmp_path / "singletons"
    launcher.write_text('#!/bin/sh\nshift 2\nexec "$@"\n')
    launcher.chmod(0o755)
    with pytest.raises(GangError, match=r"start: Asked for 2 ranks, got 1"):
        ask(make_gang(ranks=2, command=(str(launcher),)))


def test_a_gang_that_does_not_start_fails_alike_each_time_and_leaves_nothing(make_gang):
    gang, before = make_gang(command=("false",)), leftovers()
    for _ in range(2):
        with pytest.raises(GangError, match="crash: The gang ended with exit code 1"):
            ask(gang)
        assert leftovers() == before
    gang.settings = GangSettings(timeout_s=20.0)
    ask(gang)
    assert gang.starts == 3


def test_a_missing_mpiexec_leaves_no_folder(make_gang, monkeypatch):
    def refuse(settings):
        raise GangError("start", "No 'mpiexec'")

    monkeypatch.setattr(gang_process, "launch_command", refuse)
    gang, before = make_gang(), leftovers()
    for _ in range(2):
        with pytest.raises(GangError, match="start: No 'mpiexec'"):
            ask(gang)
    assert leftovers() == before


def test_a_full_disk_is_a_failed_start_and_the_next_request_succeeds(make_gang, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    gang = make_gang()
    with monkeypatch.context() as patch:
        patch.setattr(np, "save", refuse)
        with pytest.raises(GangError, match=r"start: OSError: .*No space left"):
            ask(gang)
    ask(gang)
    assert gang.starts == 2


def test_closing_during_the_start_ends_it(make_gang, tmp_path):
    launcher = tmp_path / "sleeper"
    launcher.write_text("#!/bin/sh\nexec sleep 100\n")
    launcher.chmod(0o755)
    gang, errors = make_gang(command=(str(launcher),)), []

    def run():
        try:
            ask(gang)
        except GangError as error:
            errors.append(error.kind)

    thread = threading.Thread(target=run)
    thread.start()
    time.sleep(1.0)
    gang.close()
    thread.join(5)
    assert len(errors) == 1
    assert gang._running is None


def test_idle_ranks_sleep_and_still_answer_at_once(make_gang):
    gang = make_gang(ranks=2)
    ask(gang)
    ranks = [psutil.Process(pid) for pid in members(gang)["ranks"]]
    before = [sum(r.cpu_times()[:2]) for r in ranks]
    time.sleep(2.0)
    used = [sum(r.cpu_times()[:2]) - b for r, b in zip(ranks, before, strict=True)]
    assert max(used) < 0.2, used


def test_a_gang_of_one_node_opens_no_port_but_on_loopback(make_gang):
    gang = make_gang(ranks=2)
    ask(gang)
    found = [pid for pids in members(gang).values() for pid in pids]
    connections = [c for pid in found for c in psutil.Process(pid).net_connections("inet")]
    listening = {c.laddr.ip for c in connections if c.status == psutil.CONN_LISTEN}
    assert listening <= {"127.0.0.1", "::1"}
    if Path(members_command(gang)).name == "mpiexec.gforker":
        assert not listening
    segments = Path("/proc/sysvipc/shm").read_text().splitlines()[1:]
    assert not [line for line in segments if int(line.split()[4]) in found]


OWNER = """
import sys, threading
sys.path.insert(0, {here!r})
from pathlib import Path
from execution_case import make_models, make_setup
from pvi_hpc.execution.gang.gang import Gang, GangSettings
from test_gang import ask
gang = Gang(make_setup(Path({folder!r})), GangSettings(ranks=2, module="faulty_gang"))
ask(gang, [0])
print(gang._running._process.pid, gang._running.folder, flush=True)
ask(gang, [0])
"""


def test_a_gang_dies_with_its_owner_in_the_middle_of_c_code(fault, tmp_path):
    fault("hang@2", always=True)
    code = OWNER.format(here=str(Path(__file__).parent), folder=str(tmp_path))
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as owner:
        keeper, folder = owner.stdout.readline().split()
        time.sleep(0.5)
        gang = [int(keeper), *_descendants(int(keeper))]
        assert len(gang) >= 4
        owner.kill()
    assert wait_dead(gang, 2.0)
    assert not Path(folder).exists()


def test_folders_of_dead_owners_are_swept():
    space = Path("/proc/self/ns/pid").stat().st_ino
    dead = Path(f"/dev/shm/{PREFIX}-{os.getuid()}-{2**22 - 3}-1-{space}-abc")
    dead.mkdir(mode=0o700)
    sweep()
    assert not dead.exists()


def test_the_grid_of_the_case_is_not_cubic():
    assert len(set(GRID.shape)) == 3
