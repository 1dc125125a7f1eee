"""A fault, and how it is inflicted on a chain."""

import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from allocated_chain import GridEngineChain, SlurmChain
from chain import Chain
from daemons import Cluster
from template import Template

__all__ = ["JOBS", "Fault", "Outcome", "Setting", "inflict", "together"]

Act = Callable[[Chain, int, random.Random], None]
#: Of worker jobs in the private batch systems.
JOBS: Mapping[str, Any] = {
    "slurm": {"queue": "normal", "memory": "500MB", "walltime": "00:30:00", "poll_s": 1},
    "sge": {
        "queue": "all.q",
        "memory": "500MB",
        "walltime": "00:30:00",
        "poll_s": 1,
        "parallel_environment": "smp",
    },
}
#: Chains inside one job of a batch system.
ALLOCATED: Mapping[str, type[Chain]] = {"slurm": SlurmChain, "sge": GridEngineChain}


@dataclass(frozen=True)
class Setting:
    """Batch system and executor of a chain: faults of the same setting may share one.

    `system` is the batch system of the job that holds all, for the executor `allocation`;
    `gang` what its gangs do (tests/faults/faulty_gang.py); `execution` and `job` are further
    settings of `execution` and `execution.cluster`. `apart` keeps a fault from the chains of
    others that it would spoil.
    """

    executor: str
    system: str = ""
    gang: str = "slow@0.2"
    execution: tuple[tuple[str, Any], ...] = ()
    job: tuple[tuple[str, Any], ...] = ()
    apart: str = ""

    @property
    def where(self) -> str:
        """Executor, and the batch system where that does not say it."""
        return f"{self.executor}/{self.system}" if self.system else self.executor

    @property
    def batch(self) -> str:
        """The batch system it needs; empty if none."""
        return self.system or (self.executor if self.executor in JOBS else "")

    def chain(self, template: Template, cluster: Cluster | None, folder: Path) -> Chain:
        """Return a chain in a new folder, not yet made."""
        execution = {"executor": self.executor, "workers": 2, **dict(self.execution)}
        if self.executor in JOBS:
            execution["cluster"] = {**JOBS[self.executor], **dict(self.job)}
        kind = ALLOCATED[self.system] if self.executor == "allocation" else Chain
        return kind(template, folder, cluster, self.gang, execution)


@dataclass(frozen=True)
class Fault:
    """A fault, on what, and how often the long and the short suite inflict it."""

    name: str
    setting: Setting
    act: Act
    long: int
    short: int = 1
    ranks: int = 1


@dataclass(frozen=True)
class Outcome:
    """One row of the table; `error` is empty where all went as it must.

    `lost` is the most iterations that a restart repeated, `gone_s` the longest time until
    nothing was left of an ended controller.
    """

    name: str
    where: str
    count: int
    lost: int
    gone_s: float
    seconds: float
    error: str = ""


def together(faults: Iterable[Fault]) -> list[list[Fault]]:
    """Return faults grouped by their setting: those that one chain can suffer in turn."""
    groups: dict[Setting, list[Fault]] = {}
    for fault in faults:
        groups.setdefault(fault.setting, []).append(fault)
    return list(groups.values())


def inflict(
    faults: Sequence[Fault],
    counts: Sequence[int],
    template: Template,
    cluster: Cluster | None,
    folder: Path,
) -> Outcome:
    """Inflict faults of one setting on a chain in a new folder, and say how it ended."""
    setting = faults[0].setting
    chain = setting.chain(template, cluster, folder)
    start, error = time.monotonic(), ""
    try:
        chain.make()
        for fault, count in zip(faults, counts, strict=True):
            fault.act(chain, count, random.Random(count))
        chain.finish()
    except (AssertionError, OSError, RuntimeError, subprocess.SubprocessError) as failure:
        error = str(failure)
        _end(chain)
    except BaseException:  # Somebody ends the suite.
        _end(chain)
        raise
    seconds = time.monotonic() - start
    lost = chain.record().lost
    if not error:
        shutil.rmtree(folder)
    name = ", ".join(fault.name for fault in faults)
    return Outcome(name, setting.where, sum(counts), lost, chain.gone_s, seconds, error)


def _end(chain: Chain) -> None:
    """End a chain that went wrong, so that the next one is alone."""
    for pid in chain.pids():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    if chain.cluster is not None:
        chain.cluster.cancel(*chain.cluster.jobs())
