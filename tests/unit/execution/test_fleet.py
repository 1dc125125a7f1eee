"""Worker jobs that die, wait and are replaced; the batch system is this machine's processes."""

import math
import re
import time
from dataclasses import replace
from pathlib import Path

import pytest

from pvi_hpc.errors import SimulationError, StopRequestedError
from pvi_hpc.execution.cluster.allocation import AllocationQueue
from pvi_hpc.execution.cluster.fleet import SILENCE_S, Fleet
from pvi_hpc.execution.cluster.job import FleetSettings
from pvi_hpc.execution.cluster.nodes import Node
from pvi_hpc.execution.cluster.queues import (
    QueuedJob,
    QueueSilentError,
    call,
    clean_environment,
    job_id,
)
from pvi_hpc.execution.cluster.reaper import reap
from pvi_hpc.execution.cluster.slurm import SlurmExecutor
from pvi_hpc.execution.cluster.slurm import _job as slurm_job
from pvi_hpc.execution.cluster.worker_jobs import run_prefix
from pvi_hpc.execution.executor import Workplace
from pvi_hpc.execution.ledger import Ledger
from pvi_hpc.execution.settings import ClusterSettings, ExecutionSettings
from pvi_hpc.run.interrupt import StopFlag, job_end, seconds_left


class Worker:
    """Facts that Dask's scheduler tells of a worker."""

    def __init__(self, name):
        self.name = name


class Scheduler:
    """The part of Dask's scheduler that a roll reads."""

    def __init__(self):
        self.workers = {}


@pytest.fixture
def make_fleet(tmp_path):
    fleets = []

    def make(script, *, wanted=2, failed_starts=3, walltime_s=math.inf, gangs=1):
        settings = FleetSettings(
            prefix="pvi-test-",
            folder=tmp_path / "workers",
            logs=tmp_path / "logs",
            gangs=gangs,
            walltime_s=walltime_s,
            poll_s=0.1,
            failed_starts=failed_starts,
        )
        (tmp_path / "workers" / "private").mkdir(parents=True)
        settings.logs.mkdir()
        ledger = Ledger(tmp_path / "ledger.jsonl")
        queue = AllocationQueue([Node("here")])
        fleet = Fleet(queue, lambda name, log: f"exec > {log}\n{script}\n", settings, ledger)
        fleet.wanted = wanted
        fleets.append(fleet)
        return fleet

    yield make
    for fleet in fleets:
        fleet.close()
        assert not fleet.queue.jobs()


def join(fleet, name):
    scheduler = Scheduler()
    scheduler.workers[name] = Worker(name)
    fleet.roll.add_worker(scheduler, name)


def step_until(fleet, condition, timeout=20.0):
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end, fleet.describe()
        fleet.step(time.monotonic())
        time.sleep(0.05)


def test_a_job_that_dies_after_its_worker_was_up_is_replaced(make_fleet):
    fleet = make_fleet("exec sleep 60")
    step_until(fleet, lambda: all(j.running for j in fleet.jobs.values()) and fleet.jobs)
    first = list(fleet.jobs.values())
    assert len(first) == 2
    for job in first:
        join(fleet, job.name)
    fleet.queue.cancel([first[0].id])
    step_until(fleet, lambda: len(fleet.jobs) == 2 and first[0].id not in fleet.jobs)
    assert not fleet.error
    assert first[1].id in fleet.jobs


def test_jobs_that_die_at_once_end_in_a_message_with_their_log(make_fleet):
    fleet = make_fleet("echo module: command not found\nexit 1")
    step_until(fleet, lambda: fleet.error)
    assert "worker jobs in a row" in fleet.error
    assert "module: command not found" in fleet.error
    assert "execution.cluster" in fleet.error


def test_a_name_is_in_the_ledger_before_its_job(make_fleet, tmp_path):
    fleet = make_fleet("exit 0", wanted=1)

    def refuse(script: Path) -> str:
        assert "job_named" in (tmp_path / "ledger.jsonl").read_text()
        raise SimulationError("invalid partition")

    fleet.queue.submit = refuse
    fleet.step(time.monotonic())
    assert fleet._failed == 1


