"""The parts of the execution that need no processes."""

import json
import os
import resource
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pvi_hpc.cost import SimulationCount
from pvi_hpc.data.survey import Shot
from pvi_hpc.errors import (
    ConfigError,
    LedgerError,
    NonFiniteError,
    SimulationError,
    SurveyError,
)
from pvi_hpc.execution.cluster.local import LocalExecutor
from pvi_hpc.execution.cluster.sge import GridEngineExecutor
from pvi_hpc.execution.cluster.slurm import SlurmExecutor
from pvi_hpc.execution.dispatch.batch import make_samples
from pvi_hpc.execution.dispatch.placement import place
from pvi_hpc.execution.dispatch.recovery import MAX_LOSSES, Policy, Recovery
from pvi_hpc.execution.dispatch.reduction import add_complete_groups, join_chunks
from pvi_hpc.execution.dispatch.task_times import TaskTimes
from pvi_hpc.execution.dispatch.tasks import ChunkResult, ChunkTask, add_up
from pvi_hpc.execution.executor import Workplace, load_executor
from pvi_hpc.execution.failures import Failure
from pvi_hpc.execution.gang.processes import ProcessId
from pvi_hpc.execution.identity import model_hash, task_identity
from pvi_hpc.execution.ledger import Ledger
from pvi_hpc.execution.settings import ExecutionSettings
from pvi_hpc.forward.comparison import compare
from pvi_hpc.forward.problem import ShotResult


def make_shot(sd, data):
    n = len(sd)
    return Shot(7, np.zeros(3), np.zeros((n, 3)), data.astype(np.float32), np.asarray(sd))


def test_the_misfit_counts_residuals_in_noise_units_and_leaves_out_infinite_ones(rng=None):
    rng = np.random.default_rng(1)
    data = rng.standard_normal((3, 8)).astype(np.float32)
    simulated = rng.standard_normal((3, 8))
    got = compare(simulated, make_shot([1.0, np.inf, 0.5], data))
    scaled = (simulated - data)[[0, 2]] / np.array([[1.0], [0.5]])
    assert got.misfit == pytest.approx(0.5 * np.sum(scaled**2), rel=1e-14)
    assert not got.derivative[1].any()


def test_the_derivative_of_the_misfit_is_its_derivative():
    rng = np.random.default_rng(2)
    shot = make_shot([0.7, 2.0], rng.standard_normal((2, 9)))
    x, dx = rng.standard_normal((2, 2, 9))
    h = 1e-4
    measured = (compare(x + h * dx, shot).misfit - compare(x - h * dx, shot).misfit) / (2 * h)
    assert np.vdot(compare(x, shot).derivative, dx) == pytest.approx(measured, rel=1e-7)


def test_a_trace_left_out_may_hold_nan_but_no_other():
    data = np.zeros((2, 4))
    data[0] = np.nan
    assert compare(np.ones((2, 4)), make_shot([np.inf, 1.0], data)).misfit == 2.0
    with pytest.raises(NonFiniteError, match="shot 7"):
        compare(np.ones((2, 4)), make_shot([1.0, 1.0], data))


def test_data_of_another_length_are_refused():
    with pytest.raises(SurveyError, match="Shot 7"):
        compare(np.ones((2, 5)), make_shot([1.0, 1.0], np.zeros((2, 4))))


def test_identity_changes_with_all_that_changes_a_result():
    model = np.ones((2, 3, 4), np.float32)
    other = model.copy()
    other[1, 2, 3] = np.nextafter(np.float32(1), np.float32(2))
    base = (model_hash(model), (0, 1), "f", "gradient")
    changed = [
        (model_hash(other), (0, 1), "f", "gradient"),
        (model_hash(model), (1, 0), "f", "gradient"),
        (model_hash(model), (0, 1), "g", "gradient"),
        (model_hash(model), (0, 1), "f", "misfit"),
        (model_hash(model), (0, 1), "f", "gradient", (), (0.25, 1.0)),
        (model_hash(model), (0, 1), "f", "gradient", (), (0.25, np.nextafter(1.0, 2.0))),
        (model_hash(model), (0, 1), "f", "gradient", (7,)),
    ]
    assert len({task_identity(*arguments) for arguments in [base, *changed]}) == 8
    assert model_hash(model) != model_hash(model.reshape(4, 3, 2))


def test_a_batch_is_cut_by_size_only():
    models = np.ones((2, 2, 2, 2), np.float32)
    first, second = make_samples(models, [range(5), [7, 3]], 2, "gradient", "f")
    assert [c.task.shots for c in first.chunks] == [(0, 1), (2, 3), (4,)]
    assert [c.task.shots for c in second.chunks] == [(7, 3)]


