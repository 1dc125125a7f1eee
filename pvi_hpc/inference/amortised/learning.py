"""Learning a posterior from pairs: summary, standardisation, networks of an ensemble."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pvi_hpc.inference.amortised.networks.network import load_network
from pvi_hpc.inference.amortised.posterior import Amortised
from pvi_hpc.inference.amortised.settings import NetworkSettings, TrainingSettings
from pvi_hpc.inference.amortised.summary import Summary
from pvi_hpc.inference.amortised.training import TrainingState, train
from pvi_hpc.inference.amortised.unknowns import Unknowns
from pvi_hpc.numerics.random import keyed_rng

__all__ = ["Keep", "TrainingPairs", "learn"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class TrainingPairs:
    """Simulated pairs: `theta` `(N, n)`, data without noise `(N, d)`, noise sd `(d,)`.

    The noise sd is 0 where the simulation makes its own noise, and infinite for a datum that
    is left out.
    """

    theta: NDArray[np.float32]
    data: NDArray[np.float32]
    noise_sd: Array

    def noisy(self, seed: int, *key: int) -> NDArray[np.float32]:
        """Return the data with noise of the key `(seed, key...)`."""
        sd = np.where(np.isfinite(self.noise_sd), self.noise_sd, 0.0).astype(np.float32)
        if not sd.any():
            return self.data
        noise = keyed_rng(seed, "noise of pairs", *key).standard_normal(
            self.data.shape, dtype=np.float32
        )
        return np.asarray(self.data + sd * noise)

    def rows(self, which: slice) -> "TrainingPairs":
        """Return some of the pairs."""
        return TrainingPairs(self.theta[which], self.data[which], self.noise_sd)


class Keep:
    """States of the members while they are trained; this one keeps none."""

    def load(self, member: int) -> TrainingState | None:
        """Return the state that a member's training goes on from."""
        return None

    def after_epoch(self, member: int, state: TrainingState) -> bool:
        """Take note of a state; return True to stop here, and go on later."""
        return False


def learn(
    pairs: TrainingPairs,
    network: NetworkSettings,
    training: TrainingSettings,
    *,
    components: int | None = None,
    unknowns: Unknowns | None = None,
    keep: Keep | None = None,
) -> tuple[Amortised, list[TrainingState]] | None:
    """Train the networks; return them and their trainings, None where `keep` says to stop.

    The last pairs, a share of `training.validation`, only stop the training; each of them has
    one noise, while the others get new noise in every epoch.

    Raises
    ------
    ConfigError
        If network, options or number of data are impossible.
    NonFiniteError
        If training gives no finite loss.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> theta = rng.standard_normal((2000, 1)).astype(np.float32)
    >>> pairs = TrainingPairs(theta, theta, np.ones(1))
    >>> options = {"components": 1, "hidden": (16,)}
    >>> settings = NetworkSettings(kind="mixture", options=options)
    >>> fitted, _ = learn(pairs, settings, TrainingSettings(max_epochs=30, learning_rate=0.01))
    >>> mean, sd = fitted.posterior([1.0]).moments()
    >>> bool(abs(mean[0, 0] - 0.5) < 0.1), bool(abs(sd[0, 0] - 0.5**0.5) < 0.1)
    (True, True)
    """
    seed, keep = training.seed, keep or Keep()
    n_held = max(1, int(training.validation * len(pairs.theta)))
    taught, held = pairs.rows(slice(0, -n_held)), pairs.rows(slice(-n_held, None))
    summary = Summary.fit(taught.noisy(seed, 0), pairs.noise_sd, components)
    held_data = held.noisy(seed, 1)
    summary = _with_distances(summary, held_data)
    mean = taught.theta.mean(axis=0, dtype=np.float64)
    sd = taught.theta.std(axis=0, dtype=np.float64)
    sd[sd == 0] = 1.0

    def standard(theta: NDArray[np.float32]) -> Tensor:
        return torch.from_numpy(((theta - mean) / sd).astype(np.float32))

    standardised, plain = standard(taught.theta), not np.any(_finite(pairs.noise_sd))
    fixed = summary.features(taught.data) if plain else None
    validation = standard(held.theta), summary.features(held_data)
    members, states = [], []
    for member in range(training.members):
        made = load_network(network, len(mean), summary.n_features, 1000 * seed + member)

        def pairs_of(epoch: int, member: int = member) -> tuple[Tensor, Tensor]:
            if fixed is not None:
                return standardised, fixed
            return standardised, summary.features(taught.noisy(seed, 2, member, epoch))

        told: Callable[[TrainingState], bool] = _told(keep, member)
        state = train(
            made,
            pairs_of,
            validation,
            training,
            member=member,
            state=keep.load(member),
            after_epoch=told,
        )
        if not state.done:
            return None
        members.append(made.eval())
        states.append(state)
    return Amortised(members, summary, mean, sd, unknowns), states


def _told(keep: Keep, member: int) -> Callable[[TrainingState], bool]:
    return lambda state: keep.after_epoch(member, state)


def _finite(noise_sd: Array) -> Array:
    return noise_sd[np.isfinite(noise_sd)]


def _with_distances(summary: Summary, held: NDArray[np.float32]) -> Summary:
    return Summary(
        summary.used,
        summary.mean,
        summary.sd,
        summary.directions,
        summary.whiten,
        np.sort(summary.squared_distance(held)),
    )
