"""Data simulated from the posterior against the data observed, and the final ELBO."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pvi_hpc.data.survey import Shot, Survey
from pvi_hpc.store.predictive_file import Misfits, PredictedShot, Predictive

__all__ = ["Models", "Once", "ShotSimulator", "log_likelihoods", "predict"]

Traces = NDArray[np.float32]
Step = Callable[[], Mapping[str, NDArray[Any]]]
#: Name of a step and the step to its result: done now, or kept since an earlier try.
Once = Callable[[str, Step], Mapping[str, NDArray[Any]]]

#: Number of shots whose traces are kept.
N_KEPT = 3


class ShotSimulator(Protocol):
    """Simulates shots of models `(n, nz, ny, nx)` [m/s], a list of shots each."""

    def simulate(
        self, models: NDArray[np.float32], shots: Sequence[Sequence[int]]
    ) -> list[list[Traces]]:
        """Return the data `(n_receivers, n_samples)` of each shot of each model."""
        ...

    def misfits(
        self, models: NDArray[np.float32], shots: Sequence[Sequence[int]]
    ) -> NDArray[np.float64]:
        """Return the misfit of each model, summed over its shots, `(n,)`."""
        ...


@dataclass(frozen=True)
class Models:
    """Models to simulate: the start, the posterior mean and draws `(n, nz, ny, nx)` [m/s]."""

    start: NDArray[np.float32]
    mean: NDArray[np.float32]
    draws: NDArray[np.float32]


def predict(
    survey: Survey, simulator: ShotSimulator, models: Models, shown: int | None, once: Once
) -> Predictive:
    """Simulate all shots of all models, a shot at a time so that memory stays small.

    A shot without data, of a forward problem that gives the misfit, counts as one datum whose
    chi-squared is twice its misfit.

    `shown` is the id of a shot whose traces must be kept, besides the first and middle ones.
    Each shot is a step of `once`.
    """
    batch = np.concatenate([models.start[None], models.mean[None], models.draws])
    kept = _kept(survey, shown)
    misfits, shots = [], []
    for index, shot in enumerate(survey.shots):
        step = partial(_predict_shot, simulator, batch, index, shot, index in kept)
        found = once(f"shot-{index}", step)
        misfits.append(found["chi_squared"])
        if "traces" in found:
            shots.append(_kept_shot(shot, found["traces"]))
    table = np.array(misfits, dtype=np.float64).T
    return Predictive(
        shots=tuple(shots),
        misfits=Misfits(
            ids=np.array([s.id for s in survey.shots]),
            n_data=_n_data(survey),
            start=table[0],
            mean=table[1],
            draws=table[2:],
        ),
        dt=survey.dt,
        of_data=survey.n_traces > 0,
    )


def log_likelihoods(
    survey: Survey,
    simulator: ShotSimulator,
    models: NDArray[np.float32],
    name: str,
    once: Once,
) -> NDArray[np.float64]:
    """Return the log likelihood of `models` `(n, nz, ny, nx)` by all shots, `(n,)`.

    Without its constant. Each shot is a step of `once`, named after `name`.
    """
    total = np.zeros(len(models))
    for index, (shot, n) in enumerate(zip(survey.shots, _n_data(survey), strict=True)):
        step = partial(_predict_shot, simulator, models, index, shot, False)
        total -= 0.5 * n * once(f"{name}-shot-{index}", step)["chi_squared"]
    return total


def _predict_shot(
    simulator: ShotSimulator, models: NDArray[np.float32], index: int, shot: Shot, keep: bool
) -> dict[str, NDArray[Any]]:
    """Return the misfits of models to one shot, and its traces if they are to be kept."""
    shots = [[index]] * len(models)
    if not len(shot.receivers):
        return {"chi_squared": 2 * simulator.misfits(models, shots)}
    traces = [of_model[0] for of_model in simulator.simulate(models, shots)]
    chi_squared = np.array([_chi_squared(t, shot) for t in traces])
    kept = {"traces": np.stack(traces)} if keep else {}
    return {"chi_squared": chi_squared, **kept}


def _n_data(survey: Survey) -> NDArray[np.int64]:
    used = [
        int(np.isfinite(shot.noise_sd).sum()) * survey.n_samples if len(shot.receivers) else 1
        for shot in survey.shots
    ]
    return np.array(used)


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


def _kept_shot(shot: Shot, traces: NDArray[Any]) -> PredictedShot:
    return PredictedShot(
        id=shot.id,
        source=shot.source,
        receivers=shot.receivers,
        noise_sd=shot.noise_sd,
        observed=shot.data,
        start=traces[0],
        mean=traces[1],
        draws=traces[2:],
    )
