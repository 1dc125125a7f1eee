"""The MPI ranks of a worker.

Started as `mpiexec -n R python -m mpi4py -m pvi_hpc.execution.gang.ranks DIR`.

Started once, it serves one request after another with the same solver. Rank 0 talks to the
worker; the others sleep between requests instead of polling a core warm.
"""

import json
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from mpi4py import MPI
from numpy.typing import NDArray

from pvi_hpc.errors import PviError, SolverError
from pvi_hpc.execution.gang.channel import Channel, Message
from pvi_hpc.execution.gang.processes import leave_to_controller, watch_owner
from pvi_hpc.execution.gang.scratch import SEGMENTS
from pvi_hpc.execution.identity import model_hash, task_identity
from pvi_hpc.forward.problem import ShotResult, Solver, plugin_of
from pvi_hpc.forward.setup import SimulationSetup
from pvi_hpc.forward.solver_capabilities import ProductSolver, WeighsGroups, answer_of

__all__ = ["SolverFactory", "main"]

SolverFactory = Callable[[SimulationSetup, Path, MPI.Comm], Solver]
LONGEST_SLEEP_S: Final = 1e-3
#: Folder of the solver in the folder of the gang.
SOLVER_FOLDER: Final = "solver"


def make_solver_of(setup: SimulationSetup, folder: Path, comm: MPI.Comm) -> Solver:
    """Return the solver of the forward problem that the setup names."""
    return plugin_of(setup.kind).solver(setup, folder, comm)


def main(make_solver: SolverFactory = make_solver_of) -> None:
    """Serve the worker that made the folder until it says stop."""
    watch_owner()
    leave_to_controller()
    comm, folder = MPI.COMM_WORLD, Path(sys.argv[1])
    if comm.rank > 0:
        _serve(comm, folder, None, make_solver)
        return
    (folder / SEGMENTS).write_text("\n".join(_shared_memory()))
    with Channel.connect(folder / "socket") as channel:
        _serve(comm, folder, channel, make_solver)


def _serve(
    comm: MPI.Comm, folder: Path, channel: Channel | None, make_solver: SolverFactory
) -> None:
    try:
        gang = Gang(comm, folder, make_solver)
    except PviError as error:
        if channel:
            channel.send({"error": "start", "message": str(error)})
        return
    if channel:
        hello = {"ranks": comm.size, "library": library_hash(), "storage": gang.solver.storage}
        channel.send(hello)
    while (request := _next_request(comm, channel)) is not None:
        answer = gang.answer(request)
        if channel:
            channel.send(answer)
    gang.solver.close()