def test_a_job_whose_id_finds_no_room_in_the_ledger_is_not_lost(make_fleet):
    fleet = make_fleet("exec sleep 60", wanted=1)
    submit = fleet.queue.submit

    def submit_on_a_full_disk(script: Path) -> str:
        fleet.ledger.path = Path("/dev/full")
        return submit(script)

    fleet.queue.submit = submit_on_a_full_disk
    with pytest.raises(SimulationError, match="No space left"):
        fleet.start(1)
    assert len(fleet.jobs) == 1
    fleet.close()
    assert not fleet.queue.jobs()


def test_a_full_disk_neither_ends_the_watch_nor_counts_as_a_failed_start(make_fleet, tmp_path):
    fleet = make_fleet("exec sleep 60", wanted=1, failed_starts=1)
    ledger, submitted = fleet.ledger.path, []
    submit = fleet.queue.submit
    fleet.queue.submit = lambda script: submitted.append(script) or submit(script)
    fleet.ledger.path = Path("/dev/full")
    for _ in range(2):
        fleet.step(time.monotonic())
    assert not submitted, "a job whose name is not written down"
    assert not fleet.error
    fleet.ledger.path = ledger
    step_until(fleet, lambda: len(fleet.jobs) == 1)
    assert len(submitted) == 1
    assert "job_submitted" in ledger.read_text()


def test_a_job_that_cannot_be_cancelled_is_looked_at_again(make_fleet):
    fleet = make_fleet("exec sleep 60", wanted=1)
    step_until(fleet, lambda: fleet.jobs and all(j.running for j in fleet.jobs.values()))
    cancel, (job,) = fleet.queue.cancel, fleet.jobs.values()

    def refuse(ids):
        raise SimulationError("scancel did not return")

    fleet.queue.cancel = refuse
    later = time.monotonic() + 2 * SILENCE_S
    fleet.step(later)
    assert list(fleet.jobs.values()) == [job]
    fleet.queue.cancel = cancel
    fleet.step(later)
    assert job.id not in fleet.jobs


def test_leftovers_are_cancelled_also_where_the_ledger_cannot_be_written(tmp_path):
    class Queue:
        cancelled = ()

        def jobs(self):
            names = (f"{run_prefix(tmp_path)}ab-1", "pvi-of-another-run")
            return [QueuedJob(str(i), name, "running") for i, name in enumerate(names)]

        def cancel(self, ids):
            self.cancelled = tuple(ids)

    executor = SlurmExecutor(
        ExecutionSettings(executor="slurm"), Workplace(tmp_path, Ledger(Path("/dev/full")))
    )
    queue = executor.queue = Queue()
    assert executor.cancel_leftovers() == 1
    assert queue.cancelled == ("0",)


def test_a_queue_that_does_not_answer_is_no_news(make_fleet):
    fleet = make_fleet("exec sleep 60")
    step_until(fleet, lambda: len(fleet.jobs) == 2)
    jobs = fleet.queue.jobs

    def silent():
        raise SimulationError("slurmctld does not answer")

    fleet.queue.jobs = silent
    fleet.step(time.monotonic())
    assert len(fleet.jobs) == 2
    fleet.queue.jobs = jobs


def test_a_batch_system_that_is_silent_at_the_start_is_asked_again(make_fleet):
    fleet = make_fleet("exec sleep 60", wanted=1, failed_starts=1)
    submit, asked = fleet.queue.submit, []

    def silent_six_times(script):
        asked.append(script)
        if len(asked) <= 6:
            raise QueueSilentError("Socket timed out on send/recv operation")
        return submit(script)

    fleet.queue.submit = silent_six_times
    now = time.monotonic()
    fleet._try_to_fill(now)
    assert "Socket timed out" in fleet.describe()
    for _ in range(6):
        now = fleet._next_try
        fleet.step(now)
    assert not fleet.error
    assert len(fleet.jobs) == 1
    fleet.step(now)
    assert "does not answer" not in fleet.describe()


