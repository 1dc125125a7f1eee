"""The gang of a worker: started on first use, and again after it failed."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from pvi_hpc.execution.failures import GangError
from pvi_hpc.execution.gang.process import Answer, GangProcess, ModelsAnswer
from pvi_hpc.execution.gang.settings import GangSettings
from pvi_hpc.execution.identity import model_hash, task_identity
from pvi_hpc.forward.problem import Want
from pvi_hpc.forward.setup import SimulationSetup

__all__ = ["Gang", "GangSettings"]


class Gang:
    """A gang of one worker, started on first use and again after it failed."""

    def __init__(self, setup: SimulationSetup, settings: GangSettings) -> None:
        self.setup, self.settings = setup, settings
        self.starts = 0
        self._running: GangProcess | None = None
        self._starting: GangProcess | None = None
        self._lock = threading.Lock()
        self._closed = False
        # Where a start failed for want of room in memory, the next one is on disk.
        self._in_memory = True

    def simulate(
        self,
        name: str,
        model: NDArray[np.float32],
        shots: Sequence[int],
        want: Want,
        identity: str,
        keys: Sequence[int] = (),
        precisions: Sequence[float] = (),
    ) -> Answer:
        """Simulate `shots` with the model whose hash is `name`; refuse any other `identity`.

        `keys` are those of noise, where its gradients are wanted; `precisions` those of the
        groups of data, empty: 1 for all.

        Raises
        ------
        GangError
            If it did not start, crashed, hung, refused or answered something unusable, or
            this node refused a file or a process. After a failed start, a crash or a hang
            nothing of it is left.
        """
        with self._used() as running:
            running.put_model(name, model)
            request = {
                "model": name,
                "shots": list(map(int, shots)),
                "want": want,
                "keys": list(map(int, keys)),
                "precisions": list(map(float, precisions)),
            }
            answer = running.ask(request, self.settings.timeout_s)
            return running.read(answer, len(shots), want, identity, len(keys))

    def simulate_models(
        self, models: NDArray[np.float32], shots: Sequence[int], fingerprint: str
    ) -> ModelsAnswer:
        """Return the data of several models `(B, nz, ny, nx)` in one request.

        A model that the solver refuses, or whose simulation fails, is named in the answer;
        the others have data. `fingerprint` is that of the setup. Errors as `simulate`.
        """
        name, count = model_hash(models), len(models)
        identity = task_identity(name, shots, fingerprint, "traces", [count])
        with self._used() as running:
            running.put_model(name, models)
            request = {"model": name, "shots": list(map(int, shots)), "count": count}
            answer = running.ask(request, self.settings.timeout_s)
            return running.read_models(answer, count, identity)

    @contextmanager
    def _used(self) -> Iterator[GangProcess]:
        """Yield the running gang; after an error that it does not outlive nothing is left."""
        with self._lock:
            try:
                yield self._ready()
            except GangError as error:
                if error.kind in ("crash", "hang", "wrong_result", "start"):
                    self._discard()
                self._in_memory &= error.kind != "start"
                raise
            except OSError as error:  # A full disk, say: Dask would take it for a lost worker.
                self._discard()
                self._in_memory = False
                raise GangError("start", f"{type(error).__name__}: {error}") from error

    @property
    def closed(self) -> bool:
        """True where the worker ends: a request that fails then tells nothing of its model."""
        return self._closed

    def close(self) -> None:
        """End the gang, also while a request is running; safe to call twice."""
        self._closed = True
        if self._lock.acquire(blocking=False):
            self._lock.release()
            if self._running is not None:
                self._running.say_goodbye()
        self._discard()

    def _ready(self) -> GangProcess:
        if self._closed:
            raise GangError("crash", "The worker is closing.")
        if self._running is None:
            return self._start()
        return self._running

    def _start(self) -> GangProcess:
        self.starts += 1
        starting = self._starting = GangProcess(
            self.setup, self.settings, in_memory=self._in_memory
        )
        try:
            if self._closed:  # Before `close` could see it.
                raise GangError("crash", "The worker is closing.")
            starting.greet()
            self._running = starting
        except BaseException:
            starting.kill()
            raise
        finally:
            self._starting = None
        return starting

    def _discard(self) -> None:
        running, self._running = self._running, None
        for process in (running, self._starting):
            if process is not None:
                process.kill()
