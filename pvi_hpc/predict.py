"""Data simulated from the posterior against the data observed, and the final ELBO."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pvi_hpc.store.predictive import Misfits, PredictedShot, Predictive
from pvi_hpc.survey import Shot, Survey

__all__ = ["SimulateModels", "predict"]

Traces = NDArray[np.float32]
#: Models `(n, nz, ny, nx)` [m/s] and shots to `[model][shot] (n_rec, n_samples)`.
SimulateModels = Callable[[NDArray[np.float32], Sequence[int]], list[list[Traces]]]

#: Shots whose traces are kept.
N_KEPT = 3


@dataclass(frozen=True)
class Models:
    """What is simulated: the start, the posterior mean and draws `(n, nz, ny, nx)` [m/s]."""

    start: NDArray[np.float32]
    mean: NDArray[np.float32]
    draws: NDArray[np.float32]


def predict(
    survey: Survey, simulate: SimulateModels, models: Models, shown: int | None
) -> Predictive:
    """Simulate all shots of all models, a shot at a time so that memory stays small.

    `shown` is the id of a shot whose traces must be kept, besides the first and middle ones.
    """
    batch = np.concatenate([models.start[None], models.mean[None], models.draws])
    kept = _kept(survey, shown)
    misfits, shots = [], []
    for index, shot in enumerate(survey.shots):
        traces = [of_model[0] for of_model in simulate(batch, [index])]
        misfits.append([_chi_squared(t, shot) for t in traces])
        if index in kept:
            shots.append(_kept_shot(shot, traces))
    table = np.array(misfits, dtype=np.float64).T
    n_data = [int(np.isfinite(s.noise_sd).sum()) * survey.n_samples for s in survey.shots]
    return Predictive(
        shots=tuple(shots),
        misfits=Misfits(
            ids=np.array([s.id for s in survey.shots]),
            n_data=np.array(n_data),
            start=table[0],
            mean=table[1],
            draws=table[2:],
        ),
        dt=survey.dt,
    )


def _kept(survey: Survey, shown: int | None) -> set[int]:
    n = len(survey.shots)
    ids = [shot.id for shot in survey.shots]
    wanted = {ids.index(shown)} if shown in ids else set()
    return {*wanted, *range(0, n, max(1, -(-n // N_KEPT))), n // 2}


def _chi_squared(simulated: Traces, shot: Shot) -> float:
    used = np.isfinite(shot.noise_sd)
    residual = simulated[used].astype(np.float64) - shot.data[used]
    scaled = residual / shot.noise_sd[used, None]
    return float(np.mean(scaled**2)) if used.any() else 0.0


def _kept_shot(shot: Shot, traces: Sequence[Traces]) -> PredictedShot:
    return PredictedShot(
        id=shot.id,
        source=shot.source,
        receivers=shot.receivers,
        noise_sd=shot.noise_sd,
        observed=shot.data,
        start=traces[0],
        mean=traces[1],
        draws=np.stack(traces[2:]),
    )
