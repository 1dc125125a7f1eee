"""One program run a simulation, in a new folder of its own, with a request and an answer.

The folder and the identity of a request are new every time, and the program must repeat the
identity in its answer: a file of an earlier simulation can never be taken for an answer.
"""

import json
import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pvi_hpc.errors import SolverError
from pvi_hpc.forward.external.results import BadResultError
from pvi_hpc.forward.external.solver import Result
from pvi_hpc.forward.setup import SimulationSetup

__all__ = ["PLACEHOLDERS", "CrashedError", "HangingError", "Program", "UnusableModelError"]

Array = NDArray[np.float64]

PLACEHOLDERS: Final = ("folder", "identity", "want", "shot", "threads", "launched_in")
#: Exit code of a program that cannot simulate a model: another try would fail as well.
EX_DATAERR: Final = 65
#: Longest pause between two looks at a running program [s].
LONGEST_PAUSE_S: Final = 0.05
#: Lines of the program's output that an error quotes.
LOG_LINES: Final = 15
#: Variables by which an MPI launcher recognises its ranks: the program is none of ours.
LAUNCHER: Final = ("PMI_", "PMIX_", "HYDI_", "HYDRA_", "MPIR_", "OMPI_", "PRTE_")


class CrashedError(SolverError):
    """A program was ended by a signal."""

    failure = "crash"


class HangingError(SolverError):
    """A program did not end within its time limit."""

    failure = "hang"


class UnusableModelError(SolverError):
    """A program said that it cannot simulate a model."""

    failure = "bad_model"


class Program:
    """Runs a program for every simulation; a `Simulation`.

    Parameters
    ----------
    command
        Program and arguments, with placeholders.
    setup
        Grid, threads, and the folder that the run was started in.
    folder
        Place for the folders of simulations.
    time_limit_s
        Longest duration of one simulation [s]; None: no limit of our own.
    """

    def __init__(
        self,
        command: Sequence[str],
        setup: SimulationSetup,
        folder: Path,
        time_limit_s: float | None,
    ) -> None:
        self.command, self.setup, self.folder = command, setup, folder
        self.time_limit_s = time_limit_s
        self._running: subprocess.Popen[bytes] | None = None

    def run(self, model: Array, shot: int, *, gradient: bool) -> Result:
        """Run the program once; errors as it fails.

        Raises
        ------
        CrashedError, HangingError, UnusableModelError
            If it was killed, took too long, or exited with 65.
        BadResultError
            If its answer is missing, damaged, or that of another request.
        SolverError
            If it exited with any other code than 0.
        """
        returns_data = self.setup.physics["options"]["returns"] == "data"
        if not returns_data:
            answer, arrays = self._ask(model, shot, "gradient" if gradient else "misfit")
            return Result(_value(answer, self.setup), arrays.get("gradient"))
        _, arrays = self._ask(model, shot, "data")
        data = arrays["data"]

        def pull(derivative: Array) -> Array:
            adjoint_source = derivative.reshape(data.shape)
            return self._ask(model, shot, "gradient", adjoint_source)[1]["gradient"]

        return Result(data, pull if gradient else None)

    def close(self) -> None:
        """End the program, if it runs, and all processes of its session."""
        running, self._running = self._running, None
        if running is not None:
            # The session's first process is not reaped yet: its number is nobody else's.
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(running.pid, signal.SIGKILL)
            running.wait()

    def _ask(
        self, model: Array, shot: int, want: str, adjoint_source: Array | None = None
    ) -> tuple[dict[str, Any], dict[str, Array]]:
        """Write a request, run the program, and return its answer and its arrays."""
        identity = secrets.token_hex(16)
        folder = self.folder / f"simulation-{identity[:12]}"
        folder.mkdir(mode=0o700)
        try:
            np.save(folder / "model.npy", model)
            if adjoint_source is not None:
                np.save(folder / "adjoint_source.npy", adjoint_source)
            grid = self.setup.grid
            request = {
                "version": 1,
                "identity": identity,
                "want": want,
                "shot": shot,
                "threads": self.setup.threads,
                "shape": grid.shape,
                "spacing_m": grid.spacing,
                "origin_m": grid.origin,
            }
            (folder / "request.json").write_text(json.dumps(request))
            self._execute(folder, identity, want, shot)
            wanted = {"data": ["data"], "gradient": ["gradient"], "misfit": []}[want]
            answer = _read_answer(folder, identity)
            return answer, {name: _read_array(folder / f"{name}.npy") for name in wanted}
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _execute(self, folder: Path, identity: str, want: str, shot: int) -> None:
        filled = {
            "folder": str(folder),
            "identity": identity,
            "want": want,
            "shot": shot,
            "threads": self.setup.threads,
            "launched_in": self.setup.place["launched_in"],
        }
        words = [word.format(**filled) for word in self.command]
        log = folder / "output.log"
        with log.open("wb") as output:
            try:
                process = subprocess.Popen(
                    [self.setup.place["program"], *words[1:]],
                    cwd=folder,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env=_environment(self.setup.threads),
                    start_new_session=True,
                )
            except OSError as error:
                raise SolverError(f"The program cannot be started: {error}") from error
        self._running = process
        in_time = _wait(process, self.time_limit_s)
        self.close()
        if not in_time:
            raise HangingError(
                f"The program did not end within 'forward.time_limit_s: {self.time_limit_s:g}'"
                f"; killed.{_last_lines(log)}"
            )
        _refuse(process.returncode, log)


