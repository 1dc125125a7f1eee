"""Measured error of the gradient of an approximate storage, relative to the exact one."""

from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pvi_hpc.forward.acoustic.acoustic_solver import AcousticSolver
from pvi_hpc.forward.acoustic.history.storage import Storage
from pvi_hpc.forward.acoustic.solver_settings import SolverSettings

__all__ = ["gradient_error"]

Array = NDArray[Any]
#: Most cells of an axis: the error depends on time steps and frequencies, not on size.
MOST_CELLS: Final = 32
#: Steps that the exact reference holds at a time; the others run again.
REFERENCE_SEGMENT: Final = 64
#: Contrast of the cells of the medium, and of the medium that made the data.
ROUGHNESS: Final = 0.05


def gradient_error(
    settings: SolverSettings, storage: Storage, wavelet: Array, speeds: tuple[float, float]
) -> float:
    """Return the relative error (L2) of a misfit's gradient with `storage`.

    The grid is the user's, cut to a few cells; the record is long enough for the slowest wave
    to leave it, or as long as the user's. Every cell differs from its neighbours by a few per
    cent, and so does the medium that made the data.

    Parameters
    ----------
    wavelet
        Source time function `(nt,)` of a whole run, sampled at the solver's time step.
    speeds
        Slowest and fastest speed [m/s] that models may have.
    """
    if storage.exact:
        return 0.0
    z, y, x = (min(n, MOST_CELLS) for n in settings.shape)
    small = replace(settings, shape=(z, y, x), threads=1)
    wavelet = wavelet[: _record(small, wavelet, speeds[0])]
    slots = -(-len(wavelet) // REFERENCE_SEGMENT)
    exact = Storage(segment=REFERENCE_SEGMENT, slots=slots)
    near = replace(storage, segment=None, slots=0, folder=None)
    gradients = [_gradient(small, kept, wavelet, speeds) for kept in (exact, near)]
    return float(np.linalg.norm(gradients[1] - gradients[0]) / np.linalg.norm(gradients[0]))


def _record(small: SolverSettings, wavelet: Array, slowest: float) -> int:
    """Return the samples until wavelet and slowest wave have passed twice."""
    size = np.abs(wavelet)
    end = int(np.flatnonzero(size > 1e-3 * size.max())[-1])
    across = float(np.linalg.norm(np.multiply(small.shape, small.spacing)))
    return min(len(wavelet), end + int(2 * across / (slowest * small.dt)) + 1)


def _gradient(
    small: SolverSettings, storage: Storage, wavelet: Array, speeds: tuple[float, float]
) -> NDArray[np.float64]:
    rng = np.random.default_rng(1)
    depth = np.linspace(*speeds, small.shape[0])[:, None, None]
    media = [
        np.clip(depth * rng.uniform(1 - ROUGHNESS, 1 + ROUGHNESS, small.shape), *speeds)
        for _ in range(2)
    ]
    extent = (np.array(small.shape) - 1) * small.spacing
    source = np.array([0.2, 0.45, 0.4]) * extent
    receivers = rng.uniform(0.15, 0.9, (12, 3)) * extent
    with AcousticSolver(small, storage=storage) as solver:
        solver.set_model(media[0])
        observed = solver.forward(source, wavelet, receivers)
        solver.set_model(media[1])
        simulated = solver.forward(source, wavelet, receivers, store=True)
        gradient = solver.gradient(simulated - observed)
    assert gradient is not None  # one rank, which is rank 0
    return gradient
