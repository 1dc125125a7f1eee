"""Do ranks start, find each other and exchange halos, and does a lost worker come back?"""

import os
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pvi_hpc.errors import SimulationError
from pvi_hpc.execution.dask_simulator import DaskSimulator
from pvi_hpc.execution.failures import GangError
from pvi_hpc.execution.gang.gang import Gang, GangSettings
from pvi_hpc.execution.identity import model_hash, task_identity
from pvi_hpc.forward.simulator import BatchResult
from pvi_hpc.selftest.outcome import Outcome, failed, passed

__all__ = ["check_loss", "check_ranks"]

#: Largest relative rounding of a gradient in float32; a halo that is not exchanged changes
#: it by far more.
TOLERANCE: Final = 1e-3
MPI_REMEDY: Final = (
    "load the MPI that mpi4py was built with (prologue), or choose another 'launcher'; "
    "see docs/guide/clusters.md"
)


def check_ranks(simulator: DaskSimulator, models: NDArray[np.float32]) -> Iterator[Outcome]:
    """Compare gradients of whole gangs on the workers with those of one rank here."""
    ranks, shots = simulator.execution.ranks, range(4)
    what = f"{ranks} MPI ranks"
    start = time.monotonic()
    try:
        batch = simulator.misfit_and_gradient(models, [shots] * len(models))
    except SimulationError as error:
        yield failed(what, str(error), MPI_REMEDY)
        return
    seconds = time.monotonic() - start
    n = batch.count.done
    yield passed(
        what, f"{n} gradients in {seconds:.1f} s with starting, retried {batch.count.retried}"
    )
    try:
        alone = _alone(simulator, models[0], tuple(shots))
    except GangError as error:
        yield failed("halo exchange", f"no rank alone to compare with: {error}", MPI_REMEDY)
        return
    difference = np.linalg.norm(batch.gradients[0] - alone) / np.linalg.norm(alone)
    seen = f"gradient of {ranks} ranks on a worker and of 1 here differ by {difference:.1e}"
    if difference > TOLERANCE:
        yield failed("halo exchange", seen, "install the same build of the solver on all nodes")
        return
    yield passed("halo exchange", seen)


def check_loss(
    simulator: DaskSimulator, models: NDArray[np.float32], patience_s: float
) -> Iterator[Outcome]:
    """Kill one worker, go on, and wait for another one in its place."""
    what, shots = "lost worker", [range(4)] * len(models)
    client = simulator.client
    before = simulator.misfit_and_gradient(models, shots)
    old = client.run(os.getpid)
    victim = sorted(old)[0]
    client.run(_die_soon, workers=[victim])
    start = time.monotonic()
    try:
        while time.monotonic() - start < patience_s:
            after = simulator.misfit_and_gradient(models, shots)
            if not _same(before, after):
                yield failed(what, "gradients changed", "report it: this must not happen")
                return
            if _replaced(client, old, victim):
                seconds = time.monotonic() - start
                yield passed(what, f"killed, replaced after {seconds:.0f} s, same bits")
                return
            time.sleep(0.5)
    except SimulationError as error:
        yield failed(what, str(error), "see the logs of the worker jobs")
        return
    yield failed(
        what,
        f"not replaced within {patience_s:g} s",
        "look at the queue: is there room for another worker job, and a limit of jobs?",
    )


def _replaced(client: Any, old: dict[str, int], victim: str) -> bool:
    """Tell whether there are as many workers as before, without the one that was killed."""
    now = client.run(os.getpid, on_error="ignore")
    return len(now) == len(old) and now.get(victim) != old[victim]


def _alone(
    simulator: DaskSimulator, model: NDArray[np.float32], shots: tuple[int, ...]
) -> NDArray[np.float64]:
    """Return the gradient that one rank on this machine computes."""
    setup = simulator.setup
    name = model_hash(model)
    identity = task_identity(name, shots, setup.fingerprint(), "gradient")
    gang = Gang(setup, GangSettings(ranks=1, timeout_s=simulator.execution.timeout_s))
    try:
        answer = gang.simulate(name, model, shots, "gradient", identity)
    finally:
        gang.close()
    assert answer.result.gradient is not None
    return answer.result.gradient


def _same(a: BatchResult, b: BatchResult) -> bool:
    return np.array_equal(a.misfits, b.misfits) and np.array_equal(a.gradients, b.gradients)


def _die_soon() -> None:
    # After the answer to this call is on its way.
    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGKILL)).start()