def _refuse(code: int, log: Path) -> None:
    """Raise what an exit code other than 0 means."""
    if code < 0:
        name = signal.Signals(-code).name
        raise CrashedError(f"The program was ended by {name}.{_last_lines(log)}")
    if code == EX_DATAERR:
        raise UnusableModelError(
            f"The program exited with {code}: it cannot simulate this model.{_last_lines(log)}"
        )
    if code:
        raise SolverError(f"The program exited with {code}.{_last_lines(log)}")


def _read_answer(folder: Path, identity: str) -> dict[str, Any]:
    """Return `answer.json` if it belongs to the request."""
    path = folder / "answer.json"
    try:
        answer = json.loads(path.read_text())
        found = answer["identity"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadResultError(
            f"The program exited with 0 but its 'answer.json' cannot be used "
            f"({type(error).__name__}: {error}); it must hold 'identity'."
            f"{_last_lines(folder / 'output.log')}"
        ) from error
    if found != identity:
        raise BadResultError(
            f"'answer.json' has identity {found!r}, the request {identity!r}: it is the answer "
            "to another request; copy the identity of every request."
        )
    return dict(answer)


def _read_array(path: Path) -> Array:
    try:
        array: Array = np.asarray(np.load(path, allow_pickle=False), dtype=np.float64)
    except (OSError, ValueError, EOFError, TypeError) as error:
        raise BadResultError(f"The program's '{path.name}' cannot be read: {error}") from error
    return array


def _value(answer: dict[str, Any], setup: SimulationSetup) -> Any:
    """Return the number that the program was asked for."""
    name = setup.physics["options"]["returns"]
    if name not in answer:
        raise BadResultError(
            f"'answer.json' must hold '{name}', got {sorted(answer)}; write it."
        )
    return answer[name]


def _environment(threads: int) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(LAUNCHER)}
    return {**kept, "OMP_NUM_THREADS": str(threads)}


def _wait(process: "subprocess.Popen[bytes]", limit_s: float | None) -> bool:
    """Wait until a program ends, without reaping it; tell whether it ended in time."""
    start, pause = time.monotonic(), 1e-3
    how = os.WEXITED | os.WNOHANG | os.WNOWAIT
    while os.waitid(os.P_PID, process.pid, how) is None:
        if limit_s is not None and time.monotonic() - start > limit_s:
            return False
        time.sleep(pause)
        pause = min(1.2 * pause, LONGEST_PAUSE_S)
    return True


def _last_lines(log: Path) -> str:
    try:
        lines = log.read_text(errors="replace").splitlines()
    except OSError:
        return ""
    lines = [line for line in lines if line.strip()][-LOG_LINES:]
    return "".join(f"\n  {line}" for line in lines)
