"""A run whose function sums lines of cells, and one that fails or dies for some models."""

import os
from pathlib import Path

import numpy as np

__all__ = ["HereGang", "bank_run", "dies", "lines"]

SHAPE = (1, 3, 4)


def lines(model):
    """Return the sums of rows and columns of cells."""
    return np.concatenate([model[0].sum(axis=0), model[0].sum(axis=1)]) / 1000


def dies(model):
    """Return `lines`; fail where the first cell is slow, die where the last one is."""
    if model[0, 0, 0] < 1100:
        raise ValueError(f"too slow: {model[0, 0, 0]:.3f}")
    if model[0, 2, 3] < 1020:
        os._exit(3)
    return lines(model)


def bank_run(folder: Path, function: str = "lines", **changes):
    """Return the run; its data are those of a homogeneous model."""
    from run_example import make_run  # gangs import this module, and have no tests

    np.save(folder / "data.npy", lines(np.full(SHAPE, 1500.0)))
    forward = {
        "kind": "function",
        "function": f"bank_example:{function}",
        "directory": str(Path(__file__).parent),
        "gradient": "differences",
        "data": str(folder / "data.npy"),
        "noise_sd": 0.1,
    }
    prior = {"kind": "uniform", "depth_m": [0], "lower_m_s": [1000], "upper_m_s": [2000]}
    grid = {"shape": list(SHAPE), "spacing_m": 1.0}
    return make_run(survey=None, grid=grid, prior=prior, forward=forward, seed=5, **changes)


class HereGang:
    """A gang in this process; whoever asks it for models that end a process finds it dead."""

    starts = 1
    closed = False

    def __init__(self, function):
        self.function, self.requests = function, []

    def simulate_models(self, models, shots, fingerprint):
        from pvi_hpc.execution.failures import GangError
        from pvi_hpc.execution.gang.process import ModelsAnswer

        self.requests.append(len(models))
        if self.function is dies and (models[:, 0, 2, 3] < 1020).any():
            raise GangError("crash", "The gang ended with exit code 3.")
        rows, failures = [], []
        for i, model in enumerate(models):
            try:
                rows.append(self.function(model.astype(np.float64)))
            except ValueError as error:
                message = f"'bank_example:dies' raised ValueError: {error}"
                failures.append((i, "solver_error", message))
        data = np.array(rows, dtype=np.float32)
        return ModelsAnswer(data, tuple(failures), 0.001, "library")