def test_a_refusal_at_the_start_ends_as_one_later(make_fleet):
    fleet = make_fleet("exit 0", wanted=1, failed_starts=3)

    def refuse(script):
        raise SimulationError("invalid partition specified: nrmal")

    fleet.queue.submit = refuse
    fleet._try_to_fill(time.monotonic())
    for _ in range(2):
        assert not fleet.error
        fleet.step(fleet._next_try)
    assert "invalid partition specified: nrmal" in fleet.error


def test_a_job_that_was_submitted_although_nobody_said_so_is_adopted(make_fleet):
    fleet = make_fleet("exec sleep 60", wanted=1)
    submit, jobs, submitted = fleet.queue.submit, fleet.queue.jobs, []

    def lie(script):
        submitted.append(submit(script))
        raise QueueSilentError("Socket timed out on send/recv operation")

    def named():
        return [replace(job, name="pvi-test-1") for job in jobs()]

    fleet.queue.submit, fleet.queue.jobs = lie, named
    fleet._try_to_fill(time.monotonic())
    assert not fleet.jobs
    fleet.step(fleet._next_try)
    assert len(submitted) == 1
    assert [(job.id, job.name) for job in fleet.jobs.values()] == [(submitted[0], "pvi-test-1")]


def test_leftovers_are_asked_for_again_where_the_queue_is_silent(tmp_path):
    class Queue:
        asked = 0

        def jobs(self):
            self.asked += 1
            if self.asked < 3:
                raise QueueSilentError("Unable to contact slurm controller (connect failure)")
            return []

        def cancel(self, ids):
            assert not list(ids)

    cluster = ClusterSettings(poll_s=0.01)
    executor = SlurmExecutor(
        ExecutionSettings(executor="slurm", cluster=cluster), Workplace(tmp_path, Ledger())
    )
    queue = executor.queue = Queue()
    executor._cancel_leftovers_patiently()
    assert queue.asked == 3
    executor.queue, executor.patience_s = Queue(), 0.0
    with pytest.raises(QueueSilentError, match="Unable to contact"):
        executor._cancel_leftovers_patiently()


@pytest.mark.parametrize(
    ("said", "silent"),
    [
        ("sbatch: error: Batch job submission failed: Socket timed out on send/recv", True),
        ("slurm_load_jobs error: Unable to contact slurm controller (connect failure)", True),
        ("error: commlib error: got select error (Connection refused)", True),
        ("Zero Bytes were transmitted or received", True),
        ("sbatch: error: invalid partition specified: nrmal", False),
        ("Unable to run job: Job was rejected because job requests unknown queue.", False),
        ("Requested time limit is invalid (missing or exceeds some limit)", False),
        ("Invalid account or account/partition combination specified", False),
    ],
)
def test_silence_is_told_from_refusal(tmp_path, said, silent):
    command = ["sh", "-c", 'echo "$0" >&2; exit 1', said]
    with pytest.raises(SimulationError, match=re.escape(said)) as caught:
        call(command)
    assert isinstance(caught.value, QueueSilentError) == silent


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("4711\n", "4711"),
        ("4711;cluster2\n", "4711"),
        ("Please read the news of 12 May\n\n4711\n", "4711"),
        ("4711\nYou have 1200 core-hours left\n", "4711"),
    ],
)
def test_an_id_is_found_among_what_a_site_prints(said, expected):
    assert job_id(said, r"(\d+)(;\S+)?") == expected


def test_a_submission_without_an_id_is_neither_a_success_nor_a_refusal():
    with pytest.raises(QueueSilentError, match="not printed: 'Welcome"):
        job_id("Welcome\n", r"(\d+)")


