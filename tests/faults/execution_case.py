"""A tiny survey, a setup for it and models, shared by the tests of the execution."""

from pathlib import Path

import numpy as np

from pvi_hpc.data.survey import Shot, Survey, Wavelet
from pvi_hpc.data.survey_file import file_hash, write_survey
from pvi_hpc.execution.settings import ExecutionSettings
from pvi_hpc.forward.acoustic.plugin import AcousticProblem
from pvi_hpc.forward.acoustic.setup import AcousticSetup
from pvi_hpc.forward.acoustic.solver_settings import SolverSettings
from pvi_hpc.grid import Grid

GRID = Grid((12, 14, 16), (10.0, 10.0, 10.0), (0.0, 100.0, 200.0))
N_SAMPLES = 21
STEPS = 2
DT = 0.002


def make_survey(n_shots=6):
    rng = np.random.default_rng(3)
    t = np.arange(N_SAMPLES) * DT - 0.016
    a = (np.pi * 25.0 * t) ** 2
    shots = []
    for i in range(n_shots):
        receivers = np.array([[20.0, 110.0 + 20 * k, 215.0 + 10 * k] for k in range(5)])
        data = rng.standard_normal((5, N_SAMPLES)).astype(np.float32)
        sd = np.array([1.0, 2.0, np.inf, 0.5, 1.0])
        source = np.array([30.0, 120.0 + 10 * i, 230.0 + 15 * i])
        shots.append(Shot(i + 1, source, receivers, data, sd))
    return Survey(tuple(shots), Wavelet(1e3 * (1 - 2 * a) * np.exp(-a), DT), DT, N_SAMPLES)


def make_setup(folder: Path, precision="float32"):
    path = folder / "survey.h5"
    if not path.exists():
        write_survey(make_survey(), path)
    solver = SolverSettings(
        shape=GRID.shape,
        spacing=GRID.spacing,
        dt=DT / STEPS,
        pml_velocity=2500.0,
        pml_frequency=25.0,
        n_pml=6,
        free_surface=True,
        dtype=precision,
    )
    setup = AcousticSetup(GRID, solver, (N_SAMPLES - 1) * STEPS + 1, STEPS)
    return setup.to_setup(str(path), file_hash(path))


def make_solver(setup, folder: Path):
    """Return the solver of a setup in this process."""
    return AcousticProblem.solver(setup, folder, None)


def make_models(n):
    rng = np.random.default_rng(5)
    return (2000 + 200 * rng.random((n, *GRID.shape))).astype(np.float32)


def make_execution(**changes):
    settings = {"workers": 2, "shots_per_task": 2, "timeout_s": 20.0}
    return ExecutionSettings(**{**settings, **changes})