@pytest.mark.parametrize("n", [1, 4])
def test_models_without_shots_and_shots_without_models_are_refused(n):
    models = iter(np.ones((n, 2, 2, 2), np.float32))
    with pytest.raises(SimulationError, match=rf"got 2 lists for {n} models"):
        list(make_samples(models, [[0], [1]], 2, "gradient", "f"))


def always(worker, chunk, ahead):
    return True


def test_nothing_goes_to_a_worker_that_will_not_live_to_finish_it():
    (sample,) = make_samples(np.ones((1, 1, 1, 1), np.float32), [range(8)], 1, "misfit", "f")
    times = TaskTimes()
    task = sample.chunks[0].task
    assert times.needed_s(task) == 0
    for seconds in (10.0,) * 20:
        times.add(task, seconds)
    assert times.needed_s(task) == pytest.approx(13.0)
    left = {"a": 12.0, "b": 20.0, "c": 30.0}  # b: one task, c: two

    def lasts(worker, chunk, ahead):
        return left[worker] > times.needed_s(chunk.task) * (ahead + 1)

    sent = place([sample], ["a", "b", "c"], 0.0, lasts)
    assert sorted(chunk.placed for chunk in sent) == ["b", "c", "c"]


def test_workers_keep_their_sample_and_get_one_chunk_ahead():
    samples = list(
        make_samples(np.ones((2, 1, 1, 1), np.float32), [range(8)] * 2, 1, "misfit", "f")
    )
    sent = place(samples, ["a", "b"], 0.0, always)
    assert len(sent) == 4
    by_worker = {name: {c.task.sample for c in sent if c.placed == name} for name in "ab"}
    assert by_worker == {"a": {0}, "b": {1}}


def test_the_last_chunks_wait_for_whoever_is_free_unless_tasks_take_equally_long():
    def sent(even):
        model = np.ones((1, 1, 1, 1), np.float32)
        samples = list(make_samples(model, [range(4)], 1, "gradient", "f"))
        return sorted(c.placed for c in place(samples, ["a", "b"], 0.0, always, even=even))

    assert sent(False) == ["a", "b"]
    assert sent(True) == ["a", "a", "b", "b"]
    times, task = TaskTimes(), ChunkTask(0, 0, (0,), "gradient", "")
    for seconds in (10.0, 10.2, 9.9, 10.1, 10.0, 10.3, 9.8):
        times.add(task, seconds)
    assert not times.even("gradient"), "seven are too few"
    times.add(task, 10.0)
    assert times.even("gradient")
    assert not times.even("traces")
    times.add(task, 13.0)
    assert not times.even("gradient")


def test_a_free_worker_takes_a_sample_that_no_other_one_holds():
    samples = list(
        make_samples(np.ones((2, 1, 1, 1), np.float32), [[0, 1], [0]], 1, "misfit", "f")
    )
    running = samples[0].chunks[0]
    running.result, running.placed = "sent", "a"
    (chunk,) = place(samples, ["b"], 0.0, always)
    assert (chunk.placed, chunk.task.sample) == ("b", 1)


class EagerClient:
    """Does at once what it is given; a future is its own value."""

    def __init__(self):
        self.keys = []

    def submit(self, function, *arguments, key, **options):
        self.keys.append(key)
        return function(*arguments)


def test_groups_that_are_complete_are_added_early_without_changing_a_bit():
    rng = np.random.default_rng(1)
    gradients = rng.standard_normal((20, 3)) * 10.0 ** rng.integers(-8, 8, (20, 1))

    def joined(early):
        model = np.ones((1, 1, 1, 1), np.float32)
        (sample,) = make_samples(model, [range(20)], 1, "gradient", "f")
        client = EagerClient()
        for i in early:
            chunk = sample.chunks[i]
            chunk.result, chunk.report = (
                ChunkResult(None, ShotResult(0.0, gradients[i])),
                "there",
            )
            add_complete_groups(client, sample, "k")
        return join_chunks(client, sample, "k"), client.keys

    groups: list[Any] = [add_up(*gradients[i : i + 8]) for i in (0, 8, 16)]
    expected = (groups[0] + groups[1]) + groups[2]
    for order in (range(20), range(19, -1, -1), rng.permutation(20)):
        total, keys = joined(order)
        np.testing.assert_array_equal(total, expected)
        assert sorted(keys) == ["part-k-0-0", "part-k-0-1", "part-k-0-2", "sum-k"]
    assert (expected != gradients.sum(axis=0)).any(), "the order must matter for this test"