@pytest.mark.parametrize(
    ("reason", "state"),
    [
        ("JobHeldAdmin", "broken"),
        ("InvalidQOS", "broken"),
        ("QOSMaxWallDurationPerJobLimit", "broken"),
        ("QOSMaxCpuPerJobLimit", "broken"),
        ("AssocMaxNodePerJobLimit", "broken"),
        ("QOSMinCpuNotSatisfied", "broken"),
        ("QOSMaxCpuPerUserLimit", "pending"),
        ("AssocGrpCPUMinutesLimit", "pending"),
        ("QOSMaxJobsPerUserLimit", "pending"),
        ("JobHeldUser", "pending"),
        ("Resources", "pending"),
        ("Priority", "pending"),
    ],
)
def test_what_no_waiting_will_change_is_not_waited_for(reason, state):
    assert slurm_job(f"7|PENDING|{reason}|pvi-a-1").state == state


def test_a_job_near_its_walltime_gets_a_successor_first(make_fleet):
    fleet = make_fleet("exec sleep 60", wanted=1, walltime_s=100.0)
    step_until(fleet, lambda: fleet.jobs and all(j.running for j in fleet.jobs.values()))
    (old,) = fleet.jobs.values()
    join(fleet, old.name)
    assert fleet.remaining_s(old.name) < 100.0
    fleet.step(time.monotonic() + 85)  # 15 s left: more than a tenth
    assert list(fleet.jobs.values()) == [old]
    fleet.step(time.monotonic() + 92)
    assert len(fleet.jobs) == 2


def test_gangs_share_jobs(make_fleet):
    fleet = make_fleet("exec sleep 60", wanted=5, gangs=2)
    fleet.step(time.monotonic())
    assert len(fleet.jobs) == 3


def test_the_reaper_cancels_jobs_by_name_and_leaves_others_alone():
    class Queue:
        listed = (QueuedJob("1", "pvi-aa-1", "pending"), QueuedJob("2", "pvi-ab-1", "running"))
        cancelled = ()

        def jobs(self):
            return list(self.listed)

        def cancel(self, ids):
            self.cancelled = (*self.cancelled, *ids)

    queue = Queue()
    reap(queue, "pvi-aa-", watch_s=0)
    assert queue.cancelled == ("1",)


def test_a_missing_batch_system_is_named():
    with pytest.raises(SimulationError, match=r"no 'sbatch-of-nobody' in PATH.*executor"):
        call(["sbatch-of-nobody"])


def test_what_a_job_says_of_itself_is_not_handed_on(monkeypatch):
    monkeypatch.setenv("SLURM_CONF", "/etc/slurm.conf")
    monkeypatch.setenv("SLURM_MEM_PER_CPU", "500")
    environment = clean_environment()
    assert environment["SLURM_CONF"] == "/etc/slurm.conf"
    assert "SLURM_MEM_PER_CPU" not in environment


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("4:05", 245), ("1:00:00", 3600), ("1-00:00:01", 86401), ("UNLIMITED", None), ("", None)],
)
def test_time_left_is_read_as_slurm_writes_it(text, seconds):
    assert seconds_left(text) == seconds


def test_a_controller_stops_before_its_job_ends():
    end = job_end({"PVI_JOB_END": str(int(time.time()) + 200)})
    flag = StopFlag(job_end=end)
    assert not flag
    flag.took(120.0)  # The next one may take 156 s, and stopping 60 s.
    assert flag
    assert flag.received.startswith("the end of its job")


def test_a_controller_that_waits_for_workers_can_be_stopped(tmp_path):
    place = Workplace(tmp_path, Ledger(), lambda: True)
    executor = SlurmExecutor(ExecutionSettings(executor="slurm"), place)
    with pytest.raises(StopRequestedError):
        executor.check()


def test_a_stop_file_stops(tmp_path):
    flag = StopFlag(tmp_path / "stop")
    assert not flag
    (tmp_path / "stop").touch()
    assert flag
    assert flag.received == "pvi stop"
