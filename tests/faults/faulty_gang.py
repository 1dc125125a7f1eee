"""A gang whose solver fails on purpose: `PVI_FAULT=kind@call`, counted in each gang.

With `PVI_FAULT_ONCE` (a folder) the fault comes once in all gangs that share the folder.
`PVI_FAULT_RANK` chooses the rank, 0 if not given. Kinds that change a result change it on
every rank, as a broken solver would.
"""

import ctypes
import os
import random
import time
from pathlib import Path
from typing import Any

import numpy as np

from pvi_hpc.errors import SolverError
from pvi_hpc.execution.gang import ranks as gang

KIND, _, CALL = os.environ.get("PVI_FAULT", "none@0").partition("@")
RANK = int(os.environ.get("PVI_FAULT_RANK", "0"))


def due(n_calls, rank):
    once = os.environ.get("PVI_FAULT_ONCE")
    if KIND in ("none", "slow") or n_calls < int(CALL):
        return False
    if once is None:
        return n_calls == int(CALL) or int(CALL) == 0
    try:
        (Path(once) / f"done-{rank}").touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


class HalfWriter:
    """Numpy, but for a file that it writes only half of, once."""

    def __getattr__(self, name):
        return getattr(np, name)

    def save(self, path, array):
        gang.np = np
        np.save(path, array)
        os.truncate(path, path.stat().st_size // 2)


class FaultySolver:
    def __init__(self, solver, comm):
        self.solver, self.comm, self.n_calls = solver, comm, 0
        self.faulty = False

    def set_model(self, velocity):
        self.solver.set_model(velocity)

    def forward(self, source, wavelet, receivers, **options):
        self.n_calls += 1
        self.faulty = due(self.n_calls, self.comm.rank)
        if self.faulty and self.comm.rank == RANK:
            self.die()
        if KIND == "slow":
            time.sleep(float(CALL) * (0.5 + random.random()))
        traces = self.solver.forward(source, wavelet, receivers, **options)
        if self.faulty and KIND == "error":
            raise SolverError("made to fail")
        return traces * np.nan if self.faulty and KIND == "nan" else traces

    def born(self, source, wavelet, receivers, direction, **options):
        self.n_calls += 1
        if due(self.n_calls, self.comm.rank) and self.comm.rank == RANK:
            self.die()
        return self.solver.born(source, wavelet, receivers, direction, **options)

    def gradient(self, adjoint_source):
        gradient = self.solver.gradient(adjoint_source)
        if gradient is not None and self.faulty and KIND == "shape":
            return gradient[:-1]
        if gradient is not None and self.faulty and KIND == "truncated":
            gang.np = HalfWriter()
        if gradient is not None and self.faulty and KIND == "nan_gradient":
            return gradient * np.nan
        return gradient

    def die(self):
        if KIND == "segfault":
            ctypes.string_at(0)
        elif KIND == "abort":
            os.abort()
        elif KIND == "exit":
            os._exit(3)
        elif KIND == "exception":
            raise RuntimeError("a bug")
        elif KIND == "hang":
            # PyDLL keeps the interpreter's lock: no thread of this rank can run meanwhile.
            ctypes.PyDLL(None).sleep(1000)
        elif KIND == "stale":
            gang.model_hash = lambda model: "0" * 32

    def close(self):
        self.solver.close()


def make_solver(setup, folder, comm):
    """Return the acoustic solver of the shots, its waves made to fail."""
    solver: Any = gang.make_solver_of(setup, folder, comm)
    solver.waves = FaultySolver(solver.waves, comm)
    return solver


if __name__ == "__main__":
    gang.main(make_solver)
