"""The whole way from a batch to its gradients, with workers and gangs that fail."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
from execution_case import GRID, make_execution, make_models, make_setup, make_solver

from pvi_hpc.errors import SimulationError
from pvi_hpc.execution.cluster.local import LocalExecutor
from pvi_hpc.execution.dask_simulator import DaskSimulator
from pvi_hpc.execution.gang.processes import LEFT_TO_CONTROLLER, ProcessId, _descendants
from pvi_hpc.execution.gang.scratch import DASK, sweep
from pvi_hpc.execution.ledger import Ledger
from pvi_hpc.forward.own_process import OwnProcessSimulator

pytestmark = [pytest.mark.usefixtures("no_orphans"), pytest.mark.slow]

MODELS = make_models(3)
SHOTS = [range(6), [4, 1, 5], [2]]


@pytest.fixture
def simulator(tmp_path):
    """Return a factory of running simulators; all are closed at the end."""
    made = []

    def make(*, module="faulty_gang", patience_s=60.0, **changes):
        ledger = Ledger(tmp_path / "ledger.jsonl")
        made.append(
            DaskSimulator(
                LocalExecutor(),
                make_setup(tmp_path),
                make_execution(**changes),
                ledger,
                gang_module=module,
                patience_s=patience_s,
            )
        )
        return made[-1].__enter__()

    yield make
    for one in made:
        one.close()


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """Return what one process without Dask gives, cut into chunks of two shots."""
    folder = tmp_path_factory.mktemp("expected")
    solver = make_solver(make_setup(folder), folder)
    misfits, gradients = [], []
    for model, shots in zip(MODELS, SHOTS, strict=True):
        solver.set_model(model)
        chunks = [list(shots)[i : i + 2] for i in range(0, len(shots), 2)]
        parts = [solver.simulate(c, "gradient") for c in chunks]
        misfits.append(sum(part.misfit for part in parts))
        gradients.append(sum(part.gradient for part in parts[1:]) + parts[0].gradient
                         if len(parts) < 3 else (parts[0].gradient + parts[1].gradient)
                         + parts[2].gradient)  # fmt: skip
    return np.array(misfits), np.stack(gradients)


def assert_same_bits(batch, expected):
    np.testing.assert_array_equal(batch.misfits, expected[0])
    np.testing.assert_array_equal(batch.gradients, expected[1])


def events(tmp_path):
    lines = (tmp_path / "ledger.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def processes(kind):
    """Return the pids of this process's workers, mpiexecs or ranks."""
    found = []
    for pid in _descendants(os.getpid()):
        try:
            command = psutil.Process(pid).cmdline()
        except psutil.Error:
            continue
        text = " ".join(command)
        is_kind = {
            "worker": "spawn_main" in text,
            "keeper": "pvi_hpc.execution.gang.keeper" in text and command[0] == sys.executable,
            "mpiexec": bool(command) and "mpiexec" in command[0],
            "rank": command[1:3] == ["-m", "mpi4py"],
        }  # fmt: skip
        if is_kind[kind]:
            found.append(pid)
    return found


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_and_the_order_of_completion_do_not_change_a_bit(
    simulator, fault, expected, workers
):
    fault("slow@0.02", always=True)
    running = simulator(workers=workers)
    for _ in range(2):
        batch = running.misfit_and_gradient(MODELS, SHOTS)
        assert_same_bits(batch, expected)
    assert (batch.count.done, batch.count.failed, batch.count.retried) == (10, 0, 0)
    assert batch.count.seconds > 0.1
    gradients = weakref.ref(batch.gradients)
    del batch
    assert gradients() is None, "held until the garbage collector comes"
    # Nothing of a batch stays on the workers, however long a run lasts.
    deadline = time.monotonic() + 5
    while running.client.futures and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not running.client.futures


def test_the_first_models_are_sent_before_the_others_are_made(simulator, expected):
    running, sent = simulator(module="pvi_hpc.execution.gang.ranks"), []

    def models():
        for model in MODELS:
            sent.append(len(running.client.futures))
            yield model

    assert_same_bits(running.misfit_and_gradient(models(), SHOTS), expected)
    assert sent[0] == 0 < sent[1]


def test_traces_gradients_products_on_two_ranks_and_empty_lists_of_shots(
    simulator, expected, tmp_path
):
    running = simulator(module="pvi_hpc.execution.gang.ranks", ranks=2)
    traces = running.simulate(MODELS, [[0, 3, 1], [5], []])
    assert [len(t) for t in traces] == [3, 1, 0]
    assert traces[0][2].shape == (5, 21)
    batch = running.misfit_and_gradient(MODELS, SHOTS)
    np.testing.assert_allclose(batch.misfits, expected[0], rtol=1e-6)
    products = running.products(MODELS[0], [MODELS[1] - MODELS[0]], (0, 3)).products
    alone = make_solver(make_setup(tmp_path), tmp_path)
    one = OwnProcessSimulator(alone).products(MODELS[0], [MODELS[1] - MODELS[0]], (0, 3))
    np.testing.assert_allclose(products, one.products, atol=1e-4 * np.abs(one.products).max())
    batch = running.misfit_and_gradient(MODELS[:1], [[]])
    assert batch.misfits == 0
    assert not batch.gradients.any()
    with pytest.raises(SimulationError, match=r"shape \(12, 14, 16\), got \(14, 16\)"):
        running.misfit_and_gradient(MODELS[0], [[0]])


