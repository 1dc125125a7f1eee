r"""Standardised data, their principal components, and the distance from those of the training.

The distance of data from the training pairs is that of Mahalanobis, under the normal density
of the pairs' mean and covariance. With principal components the covariance is that of
probabilistic PCA (Tipping & Bishop 1999), so that data outside the components are seen too.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final, Self

import numpy as np
import torch
from numpy.typing import NDArray

from pvi_hpc.errors import ConfigError
from pvi_hpc.numerics.reproducible import one_thread

__all__ = ["Summary"]

Array = NDArray[np.float64]

#: Most data, whose covariance is a full matrix.
MAX_DATA: Final = 4096
#: Least variance of a direction, as a share of the largest: rounding.
FLOOR: Final = 1e-9


@dataclass(frozen=True)
class Summary:
    """The part of the data that a network sees.

    Parameters
    ----------
    used
        Data with finite noise `(d_all,)`; the others are left out.
    mean, sd
        Of each datum that is used `(d,)`.
    directions
        Columns `(d, k)` that map standardised data to features of variance 1; none, k = 0,
        where the network sees the data as they are.
    whiten
        Matrix `(d, d)` whose product with standardised data has the Mahalanobis distance as
        its norm.
    distances
        Squared distances of pairs that no network was trained with, sorted.
    """

    used: NDArray[np.bool_]
    mean: Array
    sd: Array
    directions: Array
    whiten: Array
    distances: Array

    @classmethod
    def fit(cls, data: NDArray[Any], noise_sd: Array, components: int | None) -> Self:
        """Return the summary of noisy training data `(N, d_all)`, without `distances`.

        Raises
        ------
        ConfigError
            If there are too many data, or more components than data.
        """
        used = np.isfinite(noise_sd)
        d = int(used.sum())
        if d > MAX_DATA or not d:
            raise ConfigError(
                f"The data of a network must be 1 to {MAX_DATA} numbers with finite noise, got "
                f"{d}; thin them out."
            )
        if components is not None and components > d:
            raise ConfigError(
                f"'amortised.components' must be at most the number of data, {d}, got "
                f"{components}."
            )
        x = data[:, used].astype(np.float64)
        mean, sd = x.mean(axis=0), x.std(axis=0)
        sd[sd == 0] = 1.0
        with one_thread():
            y = torch.from_numpy((x - mean) / sd)
            value, vector = torch.linalg.eigh(y.T @ y / len(y))
            value = value.clamp(min=FLOOR * float(value[-1]))
            k = d if components is None else components
            kept, rest = value[d - k :], value[: d - k]
            floor = rest.mean() if len(rest) else kept[0]
            variance = torch.cat([floor.expand(d - k), kept])
            whiten = (vector / variance.sqrt()) @ vector.T
            scores = vector[:, d - k :].flip(1) / kept.flip(0).sqrt()
        directions = np.empty((d, 0)) if components is None else scores.numpy()
        return cls(used, mean, sd, directions, whiten.numpy(), np.empty(0))

    @property
    def n_features(self) -> int:
        """Number of features."""
        return int(self.directions.shape[1] or self.directions.shape[0])

    def features(self, data: NDArray[Any]) -> torch.Tensor:
        """Return the features `(N, k)` float32 of data `(N, d_all)`."""
        y = torch.from_numpy(self._standard(data))
        if self.directions.shape[1]:
            with one_thread():
                y = y @ torch.from_numpy(self.directions)
        return y.float()

    def squared_distance(self, data: NDArray[Any]) -> Array:
        """Return the squared Mahalanobis distances `(N,)` of data `(N, d_all)`."""
        with one_thread():
            white = torch.from_numpy(self._standard(data)) @ torch.from_numpy(self.whiten)
            return np.asarray((white * white).sum(dim=1).numpy())

    def p_value(self, data: NDArray[Any]) -> Array:
        """Return the share `(N,)` of held-out pairs at least as far out as the data."""
        beyond = len(self.distances) - np.searchsorted(
            self.distances, self.squared_distance(data), side="left"
        )
        return np.asarray((1 + beyond) / (1 + len(self.distances)))

    def to_tree(self) -> dict[str, Any]:
        """Return all numbers, for a file."""
        tree = {field.name: getattr(self, field.name) for field in fields(self)}
        return {**tree, "used": self.used.astype(np.uint8)}

    @classmethod
    def from_tree(cls, tree: Mapping[str, Any]) -> Self:
        """Read what `to_tree` gave."""
        return cls(**{**tree, "used": tree["used"].astype(bool)})

    def _standard(self, data: NDArray[Any]) -> Array:
        return np.asarray((data[:, self.used].astype(np.float64) - self.mean) / self.sd)
