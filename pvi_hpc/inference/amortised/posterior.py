"""A posterior that was learnt: `Amortised` gives that of any data, in milliseconds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from pvi_hpc.errors import ConfigError
from pvi_hpc.inference.amortised.networks.network import Network
from pvi_hpc.inference.amortised.region import Region, draw_inside
from pvi_hpc.inference.amortised.summary import Summary
from pvi_hpc.inference.amortised.unknowns import Unknowns
from pvi_hpc.numerics.random import keyed_rng
from pvi_hpc.numerics.reproducible import one_thread

__all__ = ["UNLIKELY", "Amortised", "LearntPosterior"]

Array = NDArray[np.float64]

#: Share of held-out pairs further out than the data, below which these are warned of.
UNLIKELY: Final = 0.01
#: Draws from which moments and quantiles come.
MOMENT_DRAWS: Final = 2000
#: Draws from which the share inside the region comes.
SHARE_DRAWS: Final = 1000
#: Numbers that are drawn together, to bound memory.
PART: Final = 2**22


@dataclass(frozen=True)
class Amortised:
    """Networks that were trained, with all that belongs to them.

    Parameters
    ----------
    members
        Networks, whose densities are averaged.
    summary
        What they see of the data.
    mean, sd
        Of the training's `theta` `(n,)`: networks see them standardised.
    unknowns
        Map of `theta` to values; None: values are `theta`.
    region
        Part of the prior that the training's draws come from; None: all of it. Posteriors
        are zero outside.
    """

    members: Sequence[Network]
    summary: Summary
    mean: Array
    sd: Array
    unknowns: Unknowns | None = None
    region: Region | None = None

    def posterior(self, data: ArrayLike) -> "LearntPosterior":
        """Return the posteriors of one observation `(d,)`, or of many `(K, d)`.

        Raises
        ------
        ConfigError
            If the data have another number, or are not finite.
        """
        rows = np.atleast_2d(np.asarray(data, dtype=np.float64))
        wanted = len(self.summary.used)
        if rows.ndim != 2 or rows.shape[1] != wanted:
            raise ConfigError(
                f"'data' must have shape ({wanted},), or (K, {wanted}) for K observations, got "
                f"{np.shape(data)}: the network was trained with {wanted} data."
            )
        if not np.isfinite(rows[:, self.summary.used]).all():
            raise ConfigError(
                "'data' must be finite, got NaN or infinite values; a network knows nothing of "
                "missing data but those that were missing in its training."
            )
        return LearntPosterior(self, rows)

    def theta(self, x: Tensor, n: int, seed: int, first: int = 0) -> Array:
        """Return `n` draws of `theta` `(K, n, unknowns)` for features `(K, d)`.

        Draw `j` of observation `k` has the random numbers of the key `(seed, first + k)`.
        """

        def draw(rows: NDArray[np.intp], attempt: int) -> Array:
            keys = [(first + int(row), *([attempt] if attempt else [])) for row in rows]
            return self._drawn(x[torch.from_numpy(rows)], n, seed, keys)

        if self.region is None:
            return draw(np.arange(len(x)), 0)
        return draw_inside(draw, self.region, len(x), n)

    def _drawn(self, x: Tensor, n: int, seed: int, keys: Sequence[tuple[int, ...]]) -> Array:
        """Return draws `(K, n, unknowns)` of the networks, wherever they are."""
        members, numbers = len(self.members), self.members[0].n_random
        eps = np.empty((len(x), n, numbers), np.float32)
        for i, key in enumerate(keys):
            rng = keyed_rng(seed, "learnt posterior", *key)
            rng.standard_normal(out=eps[i], dtype=np.float32)
        drawn = np.empty((len(x), n, len(self.mean)))
        with one_thread(), torch.no_grad():
            for i, network in enumerate(self.members):
                part = torch.from_numpy(np.ascontiguousarray(eps[:, i::members]))
                drawn[:, i::members] = network.sample(x, part).numpy()
        return np.asarray(self.mean + self.sd * drawn)

    def share_inside(self, x: Tensor, seed: int = 1) -> Array:
        """Return the share `(K,)` of the networks' draws for features inside the region."""
        if self.region is None:
            return np.ones(len(x))
        keys = [(i,) for i in range(len(x))]
        inside = self.region.holds(self._drawn(x, SHARE_DRAWS, seed, keys))
        return np.asarray(inside.mean(axis=1))

    def log_prob(self, theta: Array, x: Tensor) -> Array:
        """Return the log density `(K, S)` of `theta` `(K, S, n)` for features `(K, d)`."""
        k, s, n = theta.shape
        standard = torch.from_numpy((theta - self.mean) / self.sd).float().reshape(k * s, n)
        wide = x[:, None].expand(k, s, x.shape[1]).reshape(k * s, -1)
        with one_thread(), torch.no_grad():
            each = torch.stack([net.log_prob(standard, wide).double() for net in self.members])
        found = torch.logsumexp(each, dim=0).numpy() - log(len(self.members))
        density = np.asarray(found.reshape(k, s) - np.log(self.sd).sum())
        if self.region is None:
            return density
        share = np.maximum(self.share_inside(x), 1 / SHARE_DRAWS)[:, None]
        return np.where(self.region.holds(theta), density - np.log(share), -np.inf)

    def values(self, theta: Array) -> Array:
        """Return values `(..., n)` of `theta` `(..., n)`."""
        if self.unknowns is None:
            return theta
        flat = torch.from_numpy(np.ascontiguousarray(theta.reshape(-1, theta.shape[-1])))
        return np.asarray(self.unknowns.from_normal(flat).detach().numpy()).reshape(theta.shape)

    def to_tree(self) -> dict[str, Any]:
        """Return all numbers, for a file."""
        weights = {
            f"{i:03d}": {k: v.numpy() for k, v in network.state_dict().items()}
            for i, network in enumerate(self.members)
        }
        own: dict[str, Any] = {"mean": self.mean, "sd": self.sd}
        if self.region is not None:
            own["region"] = self.region.to_tree()
        return {**own, "summary": self.summary.to_tree(), "members": weights}

    @classmethod
    def from_tree(
        cls,
        tree: Mapping[str, Any],
        make: Any,
        unknowns: Unknowns | None = None,
        region: Region | None = None,
    ) -> "Amortised":
        """Read what `to_tree` gave; `make(n, d)` returns a network of that kind."""
        summary, members = Summary.from_tree(tree["summary"]), []
        for _, weights in sorted(tree["members"].items()):
            network: Network = make(len(tree["mean"]), summary.n_features)
            network.load_state_dict({k: torch.from_numpy(v.copy()) for k, v in weights.items()})
            members.append(network.eval())
        return cls(members, summary, tree["mean"], tree["sd"], unknowns, region)


