"""Run a script on several ranks from a plain pytest."""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

MPIEXEC = Path(sys.prefix) / "bin" / "mpiexec"
Mpirun = Callable[..., Mapping[str, Any]]


@pytest.fixture
def mpirun(tmp_path: Path) -> Mpirun:
    """`mpirun(n_ranks, script, *arguments)`: the arrays rank 0 saved to its last argument.

    A rank that hangs fails the test after a minute.
    """
    if not MPIEXEC.exists():
        pytest.skip("no mpiexec in this environment")

    def run(n_ranks: int, script: str, *arguments: str) -> Mapping[str, Any]:
        output = tmp_path / f"{script}-{n_ranks}.npz"
        path = Path(__file__).parent / script
        python = [sys.executable, "-m", "mpi4py", str(path), *arguments, str(output)]
        environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        done = subprocess.run(
            [str(MPIEXEC), "-n", str(n_ranks), *python],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        with np.load(output) as arrays:
            return dict(arrays)

    return run
