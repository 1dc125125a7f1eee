"""The processes of one gang, from the worker's side: start, talk, notice, kill."""

import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pvi_hpc.execution.failures import GangError
from pvi_hpc.execution.gang.channel import Channel, Message, listen
from pvi_hpc.execution.gang.launchers import gang_environment, launch_command, want_of_memory
from pvi_hpc.execution.gang.scratch import make_scratch, remove_scratch
from pvi_hpc.execution.gang.settings import GangSettings
from pvi_hpc.forward.problem import ShotResult, Want
from pvi_hpc.forward.setup import SimulationSetup

__all__ = ["Answer", "GangProcess", "ModelsAnswer"]

START_TIMEOUT_S: Final = 120.0
STOP_TIMEOUT_S: Final = 2.0
#: MPICH's forking launcher says what a rank died of after 2 s [s].
LAST_WORDS_S: Final = 4.0
LOG_LINES: Final = 15


@dataclass(frozen=True)
class Answer:
    """A result, what it cost and what made it."""

    result: ShotResult
    seconds: float
    library: str
    storage: str = ""


@dataclass(frozen=True)
class ModelsAnswer:
    """Data `(n_good, n_data)` float32 of those models that have them, in their order.

    `failures` are `(index, kind, message)` of the others; `seconds` is the time of all [s].
    """

    data: NDArray[np.float32]
    failures: tuple[tuple[int, str, str], ...]
    seconds: float
    library: str