def test_a_failed_chunk_waits_and_goes_elsewhere():
    (sample,) = make_samples(np.ones((1, 1, 1, 1), np.float32), [[0]], 1, "misfit", "f")
    sample.chunks[0].avoid, sample.chunks[0].due = "a", 5.0
    assert place([sample], ["a", "b"], 4.0, always) == []
    assert place([sample], ["a"], 6.0, always)[0].placed == "a"
    sample.chunks[0].placed = ""
    assert place([sample], ["a", "b"], 6.0, always)[0].placed == "b"


def test_waits_grow_up_to_a_limit():
    policy = Policy(backoff_s=0.1, longest_backoff_s=1.0)
    assert [policy.delay(n) for n in (1, 2, 3, 9)] == [0.1, 0.2, 0.4, 1.0]


def test_sums_keep_their_order_and_pass_failures_on():
    big, small = np.full(2, 1e16), np.ones(2)
    np.testing.assert_array_equal(add_up(big, small, small), (big + 1) + 1)
    failure = Failure("crash", "m", "w", 1.0, 2)
    assert add_up(big, failure) is failure


def test_the_ledger_adds_up_and_appends_once_a_batch(tmp_path):
    path = tmp_path / "run" / "ledger.jsonl"
    ledger = Ledger(path)
    ledger.record("failed", kind="crash")
    assert not path.exists()
    for _ in range(2):
        ledger.add(SimulationCount(3, 1, 1, 0.5))
    assert ledger.count == SimulationCount(6, 2, 2, 1.0)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["event"] for line in lines] == ["failed", "batch", "batch"]


def test_a_ledger_on_a_full_disk_says_so_and_keeps_its_lines(tmp_path):
    ledger = Ledger(Path("/dev/full"))
    ledger.record("failed", kind="crash")
    with pytest.raises(SimulationError, match=r"'/dev/full': .*No space left.*Make room"):
        ledger.flush()
    ledger.path = tmp_path / "ledger.jsonl"
    ledger.record("retried")
    ledger.flush()
    events = [json.loads(line)["event"] for line in ledger.path.read_text().splitlines()]
    assert events == ["failed", "retried"]


def test_a_ledger_that_could_write_a_part_has_each_line_once(tmp_path):
    ledger = Ledger(tmp_path / "ledger.jsonl")
    ledger.record("failed")
    ledger.flush()
    for i in range(200):
        ledger.record("retried", number=i)
    room, limit = ledger.path.stat().st_size + 5000, resource.getrlimit(resource.RLIMIT_FSIZE)
    before = ledger.path.read_bytes()
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, limit[1]))
    try:
        with pytest.raises(LedgerError, match="File too large"):
            ledger.flush()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert ledger.path.read_bytes() == before
    ledger.flush()
    lines = [json.loads(line) for line in ledger.path.read_text().splitlines()]
    assert [line.get("number") for line in lines] == [None, *range(200)]


def test_a_torn_line_of_the_ledger_is_not_glued_to_the_next(tmp_path):
    path = tmp_path / "ledger.jsonl"
    path.write_text('{"event": "batch"}\n{"time": 1.0, "eve')
    ledger = Ledger(path)
    for number in range(2):
        ledger.record("retried", number=number)
        ledger.flush()
    lines = path.read_text().splitlines()
    assert lines[:2] == ['{"event": "batch"}', '{"time": 1.0, "eve']
    assert [json.loads(line)["number"] for line in lines[2:]] == [0, 1]


def test_a_process_is_told_from_another_of_the_same_pid():
    me = ProcessId.of(os.getpid())
    assert me.alive
    assert ProcessId.parse(str(me)) == me
    assert not ProcessId(me.pid, me.birth + 1).alive
    assert not ProcessId.of(2**22 - 3).alive


def test_a_chunk_that_was_given_up_tells_what_its_last_loss_looked_like():
    (sample,) = make_samples(np.ones((1, 1, 1, 1), np.float32), [[0]], 1, "misfit", "f")
    recovery = Recovery([sample], Policy(), Ledger())
    for _ in range(MAX_LOSSES):
        recovery.lost(sample.chunks[0], "CommClosedError: earlier")
    with pytest.raises(SimulationError, match=r"lost with .* 11 times.*OSError: no more"):
        recovery.lost(sample.chunks[0], "OSError: no more")


def test_executors_are_found_by_name(tmp_path):
    place = Workplace(tmp_path, Ledger())
    kinds = {"local": LocalExecutor, "slurm": SlurmExecutor, "sge": GridEngineExecutor}
    for name, kind in kinds.items():
        assert isinstance(load_executor(ExecutionSettings(executor=name), place), kind)
    with pytest.raises(ConfigError, match=r"'execution\.executor' must be one of"):
        load_executor(ExecutionSettings(executor="cray"), place)
