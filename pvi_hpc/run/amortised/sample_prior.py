"""Draws from the prior and their data, made in chunks by the workers of a run."""

import json
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import cloudpickle  # type: ignore[import-untyped]

from pvi_hpc.config import Run
from pvi_hpc.config.amortised import AmortisedSettings
from pvi_hpc.cost import SimulationCount
from pvi_hpc.errors import SimulationError
from pvi_hpc.execution.dask_simulator import DaskSimulator
from pvi_hpc.execution.dispatch.recovery import MAX_LOSSES
from pvi_hpc.execution.executor import RESOURCE
from pvi_hpc.execution.failures import Failure
from pvi_hpc.execution.lease import Lease
from pvi_hpc.problem.forward import simulation_setup
from pvi_hpc.run.amortised.bank import Bank, recipe_of
from pvi_hpc.run.amortised.chunk import BLOCK_BYTES, ChunkReport, make_chunk
from pvi_hpc.run.interrupt import StopFlag
from pvi_hpc.run.workers import workers_of
from pvi_hpc.store.atomic import write_text
from pvi_hpc.store.layout import RunPaths

__all__ = ["BankSummary", "fill_bank", "sample_prior"]

#: Longest time without a result before the workers are looked at again [s].
TICK_S: Final = 0.05


@dataclass(frozen=True)
class BankSummary:
    """Account of a bank, all of it or the part that this call made.

    Parameters
    ----------
    draws, failed
        Draws in the bank, and those without data.
    chunks, made
        Files of the bank, and those that this call made.
    seconds
        Wall time of this call [s].
    worker_seconds
        Time of the workers in chunks [s].
    controller_seconds
        Processor time of the controller [s].
    """

    draws: int
    failed: int
    chunks: int
    made: int
    seconds: float
    worker_seconds: float
    controller_seconds: float

    @property
    def controller_share(self) -> float:
        """Processor time of the controller over that of the workers; NaN if none worked."""
        return self.controller_seconds / (self.worker_seconds or float("nan"))


def sample_prior(
    run: Run,
    survey: Path,
    folder: Path,
    settings: AmortisedSettings,
    stop: StopFlag,
    progress: Callable[[int, int], None] = lambda *_: None,
) -> BankSummary | None:
    """Make the chunks of a bank that are not there; return None where something asked to stop.

    Parameters
    ----------
    run, survey
        Settings, and the prepared survey file, whose shots are simulated.
    folder
        Folder of the bank; its own lease, ledger and files of workers are there too.
    settings
        Number of draws, and of draws in a chunk.
    stop
        Looked at between chunks: those that are done stay, the others are made next time.
    progress
        Told the number of chunks that are there, and of all.

    Raises
    ------
    ConfigError
        If the folder is of another bank, or the forward problem gives no data.
    LeaseError
        If another process fills it.
    SimulationError
        If workers cannot be had, or a chunk fails on every node.
    """
    bank = Bank(recipe_of(run, survey, folder, settings.draws, settings.draws_per_chunk))
    return fill_bank(bank, survey, stop, progress)


def fill_bank(
    bank: Bank,
    survey: Path,
    stop: StopFlag,
    progress: Callable[[int, int], None] = lambda *_: None,
) -> BankSummary | None:
    """Make the chunks that a bank lacks; None and errors as `sample_prior`."""
    begun, used = time.monotonic(), time.process_time()
    run, folder = bank.recipe.run, bank.recipe.folder
    bank.claim()
    paths = RunPaths(folder)
    with Lease(paths.lease):
        missing = bank.missing()
        chunks = bank.recipe.chunks
        reports: list[ChunkReport] = []

        def done(report: ChunkReport) -> None:
            reports.append(report)
            progress(chunks - len(missing) + len(reports), chunks)

        if missing:
            setup = simulation_setup(run, survey)
            setup = replace(setup, scratch=setup.scratch + 2 * BLOCK_BYTES)
            with workers_of(run, setup, paths, stop.asked) as simulator:
                _Collector(simulator, bank, done).run(missing, stop)
    if len(reports) < len(missing):
        return None
    failed = sum(len(chunk.failures) for chunk in bank.chunks())
    summary = BankSummary(
        draws=bank.recipe.draws,
        failed=failed,
        chunks=chunks,
        made=len(reports),
        seconds=time.monotonic() - begun,
        worker_seconds=sum(report.seconds for report in reports),
        controller_seconds=time.process_time() - used,
    )
    facts = {"fingerprint": bank.recipe.fingerprint, **asdict(summary)}
    write_text(folder / "bank.json", json.dumps(facts, indent=1) + "\n")
    return summary


class _Collector:
    """Sends chunks to the workers of a simulator, and takes their reports."""

    def __init__(
        self, simulator: DaskSimulator, bank: Bank, done: Callable[[ChunkReport], None]
    ) -> None:
        self.client, self.pool, self.ledger = simulator.client, simulator.pool, simulator.ledger
        self.done, self.faults = done, dict[tuple[int, str], int]()
        self.most = {"failed": simulator.execution.retries, "lost": MAX_LOSSES}
        self.sent = cloudpickle.dumps(bank.recipe)

    def run(self, missing: list[int], stop: StopFlag) -> None:
        """Make chunks, until all are there or something asks to stop."""
        asked = {index: self._submit(index) for index in missing}
        while asked and not stop:
            ready = [index for index, future in asked.items() if future.done()]
            for index in ready:
                if self._take(index, asked[index]):
                    del asked[index]
                else:
                    asked[index] = self._submit(index)
            if self.pool.due:
                self.pool.refresh()
            if not ready:
                time.sleep(TICK_S)
        with suppress(OSError, TimeoutError):
            self.client.cancel(list(asked.values()))

    def _submit(self, index: int) -> Any:
        return self.client.submit(
            make_chunk, self.sent, index, resources={RESOURCE: 1}, pure=False, priority=-index
        )

    def _take(self, index: int, future: Any) -> bool:
        """Take what became of a chunk; return False where it must be sent again.

        Raises
        ------
        SimulationError
            If that happened too often.
        """
        if future.status == "error" or future.cancelled():
            return self._again(index, "lost", f"it went with its worker ({future.status})")
        found: ChunkReport | Failure = future.result()
        if isinstance(found, Failure):
            cause = f"{found.kind} on {found.worker}: {found.message}"
            return self._again(index, "failed", cause)
        self._note(found)
        self.done(found)
        return True

    def _again(self, index: int, event: str, cause: str) -> bool:
        """Return False: a chunk that was lost, or failed on a node, is sent once more."""
        key = index, event
        self.faults[key] = self.faults.get(key, 0) + 1
        self.ledger.record(event, chunk=index, cause=cause)
        if self.faults[key] > self.most[event]:
            told = {"failed": "failed", "lost": "was lost"}[event]
            raise SimulationError(
                f"Chunk {index} of the prior's draws {told} {self.faults[key]} times and is "
                f"given up; the last time: {cause}"
            )
        return False

    def _note(self, report: ChunkReport) -> None:
        """Put the account of a chunk into the ledger."""
        self.pool.check_library(report.library)
        self.pool.saw(report.worker, report.starts)
        failed = retried = 0
        for draw, kind, message, final in report.failures:
            failed, retried = failed + 1, retried + (not final)
            told = {"kind": kind, "message": message, "worker": report.worker}
            self.ledger.record("failed", draw=draw, chunk=report.index, **told)
            self.ledger.record("given_up" if final else "retried", draw=draw)
        count = SimulationCount(report.done, failed, retried, report.seconds)
        self.ledger.add(count)
