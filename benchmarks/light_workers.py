"""Many Dask workers in few processes, each with a gang that waits instead of simulating.

Started by benchmarks/scheduling.py:  python benchmarks/light_workers.py ADDRESS N DURATION_S
Only the solver is replaced: workers, tasks, sums and transfers are those of a run.
"""

import asyncio
import functools
import logging
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any

import dask
import numpy as np
from distributed import Client, LocalCluster, Worker
from numpy.typing import NDArray

from pvi_hpc.execution.executor import RESOURCE, SCHEDULER_SETTINGS
from pvi_hpc.execution.gang import worker_plugin as plugin
from pvi_hpc.execution.gang.process import Answer
from pvi_hpc.execution.gang.processes import signal_on_parent_death
from pvi_hpc.forward.problem import ShotResult

__all__ = ["LightExecutor"]

#: Workers that share a process.
TOGETHER = 32


class WaitingGang:
    """Takes `duration_s` a shot and returns a gradient of the right size."""

    duration_s = 1.0

    def __init__(self, setup: Any, settings: Any) -> None:
        self.shape, self.starts = setup.grid.shape, 1

    def simulate(
        self, name: str, model: NDArray[Any], shots: Sequence[int], want: str, identity: str
    ) -> Answer:
        """Wait as long as the simulation of the shots would take."""
        seconds = self.duration_s * len(shots)
        time.sleep(seconds)
        return Answer(ShotResult(float(len(shots)), gradient(self.shape)), seconds, "waiting")

    def close(self) -> None:
        """Nothing to end."""


@functools.cache
def gradient(shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Return one array for all workers of a process: 256 of them would not fit here."""
    return np.random.default_rng(1).standard_normal(shape)


class LightExecutor:
    """The scheduler in this process, as in a run; workers in the fewest other processes."""

    patience_s = 120.0
    walltime_s = math.inf

    def __init__(self, duration_s: float) -> None:
        self.duration_s = duration_s
        self._hosts: list[subprocess.Popen[bytes]] = []
        self._cluster: Any = None
        self._client: Any = None

    def start(self, workers: int) -> Any:
        """Start the workers and wait for them."""
        with dask.config.set(SCHEDULER_SETTINGS):
            self._cluster = LocalCluster(
                n_workers=0,
                host="127.0.0.1",
                dashboard_address="127.0.0.1:0",
                silence_logs=logging.CRITICAL,
            )
            self._client = Client(self._cluster, set_as_default=False)
        for first in range(0, workers, TOGETHER):
            n = min(TOGETHER, workers - first)
            command = [self._cluster.scheduler_address, str(n), str(self.duration_s)]
            self._hosts.append(subprocess.Popen([sys.executable, __file__, *command]))
        self._client.wait_for_workers(workers, timeout=240)
        return self._client

    def scale(self, workers: int) -> None:
        """Keep what there is."""

    def check(self) -> None:
        """Pass: the workers are there or not."""

    def remaining_s(self, name: str) -> float:
        """Return infinity: nothing ends them."""
        return math.inf

    def close(self) -> None:
        """End the workers and the scheduler."""
        for host in self._hosts:
            host.kill()  # They leave signals to the controller, as workers do.
        for host in self._hosts:
            host.wait()
        if self._client is not None:
            self._client.close()
            self._cluster.close()


async def serve(address: str, n: int) -> None:
    """Run `n` workers until the process is ended."""
    with tempfile.TemporaryDirectory() as folder:
        async with AsyncExitStack() as stack:
            for _ in range(n):
                worker = Worker(
                    address,
                    nthreads=2,
                    resources={RESOURCE: 1},
                    memory_limit=0,
                    dashboard=False,
                    local_directory=folder,
                )
                await stack.enter_async_context(worker)
            await asyncio.Event().wait()


if __name__ == "__main__":
    signal_on_parent_death()
    WaitingGang.duration_s = float(sys.argv[3])
    logging.getLogger("distributed").setLevel(logging.WARNING)
    plugin.Gang = WaitingGang  # type: ignore[assignment,misc]
    with dask.config.set(SCHEDULER_SETTINGS):
        asyncio.run(serve(sys.argv[1], int(sys.argv[2])))