def test_gradients_of_noise_are_those_of_one_process_also_after_a_crash(
    simulator, fault, tmp_path
):
    shots, keys = (5, 0, 3), (11, 2**52)
    solver = make_solver(make_setup(tmp_path), tmp_path)
    expected = []
    for model, shot in zip(MODELS, shots, strict=True):
        solver.set_model(model)
        expected.append(solver.noise_gradients(shot, keys).gradient)
    fault("segfault@1")
    found = simulator(workers=2).noise_gradients(MODELS, shots, keys)
    np.testing.assert_array_equal(found.gradients, np.stack(expected))
    assert (found.count.done, found.count.failed) == (3, 1)
    assert not np.array_equal(found.gradients[0, 0], found.gradients[0, 1])


def test_products_are_those_of_one_process_also_after_a_crash(simulator, fault, tmp_path):
    directions = [MODELS[1] - MODELS[0], MODELS[2] - MODELS[0]]
    solver = make_solver(make_setup(tmp_path), tmp_path)
    solver.set_model(MODELS[0])
    expected = []
    for direction in directions:
        solver.set_direction(direction)
        # Tasks are of two shots, and sums over tasks follow.
        parts = [solver.products(shots).gradient for shots in ((0, 3), (5,))]
        expected.append(parts[0] + parts[1])
    fault("segfault@1")
    found = simulator(workers=2).products(MODELS[0], directions, (0, 3, 5))
    np.testing.assert_array_equal(found.products, np.stack(expected))
    assert found.count.done == 6 and found.count.failed >= 1


SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    "kind", ["worker", pytest.param("mpiexec", marks=SLOW), pytest.param("rank", marks=SLOW)]
)
def test_a_kill_in_mid_batch_does_not_change_a_bit(simulator, fault, expected, tmp_path, kind):
    fault("slow@0.1", always=True)
    running = simulator(ranks=2 if kind == "rank" else 1)
    running.misfit_and_gradient(MODELS[:2], [[0], [1]])
    victim = processes(kind)[-1]
    threading.Timer(0.4, os.kill, (victim, signal.SIGKILL)).start()
    assert_same_bits(running.misfit_and_gradient(MODELS, SHOTS), expected)
    seen = {event["event"] for event in events(tmp_path)}
    assert seen & ({"worker_lost", "lost"} if kind == "worker" else {"failed"})


@pytest.mark.parametrize("number", LEFT_TO_CONTROLLER)
def test_what_a_terminal_sends_to_all_does_not_stop_a_batch(
    simulator, fault, expected, tmp_path, number
):
    fault("slow@0.1", always=True)
    running = simulator()
    running.misfit_and_gradient(MODELS[:2], [[0], [1]])
    victims = processes("worker") + processes("keeper") + processes("rank")
    assert len(victims) == 6
    alive = [ProcessId.of(pid) for pid in victims]
    sent = []

    def send():
        for pid in victims:
            os.kill(pid, number)
            sent.append(pid)

    timer = threading.Timer(0.3, send)
    timer.start()
    assert_same_bits(running.misfit_and_gradient(MODELS, SHOTS), expected)
    assert sent == victims, "the batch ended before the signal was sent"
    assert all(process.alive for process in alive)
    assert {e["event"] for e in events(tmp_path)} <= {"batch", "storage", "worker_joined"}


def test_an_error_of_the_node_is_a_failure_with_its_cause_not_a_lost_worker(
    simulator, tmp_path
):
    running = simulator(workers=1, retries=1)
    running._client.run(_fill_the_disk)
    with pytest.raises(SimulationError, match=r"failed 2 times.*start.*No space left"):
        running.misfit_and_gradient(MODELS[:1], [[0]])
    assert not [e for e in events(tmp_path) if e["event"] == "lost"]


def _fill_the_disk():
    from pvi_hpc.execution.gang import process as gang_process

    def refuse(n_bytes, **_):
        raise OSError(28, "No space left on device")

    gang_process.make_scratch = refuse


def test_all_workers_killed_at_once_lose_models_but_not_the_batch(simulator, fault, expected):
    fault("slow@0.1", always=True)
    running = simulator()
    running.misfit_and_gradient(MODELS[:2], [[0], [1]])

    def kill_all():
        for pid in processes("worker"):
            os.kill(pid, signal.SIGKILL)

    threading.Timer(0.5, kill_all).start()
    assert_same_bits(running.misfit_and_gradient(MODELS, SHOTS), expected)