class GangProcess:
    """The processes, the socket and the folder of a gang that has been started."""

    def __init__(
        self, setup: SimulationSetup, settings: GangSettings, *, in_memory: bool = True
    ) -> None:
        self.setup, self.settings = setup, settings
        self.channel: Channel | None = None
        self.library = self.storage = ""
        self._model: Path | None = None
        self.folder = make_scratch(setup.scratch, in_memory=in_memory)
        self.log = self.folder / "log"
        with ExitStack() as undo:
            undo.callback(remove_scratch, self.folder)
            (self.folder / "setup.json").write_text(setup.to_json())
            self._server = listen(self.folder / "socket")
            undo.callback(self._server.close)
            self._process = self._launch()
            undo.pop_all()

    def _launch(self) -> subprocess.Popen[bytes]:
        settings = self.settings
        with self.log.open("wb") as log:
            return subprocess.Popen(
                _command(self.folder, settings),
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=gang_environment(settings.launcher, settings.ranks, settings.threads),
                start_new_session=True,
            )

    def greet(self) -> None:
        """Wait until all ranks are there."""
        deadline = time.monotonic() + max(START_TIMEOUT_S, self.settings.timeout_s)
        self._server.settimeout(0.05)
        while self.channel is None:
            with suppress(TimeoutError):
                self.channel = Channel(self._server.accept()[0])
            if self._process.poll() is not None:
                raise self._crash()
            if time.monotonic() > deadline:
                raise self._failure("hang", "The gang did not start in time.")
        hello = self._receive(deadline)
        if hello["ranks"] != self.settings.ranks:
            raise self._failure(
                "start",
                f"Asked for {self.settings.ranks} ranks, got {hello['ranks']}: the launcher "
                f"'{_launch_command(self.settings)[0]}' does not belong to this MPI.",
            )
        self.library, self.storage = hello["library"], hello["storage"]

    def put_model(self, name: str, model: NDArray[np.float32]) -> None:
        """Write the model where the ranks find it, in place of the last one."""
        path = self.folder / f"model-{name}.npy"
        if path == self._model:
            return
        if self._model is not None:
            self._model.unlink(missing_ok=True)
        np.save(path, model)
        self._model = path

    def ask(self, request: Message, timeout: float) -> Message:
        """Send a request and wait for its answer."""
        assert self.channel is not None
        deadline = time.monotonic() + timeout
        try:
            self.channel.send(request)
        except OSError as error:
            raise self._crash() from error
        return self._receive(deadline)

    def read(
        self, answer: Message, n_shots: int, want: Want, identity: str, n_keys: int = 0
    ) -> Answer:
        """Fetch the arrays of an answer; they are used once."""
        self._refuse_other(answer, identity)
        gradient, traces = None, []
        if want in ("gradient", "noise", "product"):
            gradient = self._take("gradient.npy")
            several = (n_keys,) if want == "noise" else ()
            shape = (*several, *self.setup.grid.shape)
            if gradient.shape != shape or gradient.dtype != np.float64:
                raise self._failure(
                    "wrong_result",
                    f"The gradient has shape {gradient.shape} and type {gradient.dtype}, "
                    f"expected {shape} and float64.",
                )
        if want == "traces":
            traces = [self._take(f"traces-{i}.npy") for i in range(n_shots)]
        squares = tuple(map(float, answer["squares"]))
        result = ShotResult(float(answer["misfit"]), gradient, tuple(traces), squares)
        return Answer(result, answer["seconds"], self.library, self.storage)

    def read_models(self, answer: Message, count: int, identity: str) -> ModelsAnswer:
        """Fetch the data of an answer about `count` models; they are used once."""
        self._refuse_other(answer, identity)
        data = self._take("traces-0.npy")
        failures = tuple((int(i), kind, message) for i, kind, message in answer["failures"])
        if len(data) + len(failures) != count:
            raise self._failure(
                "wrong_result", f"The answer has data of {len(data)} models, not of {count}."
            )
        return ModelsAnswer(data, failures, answer["seconds"], self.library)

    def _refuse_other(self, answer: Message, identity: str) -> None:
        if answer["identity"] != identity:
            raise self._failure(
                "wrong_result",
                f"The result is of task {answer['identity']}, expected {identity}.",
            )

    def say_goodbye(self) -> None:
        """Let the ranks finalise, if they still listen."""
        if self.channel is not None:
            self.channel.close()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_TIMEOUT_S)

    def kill(self) -> None:
        """End all processes and remove the folder."""
        assert self._process.stdin is not None
        with suppress(OSError):
            self._process.stdin.close()  # The keeper takes it from here.
        try:
            self._process.wait(2 * STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()  # Then the ranks' own watch ends them.
            self._process.wait()
        self._server.close()
        if self.channel is not None:
            self.channel.close()
        remove_scratch(self.folder)

    def _take(self, name: str) -> NDArray[Any]:
        path = self.folder / name
        try:
            array: NDArray[Any] = np.load(path, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise self._failure("wrong_result", f"'{name}' cannot be read: {error}") from error
        path.unlink()
        return array

    def _receive(self, deadline: float) -> Message:
        assert self.channel is not None
        while not self.channel.ready(0.1):
            if self._process.poll() is not None:
                raise self._crash()
            if time.monotonic() > deadline:
                raise self._failure(
                    "hang", f"No answer within {self.settings.timeout_s:g} s; killed."
                )
        message = self.channel.receive()
        if message is None:
            raise self._crash()
        if "error" in message:
            raise GangError(message["error"], message["message"])
        return message

    def _crash(self) -> GangError:
        # The socket closes before mpiexec has collected the ranks' exit codes.
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(LAST_WORDS_S)
        code = self._process.poll()
        # Some launchers end with 0 whatever the ranks died of; their last words say it.
        how = f"with exit code {code}" if code else "by itself"
        return self._failure(
            "crash", f"The gang ended {how}.{want_of_memory(self.settings.ranks)}"
        )

    def _failure(self, kind: str, message: str) -> GangError:
        try:
            lines = self.log.read_text(errors="replace").splitlines()
        except OSError:
            lines = []
        lines = [x for x in lines if x.strip(" =")][-LOG_LINES:]
        return GangError(kind, "\n".join([message, *lines]))


def _command(folder: Path, settings: GangSettings) -> list[str]:
    keeper = [sys.executable, "-m", "pvi_hpc.execution.gang.keeper", str(folder)]
    launch = [*_launch_command(settings), "-n", str(settings.ranks)]
    return [
        *keeper,
        *launch,
        sys.executable,
        "-m",
        "mpi4py",
        "-m",
        settings.module,
        str(folder),
    ]


def _launch_command(settings: GangSettings) -> tuple[str, ...]:
    return settings.command or launch_command(settings.launcher)