class Gang:
    """One solver on all ranks, and the model it holds."""

    def __init__(self, comm: MPI.Comm, folder: Path, make_solver: SolverFactory) -> None:
        self.comm, self.folder = comm, folder
        # The folder is on the worker's node; other ranks may be elsewhere.
        text = (folder / "setup.json").read_text() if comm.rank == 0 else ""
        self.setup = SimulationSetup.from_json(comm.bcast(text))
        self.fingerprint = self.setup.fingerprint()
        own = folder / SOLVER_FOLDER
        if comm.rank == 0:
            own.mkdir()
        self.solver = make_solver(self.setup, own, comm)
        self.model = ""

    def answer(self, request: Message) -> Message:
        """Do what the worker asks; errors of any rank become an answer, not an exception."""
        if "count" in request:
            return self._answer_models(request)
        start = time.perf_counter()
        wanted = request["shots"], request["want"], request["keys"]

        def simulate() -> ShotResult:
            self._weigh(request["precisions"])
            return answer_of(self.solver, *wanted)

        kind, message, result = self._try(lambda: self._use(request["model"]), simulate)
        if message:
            return {"error": kind, "message": message}
        try:
            answer = self._save(result) if self.comm.rank == 0 else {}
        except OSError as error:
            return self._no_room(error)
        identity = task_identity(
            self.model,
            request["shots"],
            self.fingerprint,
            request["want"],
            request["keys"],
            request["precisions"],
        )
        return {**answer, "identity": identity, "seconds": time.perf_counter() - start}

    def _answer_models(self, request: Message) -> Message:
        """Simulate the data of several models; one that fails leaves the others alone."""
        start, shots = time.perf_counter(), request["shots"]
        models = None
        if self.comm.rank == 0:
            path = self.folder / f"model-{request['model']}.npy"
            models = np.load(path, allow_pickle=False)
        rows: list[Any] = []
        failures: list[tuple[int, str, str]] = []
        for i in range(request["count"]):
            model = None if models is None else models[i]
            kind, message, result = self._try(
                partial(self._set, model), lambda: answer_of(self.solver, shots, "traces", [])
            )
            if message:
                failures.append((i, kind, message))
            elif self.comm.rank == 0:
                rows.append(np.concatenate([traces.ravel() for traces in result.traces]))
        self.model = ""
        if models is None:
            return {}
        try:
            np.save(self.folder / "traces-0.npy", np.array(rows, dtype=np.float32))
        except OSError as error:
            return self._no_room(error)
        told = model_hash(models), shots, self.fingerprint, "traces", [request["count"]]
        return {
            "failures": failures,
            "identity": task_identity(*told),
            "seconds": time.perf_counter() - start,
        }

    def _try(
        self, load: Callable[[], None], simulate: Callable[[], ShotResult]
    ) -> tuple[str, str, ShotResult]:
        """Return the result, and kind and message of the first failure of any rank, if any."""
        kind, message, result = "", "", ShotResult()
        try:
            kind = "bad_model"
            load()
            kind = "solver_error"
            result = simulate()
        except PviError as error:
            if kind != "bad_model":
                kind = getattr(error, "failure", kind)
            message = str(error)
            self.model = "" if kind == "bad_model" else self.model
        failed = [f for f in self.comm.allgather((kind, message)) if f[1]]
        return (*failed[0], ShotResult()) if failed else ("", "", result)

    def _no_room(self, error: OSError) -> Message:
        """Return the answer of a gang without room: the next one takes another folder."""
        message = f"The answer does not fit into '{self.folder}': {error}."
        return {"error": "start", "message": message}

    def _weigh(self, precisions: list[float]) -> None:
        """Give the solver the precisions of the groups of data; most requests have none."""
        if isinstance(self.solver, WeighsGroups):
            self.solver.set_precisions(precisions)
        elif precisions:
            raise SolverError(f"'forward.kind: {self.setup.kind}' cannot weigh groups of data.")

    def _use(self, name: str) -> None:
        """Load a model, unless the solver holds it already; `name` is its hash.

        With a direction, where products are wanted, it is the pair of both `(2, nz, ny, nx)`.
        """
        if name == self.model:
            return
        found, loaded = None, ""
        if self.comm.rank == 0:
            found = np.load(self.folder / f"model-{name}.npy", allow_pickle=False)
            loaded = model_hash(found)
        self._set(found)
        self.model = self.comm.bcast(loaded)

    def _set(self, model: NDArray[np.float32] | None) -> None:
        """Give all ranks what rank 0 has: a model, or the pair of it and a direction."""
        shape = self.comm.bcast(None if model is None else model.shape)
        both = np.empty(shape, np.float32)
        if model is not None:
            both[...] = model
        self.comm.Bcast(both)
        velocity, *directions = both.reshape(-1, *self.setup.grid.shape)
        self.solver.set_model(velocity)
        for direction in directions:
            self._direct(direction)

    def _direct(self, direction: NDArray[np.float32]) -> None:
        """Give the solver the direction of its products."""
        if not isinstance(self.solver, ProductSolver):
            raise SolverError(f"'forward.kind: {self.setup.kind}' has no products.")
        self.solver.set_direction(direction)

    def _save(self, result: ShotResult) -> dict[str, Any]:
        if result.gradient is not None:
            np.save(self.folder / "gradient.npy", result.gradient)
        for i, traces in enumerate(result.traces):
            np.save(self.folder / f"traces-{i}.npy", traces)
        return {"misfit": result.misfit, "squares": list(result.squares)}


def _next_request(comm: MPI.Comm, channel: Channel | None) -> Message | None:
    """Wait, asleep, for what the worker sends; None: it wants us to end."""
    data = b""
    if channel:
        data = json.dumps(channel.receive()).encode()
    size = np.array([len(data)])
    _sleep_until_done(comm.Ibcast(size))
    buffer = np.frombuffer(data, np.uint8).copy() if channel else np.empty(size[0], np.uint8)
    comm.Bcast(buffer)
    request: Message | None = json.loads(buffer.tobytes())
    return request


def _sleep_until_done(request: MPI.Request) -> None:
    pause = 2e-5
    while not request.Test():
        time.sleep(pause)
        pause = min(LONGEST_SLEEP_S, 1.2 * pause)


def _shared_memory() -> set[str]:
    """Return the files through which the ranks of this node share memory."""
    maps = Path("/proc/self/maps").read_text().splitlines()
    names = (line.split(maxsplit=5)[-1] for line in maps if "/dev/shm/mpich" in line)
    return {name for name in names if not name.endswith("(deleted)")}


def library_hash() -> str:
    """Return the hash of the sources of the native libraries, which are of one build."""
    from pvi_hpc.forward.acoustic.library import load

    return load("float32", 8).source_hash()


if __name__ == "__main__":
    main()