class LearntPosterior:
    """The posteriors of K observations."""

    def __init__(self, network: Amortised, data: Array) -> None:
        self.network, self.data = network, data
        self._x = network.summary.features(data)
        #: Share of held-out pairs at least as far from the training's mean `(K,)`.
        self.p_value: Array = network.summary.p_value(data)

    @property
    def outside(self) -> NDArray[np.bool_]:
        """Observations `(K,)` unlike those of the training: their posteriors mean nothing."""
        return np.asarray(self.p_value < UNLIKELY)

    @property
    def warnings(self) -> list[str]:
        """Sentences about the observations that the networks know nothing of."""
        found = np.flatnonzero(self.outside)
        if not len(found):
            return []
        which = ", ".join(map(str, found[:5])) + (", ..." if len(found) > 5 else "")
        return [
            f"{len(found)} of {len(self.data)} observations (number {which}) lie outside the "
            f"training data (p = {self.p_value[found].min():.2g}): prior, noise or simulation "
            "do not explain them, and their learnt posteriors are not to be believed."
        ]

    def sample(self, n: int, seed: int = 1) -> Array:
        """Return `n` draws of the values for each observation, `(K, n, unknowns)`."""
        return self.network.values(self.network.theta(self._x, n, seed))

    def log_prob(self, values: ArrayLike) -> Array:
        """Return the log density `(K, S)` of values `(S, n)`, or `(K, S, n)`.

        The volume is that of the values, by the exact Jacobian of the map.
        """
        m = np.asarray(values, dtype=np.float64)
        m = np.broadcast_to(m, (len(self.data), *m.shape[-2:]))
        if self.network.unknowns is None:
            return self.network.log_prob(m, self._x)
        flat = torch.from_numpy(m.reshape(-1, m.shape[-1]).copy())
        theta = self.network.unknowns.to_normal(flat)
        jacobian = self.network.unknowns.log_abs_det(theta).numpy().reshape(m.shape[:2])
        found = self.network.log_prob(theta.numpy().reshape(m.shape), self._x) - jacobian
        return np.asarray(found)

    def moments(self, draws: int = MOMENT_DRAWS, seed: int = 1) -> tuple[Array, Array]:
        """Return mean and sd `(K, n)` of the values, from draws."""
        mean, sd = (np.empty((len(self.data), len(self.network.mean))) for _ in range(2))
        for rows, values in self._parts(draws, seed):
            mean[rows], sd[rows] = values.mean(axis=1), values.std(axis=1)
        return mean, sd

    def quantiles(
        self, levels: Sequence[float], draws: int = MOMENT_DRAWS, seed: int = 1
    ) -> Array:
        """Return the quantiles `(K, len(levels), n)` of each unknown, from draws."""
        found = np.empty((len(self.data), len(levels), len(self.network.mean)))
        for rows, values in self._parts(draws, seed):
            found[rows] = np.moveaxis(np.quantile(values, levels, axis=1), 0, 1)
        return found

    def _parts(self, draws: int, seed: int) -> Any:
        """Yield some observations at a time, and their draws."""
        size = max(1, PART // (draws * len(self.network.mean)))
        for first in range(0, len(self.data), size):
            rows = slice(first, min(first + size, len(self.data)))
            theta = self.network.theta(self._x[rows], draws, seed, first)
            yield rows, self.network.values(theta)
