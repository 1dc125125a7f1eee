"""Data simulated from the posterior against the data observed, and the final ELBO."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pvi_hpc.answers.offset_bins import offset_bins
from pvi_hpc.data.survey import Shot, Survey
from pvi_hpc.forward.comparison import DataMisfit
from pvi_hpc.forward.grouping import Groups
from pvi_hpc.forward.weighting import Weighting, counts
from pvi_hpc.store.predictive_file import GroupMisfits, Misfits, PredictedShot, Predictive

__all__ = ["Likelihood", "Models", "Once", "ShotSimulator", "log_likelihoods", "predict"]

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
class Likelihood:
    """The weights of a survey's data, and the groups by which a fit is told.

    None: all samples of live traces count; there are no groups. `precisions` are those of the
    groups whose noise was inferred; empty: the noise is as given.
    """

    weighting: Weighting | None = None
    groups: Groups | None = None
    precisions: tuple[float, ...] = ()

    @classmethod
    def of(
        cls, survey: Survey, weighting: Weighting | None, precisions: tuple[float, ...] = ()
    ) -> "Likelihood":
        """Return the likelihood of a survey, with the groups of the noise or bins of offset."""
        groups = None if weighting is None else weighting.noise_groups
        if groups is None or groups.n == 1:
            groups = offset_bins(survey, weighting)
        return cls(weighting, groups, precisions)

    @property
    def misfit(self) -> DataMisfit:
        """The comparison of one shot."""
        return DataMisfit(self.weighting, self.precisions)

    @property
    def noise_factors(self) -> NDArray[np.float64]:
        """Factors on the noise sd of the groups, or one for all of them."""
        return np.asarray(1 / np.sqrt(np.array(self.precisions or (1.0,))))


@dataclass(frozen=True)
class Models:
    """Models to simulate: the start, the posterior mean and draws `(n, nz, ny, nx)` [m/s]."""

    start: NDArray[np.float32]
    mean: NDArray[np.float32]
    draws: NDArray[np.float32]


def predict(
    survey: Survey,
    simulator: ShotSimulator,
    models: Models,
    shown: int | None,
    once: Once,
    likelihood: Likelihood | None = None,
) -> Predictive:
    """Simulate all shots of all models, a shot at a time so that memory stays small.

    A shot without data, of a forward problem that gives the misfit, counts as one datum whose
    chi-squared is twice its misfit.

    `shown` is the id of a shot whose traces must be kept, besides the first and middle ones.
    Each shot is a step of `once`.
    """
    batch = np.concatenate([models.start[None], models.mean[None], models.draws])
    kept, told = _kept(survey, shown), likelihood or Likelihood()
    misfits, shots, sums = [], [], []
    for index, shot in enumerate(survey.shots):
        step = partial(_predict_shot, simulator, batch, index, shot, told, index in kept)
        found = once(f"shot-{index}", step)
        misfits.append(found["chi_squared"])
        if "sums" in found:
            sums.append(found["sums"])
        if "traces" in found:
            shots.append(_kept_shot(shot, found["traces"], told.weighting))
    table = np.array(misfits, dtype=np.float64).T
    return Predictive(
        shots=tuple(shots),
        misfits=Misfits(
            ids=np.array([s.id for s in survey.shots]),
            n_data=_n_data(survey, told.weighting),
            start=table[0],
            mean=table[1],
            draws=table[2:],
            n_squared=_n_squared(survey, told.weighting),
        ),
        dt=survey.dt,
        of_data=survey.n_traces > 0,
        groups=_group_misfits(survey, told, np.sum(sums, axis=0)) if sums else None,
    )


def log_likelihoods(
    survey: Survey,
    simulator: ShotSimulator,
    models: NDArray[np.float32],
    name: str,
    once: Once,
    likelihood: Likelihood | None = None,
) -> NDArray[np.float64]:
    """Return the log likelihood of `models` `(n, nz, ny, nx)` by all shots, `(n,)`.

    Without its constant. Each shot is a step of `once`, named after `name`.
    """
    total, told = np.zeros(len(models)), likelihood or Likelihood()
    n_data = _n_data(survey, told.weighting)
    for index, (shot, n) in enumerate(zip(survey.shots, n_data, strict=True)):
        step = partial(_predict_shot, simulator, models, index, shot, told, False)
        total -= 0.5 * n * once(f"{name}-shot-{index}", step)["chi_squared"]
    return total


def _predict_shot(
    simulator: ShotSimulator,
    models: NDArray[np.float32],
    index: int,
    shot: Shot,
    likelihood: Likelihood,
    keep: bool,
) -> dict[str, NDArray[Any]]:
    """Return the misfits of models to one shot, and its traces if they are to be kept.

    `sums` are the weighted squares of each model in each group, `(n_models, groups)`.
    """
    shots = [[index]] * len(models)
    if not len(shot.receivers):
        return {"chi_squared": 2 * simulator.misfits(models, shots)}
    traces = [of_model[0] for of_model in simulator.simulate(models, shots)]
    groups = likelihood.groups
    found = {"chi_squared": np.array([_chi_squared(t, shot, likelihood) for t in traces])}
    if groups is not None:
        squares = (_squares(t, shot, likelihood.misfit) for t in traces)
        found["sums"] = np.array([groups.sums(shot, each) for each in squares])
    return {**found, "traces": np.stack(traces)} if keep else found


def _n_data(survey: Survey, weighting: Weighting | None) -> NDArray[Any]:
    used = [
        counts(shot, survey.n_samples, weighting) if len(shot.receivers) else 1
        for shot in survey.shots
    ]
    return np.array(used)


def _n_squared(survey: Survey, weighting: Weighting | None) -> NDArray[np.float64] | None:
    if weighting is None:
        return None
    return np.array([weighting.weights(shot).n_squared for shot in survey.shots])


def _group_misfits(
    survey: Survey, likelihood: Likelihood, sums: NDArray[np.float64]
) -> GroupMisfits:
    """Return what the sums `(n_models, groups)` over all shots are by datum."""
    weighting = likelihood.weighting or Weighting(dt=survey.dt, n_samples=survey.n_samples)
    groups = likelihood.groups
    assert groups is not None  # there are no sums without
    n_data, n_squared = np.zeros(groups.n), np.zeros(groups.n)
    for shot in survey.shots:
        values = weighting.weights(shot).values
        n_data += groups.sums(shot, values)
        n_squared += groups.sums(shot, values**2)
    held = np.flatnonzero(n_data > 0)
    table = sums[:, held] / n_data[held]
    return GroupMisfits(
        names=tuple(groups.names[i] for i in held),
        n_data=n_data[held],
        n_squared=n_squared[held],
        start=table[0],
        mean=table[1],
        draws=table[2:],
        noise_factor=np.broadcast_to(likelihood.noise_factors, groups.n)[held],
    )


def _kept(survey: Survey, shown: int | None) -> set[int]:
    n = len(survey.shots)
    ids = [shot.id for shot in survey.shots]
    wanted = {ids.index(shown)} if shown in ids else set()
    return {*wanted, *range(0, n, max(1, -(-n // N_KEPT))), n // 2}


def _chi_squared(simulated: Traces, shot: Shot, likelihood: Likelihood) -> float:
    if likelihood.weighting is not None:
        n_data = likelihood.weighting.weights(shot).n_data
        return 2 * likelihood.misfit.compare(simulated, shot).misfit / (n_data or 1.0)
    used = np.isfinite(shot.noise_sd)
    residual = simulated[used].astype(np.float64) - shot.data[used]
    scaled = residual / shot.noise_sd[used, None]
    return float(np.mean(scaled**2)) if used.any() else 0.0


def _squares(simulated: Traces, shot: Shot, misfit: DataMisfit) -> NDArray[np.float64]:
    """Return the weighted squares of the residuals, in noise sds, `(n_rec, n_samples)`."""
    squares, factors = misfit.compare(simulated, shot).squares, misfit.factors(shot)
    return squares if factors is None else factors * squares


def _kept_shot(shot: Shot, traces: NDArray[Any], weighting: Weighting | None) -> PredictedShot:
    return PredictedShot(
        weights=None if weighting is None else weighting.weights(shot).values,
        id=shot.id,
        source=shot.source,
        receivers=shot.receivers,
        noise_sd=shot.noise_sd,
        observed=shot.data,
        start=traces[0],
        mean=traces[1],
        draws=traces[2:],
    )
