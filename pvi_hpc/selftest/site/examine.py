"""Everything the doctor tries, in order; what builds on what failed is left out."""

import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np

from pvi_hpc.config import Run
from pvi_hpc.data.survey_file import write_survey
from pvi_hpc.errors import PviError
from pvi_hpc.execution.dask_simulator import DaskSimulator
from pvi_hpc.execution.executor import LeavesJobs, Workplace, load_executor
from pvi_hpc.execution.gang.processes import ProcessId
from pvi_hpc.execution.ledger import Ledger
from pvi_hpc.problem.forward import simulation_setup, survey_geometry, true_model
from pvi_hpc.run.workers import workers_of
from pvi_hpc.selftest.outcome import Outcome, failed, passed
from pvi_hpc.selftest.site.files import (
    check_bandwidth,
    check_shared_memory,
    check_visibility,
)
from pvi_hpc.selftest.site.gangs import check_loss, check_ranks
from pvi_hpc.selftest.site.network import check_dashboards, check_interfaces, check_strangers
from pvi_hpc.selftest.site.small_survey import WORKERS, doctor_run
from pvi_hpc.store.layout import RunPaths

__all__ = ["examine"]

#: Longest time to replace a worker that was killed [s].
REPLACEMENT_S: Final = 180.0
#: Longest time for all workers and gangs to end [s].
END_S: Final = 15.0


def examine(site: Path | None, directory: Path) -> Iterator[Outcome]:
    """Try the workers that a site's file describes, from a new folder in `directory`.

    Raises
    ------
    ConfigError
        If the site's file is wrong.
    OSError
        If no folder can be made in `directory`.
    """
    run = doctor_run(site)
    with tempfile.TemporaryDirectory(prefix="pvi-doctor-", dir=directory.resolve()) as name:
        folder = Path(name)
        yield from check_bandwidth(folder)
        yield from _with_workers(run, folder)


def _with_workers(run: Run, folder: Path) -> Iterator[Outcome]:
    executor = run.execution.executor
    what = f"workers ({executor})"
    paths = RunPaths(folder / "run")
    survey = folder / "survey.h5"
    write_survey(_random_survey(run), survey)
    start = time.monotonic()
    processes: dict[str, tuple[str, str]] = {}
    try:
        with workers_of(run, simulation_setup(run, survey), paths) as simulator:
            _wait_for_all(simulator.client)
            processes = simulator.client.run(_who)
            hosts = sorted({host for host, _ in processes.values()})
            seconds = time.monotonic() - start
            yield passed(what, f"{len(processes)} on {', '.join(hosts)} after {seconds:.1f} s")
            yield from _try_out(run, simulator, folder)
            processes |= simulator.client.run(_who)
    except (PviError, TimeoutError) as error:
        remedy = "see the message, and the logs of the worker jobs it names"
        yield failed(what, str(error), remedy)
        return
    yield _all_gone(processes)
    yield from _no_jobs_left(run, paths)


def _try_out(run: Run, simulator: DaskSimulator, folder: Path) -> Iterator[Outcome]:
    client = simulator.client
    hosts = {address: host for address, (host, _) in client.run(_who).items()}
    scheduler = client.scheduler_info(n_workers=-1)
    addresses = {scheduler["address"]: "scheduler"}
    addresses |= {address: f"worker on {host}" for address, host in hosts.items()}
    services = {scheduler["address"]: scheduler["services"]}
    services |= {a: dict(w["services"]) for a, w in scheduler["workers"].items()}
    yield from check_interfaces(addresses)
    yield from check_strangers(addresses)
    yield from check_dashboards(services)
    yield from check_visibility(client, hosts, folder)
    yield from check_shared_memory(client, hosts, simulator.execution.ranks)
    model = true_model(run)
    assert model is not None  # The case is synthetic.
    models = np.stack([model, (1.02 * model).astype(np.float32)])
    ranks = list(check_ranks(simulator, models))
    yield from ranks
    if all(outcome.passed for outcome in ranks):
        yield from check_loss(simulator, models, REPLACEMENT_S)


def _wait_for_all(client: Any) -> None:
    client.wait_for_workers(WORKERS, timeout=REPLACEMENT_S)


def _random_survey(run: Run) -> Any:
    """Return the case's survey with data that are noise: only sums and bits are compared."""
    rng = np.random.default_rng(1)
    geometry = survey_geometry(run)
    shape = len(geometry.shots[0].receivers), geometry.n_samples
    return geometry.with_data(
        [rng.standard_normal(shape).astype(np.float32) for _ in geometry.shots]
    )


def _who() -> tuple[str, str]:
    """Return host and process of a worker."""
    import os

    return socket.gethostname(), str(ProcessId.of(os.getpid()))


def _no_jobs_left(run: Run, paths: RunPaths) -> Iterator[Outcome]:
    """Ask the batch system, if there is one, whether jobs are left; cancel them."""
    executor = load_executor(run.execution, Workplace(paths.folder, Ledger()))
    if not isinstance(executor, LeavesJobs):
        return
    deadline = time.monotonic() + END_S
    while (left := executor.leftovers()) and time.monotonic() <= deadline:
        time.sleep(1.0)
    if left:
        executor.cancel_leftovers()
        remedy = "report it; they were cancelled now"
        yield failed("queue", f"jobs {', '.join(left)} were still there", remedy)
        return
    yield passed("queue", "no job left")


def _all_gone(processes: dict[str, tuple[str, str]]) -> Outcome:
    """Wait for the end of all workers on this host; those elsewhere left the scheduler."""
    here = [
        ProcessId.parse(p) for host, p in processes.values() if host == socket.gethostname()
    ]
    deadline = time.monotonic() + END_S
    while any(process.alive for process in here) and time.monotonic() < deadline:
        time.sleep(0.1)
    left = [process.pid for process in here if process.alive]
    if left:
        return failed("end", f"processes {left} still run", "report it; end them with kill -9")
    return passed("end", f"no worker left, of {len(processes)}")
