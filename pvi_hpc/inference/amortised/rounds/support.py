r"""The prior cut off outside the regions that networks give the observed data.

The region of a round is where its network's density for the observed data, :math:`q(\theta)`,
is at least :math:`\tau`, the density that a small share of its draws lie below: a
highest-density region (Deistler, Goncalves & Macke 2022, arXiv 2210.04815). Regions are nested.
Inside, the prior is as it was but for a factor, and so is the posterior of the observed data.

Draws of it come by rejection, from the prior or from the network, whichever is accepted more
often. The second needs a bound of :math:`p(\theta) / q(\theta)` inside: the largest of many
draws of the network, so that about one draw in so many is kept less often than it should be.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pvi_hpc.errors import ConfigError
from pvi_hpc.inference.amortised.posterior import Amortised
from pvi_hpc.numerics.random import keyed_rng

__all__ = ["Cut", "Support"]

Array = NDArray[np.float64]

#: Draws of a network from which its threshold and its bound come.
THRESHOLD_DRAWS: Final = 20_000
#: Candidates that are drawn and judged together.
BATCH: Final = 8192
#: Batches that show how many candidates are accepted.
PILOT: Final = 2
#: Most candidates of a round: they take some minutes of a small network.
MOST: Final = 2**26


@dataclass(frozen=True)
class Cut:
    """Region of one round: the density of `network` for features `x` `(1, d)` is high.

    `threshold` is the least log density. `most` is the largest log ratio of the prior, without
    its constant, to the network, of draws inside.
    """

    network: Amortised
    x: Tensor
    threshold: float
    most: float

    def log_density(self, theta: Array) -> Array:
        """Return the log density `(S,)` of unknowns `(S, n)`."""
        parts = [theta[i : i + BATCH] for i in range(0, len(theta), BATCH)]
        each = [self.network.log_prob(part[None], self.x)[0] for part in parts]
        return np.concatenate([np.empty(0), *each])

    def draw(self, n: int, seed: int, first: int) -> Array:
        """Return draws of the network `(n, unknowns)`."""
        return np.asarray(self.network.theta(self.x, n, seed, first)[0])

    def to_tree(self) -> dict[str, Any]:
        """Return all numbers, for a file."""
        own = {"x": self.x.numpy(), "threshold": self.threshold, "most": self.most}
        return {**own, "network": self.network.to_tree()}

    @classmethod
    def from_tree(cls, tree: Mapping[str, Any], make: Any) -> Self:
        """Read what `to_tree` gave; `make(n, d)` returns a network."""
        network = Amortised.from_tree(tree["network"], make)
        numbers = float(tree["threshold"]), float(tree["most"])
        return cls(network, torch.from_numpy(tree["x"].copy()), *numbers)


@dataclass(frozen=True)
class Support:
    """The part of a standard normal prior of `n` unknowns inside all cuts; none: all of it."""

    n: int
    cuts: tuple[Cut, ...] = ()

    def holds(self, theta: Array) -> NDArray[np.bool_]:
        """Return whether unknowns `(..., n)` lie inside, `(...)`."""
        flat = np.ascontiguousarray(theta, dtype=np.float64).reshape(-1, self.n)
        inside = np.ones(len(flat), dtype=bool)
        for cut in reversed(self.cuts):  # the last is the narrowest
            rows = np.flatnonzero(inside)
            inside[rows] = cut.log_density(flat[rows]) >= cut.threshold
        return inside.reshape(theta.shape[:-1])

    def narrowed(self, network: Amortised, data: Array, cut: float, seed: int) -> "Support":
        """Return the part of this one that `network` gives all but a share `cut` for data."""
        x = network.summary.features(np.atleast_2d(data))
        theta = network.theta(x, THRESHOLD_DRAWS, seed)[0]
        whole = Cut(replace(network, region=None, unknowns=None), x, 0.0, 0.0)
        log_q = whole.log_density(theta)
        threshold = float(np.quantile(log_q, cut))
        inside = log_q >= threshold
        most = float((_log_prior(theta) - log_q)[inside].max())
        found = replace(whole, threshold=threshold, most=most)
        return Support(self.n, (*self.cuts, found))

    def draw(self, n: int, seed: int, index: int) -> Array:
        """Return `n` draws of the prior inside `(n, unknowns)`, those of the round `index`.

        Raises
        ------
        ConfigError
            If the region is so small that no draws are to be had.
        """
        ways = (self._of_prior, self._of_network) if self.cuts else (self._of_prior,)
        pilots = [[way(seed, index, i) for i in range(PILOT)] for way in ways]
        counts = [sum(map(len, pilot)) for pilot in pilots]
        best = int(np.argmax(counts))
        needed = n * PILOT * BATCH / max(counts[best], 0.5)
        if needed > MOST:
            raise ConfigError(
                f"'amortised.rounds.at_most' must be at most {index}, got more: the region of "
                f"round {index + 1} takes {needed:.1g} candidates for {n} draws; end the "
                "rounds there, or raise 'amortised.rounds.cut'."
            )
        return _first(n, pilots[best], lambda i: ways[best](seed, index, i))

    def to_tree(self) -> dict[str, Any]:
        """Return all numbers, for a file."""
        return {f"{i:03d}": cut.to_tree() for i, cut in enumerate(self.cuts)}

    @classmethod
    def from_tree(cls, tree: Mapping[str, Any], n: int, make: Any) -> Self:
        """Read what `to_tree` gave; `make(n, d)` returns a network."""
        return cls(n, tuple(Cut.from_tree(its, make) for _, its in sorted(tree.items())))

    def _of_prior(self, seed: int, index: int, batch: int) -> Array:
        rng = keyed_rng(seed, "truncated prior", index, batch)
        theta = rng.standard_normal((BATCH, self.n))
        return np.asarray(theta[self.holds(theta)])

    def _of_network(self, seed: int, index: int, batch: int) -> Array:
        """Return those draws of the last network that rejection leaves to the prior."""
        cut = self.cuts[-1]
        own = int(keyed_rng(seed, "truncated prior's network", index).integers(2**31))
        theta = cut.draw(BATCH, own, batch)
        log_q = cut.log_density(theta)
        height = keyed_rng(seed, "truncated prior's height", index, batch).uniform(size=BATCH)
        log_share = _log_prior(theta) - log_q - cut.most
        kept = theta[(np.log1p(-height) < log_share) & (log_q >= cut.threshold)]
        return np.asarray(kept[self.holds(kept)])


def _log_prior(theta: Array) -> Array:
    """Return the log density of the prior without its constant `(S,)`."""
    return np.asarray(-0.5 * (theta * theta).sum(axis=1))


def _first(n: int, begun: list[Array], batch: Callable[[int], Array]) -> Array:
    """Return the first `n` rows of batches, of which some have been made."""

    def batches() -> Iterator[Array]:
        yield from begun
        made = len(begun)
        while True:
            yield batch(made)
            made += 1

    parts: list[Array] = []
    for part in batches():
        parts.append(part)
        if sum(map(len, parts)) >= n:
            break
    return np.concatenate(parts)[:n]
