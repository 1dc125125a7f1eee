"""Data predicted by the posterior, against the data observed.

Traces are kept for a few shots, the misfit for all of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import h5py
import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc

from pvi_hpc.store.new_hdf5 import new_hdf5
from pvi_hpc.store.result_schema import ResultFileError, check_schema, stamp

__all__ = [
    "GroupMisfits",
    "Misfits",
    "PredictedShot",
    "Predictive",
    "read_predictive",
    "write_predictive",
]

SCHEMA: Final = "pvi_hpc.predictive"
SCHEMA_VERSION: Final = 1
TRACES: Final = ("source", "receivers", "noise_sd", "observed", "start", "mean", "draws")
GROUPED: Final = ("n_data", "n_squared", "start", "mean", "draws", "noise_factor")

Array = NDArray[np.float64]
Traces = NDArray[np.float32]


@dataclass(frozen=True)
class PredictedShot:
    """Recorded traces of one shot, and those that the models predict.

    Parameters
    ----------
    id
        Field record number.
    source, receivers
        Coordinates `(z, y, x)` [m], `(3,)` and `(n_rec, 3)`.
    noise_sd
        Noise sd of each trace `(n_rec,)`, in units of the data; `inf`: not used.
    observed, start, mean
        Observed data and synthetics of the starting and of the posterior mean model,
        `(n_rec, n_samples)` float32.
    draws
        Synthetics of posterior draws, `(n_draws, n_rec, n_samples)` float32.
    weights
        Weights of squared residuals, `(n_rec, n_samples)` or `(n_rec, 1)`; None: every sample
        of a trace with finite noise sd counts.
    """

    id: int
    source: Array
    receivers: Array
    noise_sd: Array
    observed: Traces
    start: Traces
    mean: Traces
    draws: Traces
    weights: Array | None = None


def _p_value(chi_squared: Array, n: float, n_squared: float) -> float:
    """Return the probability that noise alone gives more than `chi_squared` `(n_draws,)`.

    A sum of weighted squares has mean `n`, the sum of the weights, and variance `2 n_squared`;
    a scaled chi-squared distribution with both is taken for it (Satterthwaite 1946, Biometrics
    Bulletin 2, 110-114), which is exact where all weights are 0 or 1.
    """
    scale = n_squared / n
    return float(np.mean(chdtrc(n / scale, chi_squared * n / scale)))


@dataclass(frozen=True)
class GroupMisfits:
    """Reduced chi-squared of groups of data, over all shots.

    Parameters
    ----------
    names
        Names of the groups, such as "offset up to 250 m".
    n_data, n_squared
        Sums of the weights of the samples of a group, and of their squares, `(G,)`.
    start, mean, draws
        Reduced chi-squared of the starting and of the mean model `(G,)`, and of each posterior
        draw `(n_draws, G)`.
    noise_factor
        Factors on the noise sd that chi-squared is by, `(G,)`; 1 where it is as given.
    """

    names: tuple[str, ...]
    n_data: Array
    n_squared: Array
    start: Array
    mean: Array
    draws: Array
    noise_factor: Array

    @property
    def p_values(self) -> tuple[float, ...]:
        """Posterior predictive p-value of each group, as `Misfits.p_value`."""
        columns = zip(self.draws.T, self.n_data, self.n_squared, strict=True)
        return tuple(_p_value(*column) for column in columns)


@dataclass(frozen=True)
class Misfits:
    """Reduced chi-squared `sum(((simulated - observed) / noise_sd)**2) / n` of all shots.

    With weights, `sum(w ((simulated - observed) / noise_sd)**2) / sum(w)`.

    Parameters
    ----------
    ids
        Field record numbers, `(n_shots,)`.
    n_data
        Samples of traces with finite noise sd, or the sums of their weights, `(n_shots,)`.
    start, mean
        Reduced chi-squared of the starting and of the mean model, `(n_shots,)`.
    draws
        Reduced chi-squared of each posterior draw, `(n_draws, n_shots)`.
    n_squared
        Sums of the squared weights, `(n_shots,)`; None: all weights are 1.
    """

    ids: NDArray[np.int64]
    n_data: NDArray[np.int64] | Array
    start: Array
    mean: Array
    draws: Array
    n_squared: Array | None = None

    def total(self, which: str) -> Array:
        """Return the reduced chi-squared of all shots: `()`, or `(n_draws,)` of "draws"."""
        values: Array = getattr(self, which)
        return np.asarray(values @ self.n_data / self.n_data.sum())

    @property
    def spread(self) -> float:
        """Sd that noise alone gives the reduced chi-squared of all shots."""
        n = float(self.n_data.sum())
        squared = n if self.n_squared is None else float(self.n_squared.sum())
        return float(np.sqrt(2 * squared) / n)

    @property
    def p_value(self) -> float:
        """Posterior predictive p-value of chi-squared.

        The probability that new data of a posterior draw fit that draw worse than the
        observed data do [1]_. With Gaussian noise the chi-squared of new data is exactly
        chi-squared distributed, so nothing is simulated. It assumes independent noise, and
        with 1e6 data it is 0 or 1 as soon as the reduced value is 0.3 % off 1.

        References
        ----------
        .. [1] Gelman, Meng & Stern (1996), Statistica Sinica 6, 733-807.
        """
        n = float(self.n_data.sum())
        n_squared = n if self.n_squared is None else float(self.n_squared.sum())
        return _p_value(self.total("draws"), n, n_squared)


@dataclass(frozen=True)
class Predictive:
    """Traces of chosen shots, misfits of all; `dt` is the sampling interval [s].

    Without data (`of_data` False) each shot counts as one datum, and chi-squared is twice the
    misfit that the forward problem gives.
    """

    shots: tuple[PredictedShot, ...]
    misfits: Misfits
    dt: float
    attributes: Mapping[str, str] = field(default_factory=dict)
    of_data: bool = True
    groups: GroupMisfits | None = None

    def shot(self, number: int | None = None) -> PredictedShot | None:
        """Return the shot with that id, or the middle one."""
        if number is None:
            return self.shots[len(self.shots) // 2] if self.shots else None
        return next((shot for shot in self.shots if shot.id == number), self.shot())


def write_predictive(path: str | Path, predictive: Predictive) -> None:
    """Write to an HDF5 file, atomically; layout in docs/reference/files.md."""
    with new_hdf5(path) as stream, h5py.File(stream, "w") as file:
        stamp(file, SCHEMA, SCHEMA_VERSION, predictive.attributes)
        file.attrs["dt_s"] = predictive.dt
        file.attrs["of_data"] = predictive.of_data
        misfits = file.create_group("reduced_chi_squared")
        for name in ("ids", "n_data", "start", "mean", "draws"):
            misfits.create_dataset(name, data=getattr(predictive.misfits, name))
        if predictive.misfits.n_squared is not None:
            misfits.create_dataset("n_squared", data=predictive.misfits.n_squared)
        if predictive.groups is not None:
            _write_groups(file.create_group("groups"), predictive.groups)
        if predictive.of_data:
            misfits.attrs["p_value"] = predictive.misfits.p_value
        shots = file.create_group("shots")
        for i, shot in enumerate(predictive.shots):
            group = shots.create_group(f"{i:06d}")
            group.attrs["id"] = shot.id
            for name in TRACES:
                group.create_dataset(name, data=getattr(shot, name))
            if shot.weights is not None:
                group.create_dataset("weights", data=shot.weights)


def read_predictive(path: str | Path) -> Predictive:
    """Read what `write_predictive` wrote.

    Raises
    ------
    ResultFileError
        If the file is missing, damaged, or of another kind or version.
    """
    attributes = check_schema(path, SCHEMA, SCHEMA_VERSION)
    with h5py.File(path, "r") as file:
        try:
            group = file["reduced_chi_squared"]
            misfits = Misfits(**{name: group[name][...] for name in group})
            shots = tuple(_read_shot(file["shots"][name]) for name in sorted(file["shots"]))
            of_data = bool(file.attrs.get("of_data", True))
            groups = _read_groups(file["groups"]) if "groups" in file else None
            dt = float(file.attrs["dt_s"])
            return Predictive(shots, misfits, dt, attributes, of_data, groups)
        except (KeyError, TypeError) as error:
            raise ResultFileError(
                f"'{path}' lacks a dataset that docs/reference/files.md asks for: {error}."
            ) from error


def _write_groups(group: Any, groups: GroupMisfits) -> None:
    group.create_dataset("names", data=list(groups.names), dtype=h5py.string_dtype())
    for name in GROUPED:
        group.create_dataset(name, data=getattr(groups, name))
    group.create_dataset("p_value", data=groups.p_values)


def _read_groups(group: Any) -> GroupMisfits:
    names = tuple(str(name) for name in group["names"].asstr()[...])
    return GroupMisfits(names, **{name: group[name][...] for name in GROUPED})


def _read_shot(group: Any) -> PredictedShot:
    arrays = {name: group[name][...] for name in group}
    return PredictedShot(id=int(group.attrs["id"]), **arrays)
