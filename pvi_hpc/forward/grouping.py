"""Groups of data: bins of offset, windows of time, and each pair of both."""

from dataclasses import dataclass
from itertools import pairwise, product

import numpy as np
from numpy.typing import NDArray

from pvi_hpc.data.survey import Shot

__all__ = ["Groups", "offsets"]

Array = NDArray[np.float64]


def offsets(shot: Shot) -> Array:
    """Return the distances of the receivers from the source `(n_rec,)` [m], in 3D."""
    return np.asarray(np.sqrt(((shot.receivers - shot.source) ** 2).sum(axis=1)))


@dataclass(frozen=True)
class Groups:
    """Groups that edges cut; group `o * n_windows + t` is window `t` of offset bin `o`.

    Parameters
    ----------
    offset_edges_m
        Offsets between one bin and the next, increasing [m].
    time_edges_s
        Times between one window and the next, increasing [s].
    dt, n_samples
        Sampling interval of the data [s], and samples of a trace.
    """

    offset_edges_m: tuple[float, ...] = ()
    time_edges_s: tuple[float, ...] = ()
    dt: float = 1.0
    n_samples: int = 1

    @property
    def n(self) -> int:
        """Number of groups."""
        return self._n_bins * self._n_windows

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the groups, for people."""
        bins = _ranges("offset", self.offset_edges_m, "m")
        windows = _ranges("time", self.time_edges_s, "s")
        return tuple(
            ", ".join(filter(None, pair)) or "all data" for pair in product(bins, windows)
        )

    def sums(self, shot: Shot, values: Array) -> Array:
        """Return the sum of a shot's `values` `(n_rec, n_samples)` over each group, `(n,)`.

        Values that are alike along a trace may be `(n_rec, 1)`.
        """
        full = np.broadcast_to(values, (len(values), self.n_samples))
        bins, sums = self._bins(shot), np.zeros((self._n_bins, self._n_windows))
        for window, part in enumerate(self._windows):
            rows = full[:, part].sum(axis=1)
            for each in range(self._n_bins):
                sums[each, window] = rows[bins == each].sum()
        return sums.reshape(-1)

    def spread(self, shot: Shot, factors: Array) -> Array:
        """Return one of `factors` `(n,)` for each sample, `(n_rec, n_samples)`."""
        table = np.reshape(factors, (self._n_bins, self._n_windows))
        lengths = [part.stop - part.start for part in self._windows]
        return np.repeat(table[self._bins(shot)], lengths, axis=1)

    @property
    def _n_bins(self) -> int:
        return len(self.offset_edges_m) + 1

    @property
    def _n_windows(self) -> int:
        return len(self.time_edges_s) + 1

    @property
    def _windows(self) -> list[slice]:
        edges = np.ceil(np.asarray(self.time_edges_s) / self.dt - 1e-9).astype(int)
        cuts = [0, *np.clip(edges, 0, self.n_samples).tolist(), self.n_samples]
        return [slice(a, b) for a, b in pairwise(cuts)]

    def _bins(self, shot: Shot) -> NDArray[np.intp]:
        return np.searchsorted(np.asarray(self.offset_edges_m), offsets(shot), side="right")


def _ranges(what: str, edges: tuple[float, ...], unit: str) -> list[str]:
    if not edges:
        return [""]
    inner = [f"{what} {a:g} to {b:g} {unit}" for a, b in pairwise(edges)]
    return [f"{what} up to {edges[0]:g} {unit}", *inner, f"{what} above {edges[-1]:g} {unit}"]