@pytest.mark.parametrize(
    ("what", "kind"),
    [
        ("segfault@2", "crash"),
        ("hang@2", "hang"),
        ("stale@0", "wrong_result"),
    ],
)
def test_a_failure_is_retried_and_counted(simulator, fault, expected, tmp_path, what, kind):
    fault(what)
    running = simulator(timeout_s=3.0, workers=1)
    batch = running.misfit_and_gradient(MODELS, SHOTS)
    assert_same_bits(batch, expected)
    failed = [event for event in events(tmp_path) if event["event"] == "failed"]
    assert [event["kind"] for event in failed] == [kind]
    assert batch.count.done == 10
    assert batch.count.failed == batch.count.retried == len(failed[0]["shots"])


def test_exhausted_retries_end_the_batch_with_a_clear_message(simulator, fault, tmp_path):
    fault("segfault@0", always=True)
    running = simulator(retries=1)
    message = r"(?s)sample \d failed 2 times.*crash.*(11|Segmentation fault)"
    with pytest.raises(SimulationError, match=message):
        running.misfit_and_gradient(MODELS, SHOTS)
    assert events(tmp_path)[-1]["failed"] >= 4


def test_a_model_no_solver_can_take_is_not_tried_again(simulator, tmp_path):
    running, bad = simulator(), MODELS.copy()
    bad[1, 2, 3, 4] = np.nan
    with pytest.raises(SimulationError, match=r"of sample 1 failed 1 times.*bad_model"):
        running.misfit_and_gradient(bad, SHOTS)
    running.misfit_and_gradient(MODELS[:1], [[0]])


def test_a_poisoned_sample_is_dropped_where_the_policy_allows_it(simulator, expected, tmp_path):
    models = MODELS.copy()
    models[1] = np.nan
    batch = simulator(min_samples=2).misfit_and_gradient(models, SHOTS)
    assert batch.count.dropped == 1
    assert np.isnan(batch.misfits[1])
    assert np.isnan(batch.gradients[1]).all()
    for good in (0, 2):
        assert batch.misfits[good] == expected[0][good]
        np.testing.assert_array_equal(batch.gradients[good], expected[1][good])
    assert '"event": "dropped", "sample": 1' in (tmp_path / "ledger.jsonl").read_text()


def test_too_many_poisoned_samples_end_the_batch(simulator):
    models = MODELS.copy()
    models[1:] = np.nan
    with pytest.raises(SimulationError, match="given up"):
        simulator(min_samples=2).misfit_and_gradient(models, SHOTS)


def test_no_workers_for_too_long_end_the_batch(simulator):
    running = simulator(patience_s=1.5, workers=1)
    running.executor.scale(0)
    with pytest.raises(SimulationError, match=r"gone for 1\.5 s"):
        running.misfit_and_gradient(MODELS[:1], [[0]])


def test_nothing_survives_a_killed_controller(tmp_path):
    script = Path(__file__).with_name("run_controller.py")
    with subprocess.Popen(
        [sys.executable, str(script), str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as controller:
        assert controller.stdout.readline()
        family = [ProcessId.of(pid) for pid in _descendants(controller.pid)]
        assert len(family) >= 10
        controller.kill()
    deadline = time.monotonic() + 5
    while any(p.alive for p in family) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not [p for p in family if p.alive]
    owners = {str(p.pid) for p in family}
    assert not [
        f for f in Path("/dev/shm").glob("pvi-gang-*") if f.name.split("-")[3] in owners
    ]
    mine = f"{DASK}-{os.getuid()}-{controller.pid}-*"
    assert list(Path(tempfile.gettempdir()).glob(mine))
    sweep()
    assert not list(Path(tempfile.gettempdir()).glob(mine))
    assert not list(Path("/dev/shm").glob(f"sem.*-{controller.pid}-*"))


def test_the_case_fits_the_survey():
    assert MODELS.shape[1:] == GRID.shape


def test_squares_of_groups_are_the_same_bits_with_any_number_of_workers(tmp_path):
    noise = {"noise": {"offset_edges_m": [40.0]}}
    setup = replace(make_setup(tmp_path), likelihood=noise)
    batches = []
    for workers in (1, 2):
        execution = make_execution(workers=workers)
        with DaskSimulator(LocalExecutor(), setup, execution) as running:
            batches.append(running.misfit_and_gradient(MODELS, SHOTS, (0.7, 1.3)))
    assert_same_bits(batches[0], (batches[1].misfits, batches[1].gradients))
    for one, two in zip(batches[0].squares, batches[1].squares, strict=True):
        np.testing.assert_array_equal(one, two)
    weighed = [0.5 * np.dot((0.7, 1.3), squares) for squares in batches[0].squares]
    np.testing.assert_allclose(batches[0].misfits, weighed, rtol=1e-12)
