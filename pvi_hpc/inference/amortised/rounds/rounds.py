"""Iterative normalising flows: rounds of draw, simulate, train and narrow, until they agree.

After the model of JGR Machine Learning and Computation 2(1), 2025 (INFM), with the regions of
truncated sequential posterior estimation; `docs/theory/rounds.md` says what is whose.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import inf
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from pvi_hpc.errors import ConfigError
from pvi_hpc.inference.amortised.learning import Keep, TrainingPairs, learn
from pvi_hpc.inference.amortised.posterior import Amortised
from pvi_hpc.inference.amortised.rounds.account import Account
from pvi_hpc.inference.amortised.rounds.support import Support
from pvi_hpc.inference.amortised.settings import (
    NetworkSettings,
    RoundSettings,
    TrainingSettings,
)
from pvi_hpc.inference.amortised.training import TrainingState
from pvi_hpc.inference.amortised.unknowns import Unknowns

__all__ = ["Recipe", "Round", "Source", "learn_rounds"]

Array = NDArray[np.float64]

#: Draws from which the divergence of two rounds comes.
COMPARED: Final = 4000
#: Fewest pairs that a network is trained with.
FEWEST: Final = 50


class Source(Protocol):
    """Gives the pairs of each round; a call for the same round gives the same pairs."""

    def pairs(self, index: int, support: Support) -> TrainingPairs | None:
        """Return draws of the prior inside `support`, simulated; None: stop here."""
        ...

    def keep(self, index: int) -> Keep:
        """Return what keeps the trainings of a round."""
        ...


@dataclass(frozen=True)
class Recipe:
    """Settings of all rounds.

    Parameters
    ----------
    n
        Number of unknowns.
    network, training, rounds
        Settings.
    held_out
        Number of pairs of each round that its network does not see.
    components
        Principal components of the data that a network sees; None: all data as they are.
    unknowns
        Map of unknowns to values.
    """

    n: int
    network: NetworkSettings
    training: TrainingSettings
    rounds: RoundSettings
    held_out: int = 0
    components: int | None = None
    unknowns: Unknowns | None = None


@dataclass(frozen=True)
class Round:
    """A round that is done: its network, and pairs that no network has seen."""

    network: Amortised
    states: list[TrainingState]
    held: TrainingPairs
    account: Account


def learn_rounds(
    source: Source,
    data: Array,
    recipe: Recipe,
    told: Callable[[Round], None] = lambda _: None,
) -> list[Round] | None:
    """Return all rounds for observed data `(d,)`; None where the source says to stop.

    Raises
    ------
    ConfigError
        If a round has too few pairs, or its region gives no draws.
    NonFiniteError
        If training gives no finite loss.
    """
    done: list[Round] = []
    support, share = Support(recipe.n), 1.0
    old: TrainingPairs | None = None
    for index in range(recipe.rounds.at_most):
        if old is not None:
            seed = 1000 * recipe.training.seed + index
            support = support.narrowed(done[-1].network, data, recipe.rounds.cut, seed)
            inside = support.holds(old.theta.astype(np.float64))
            share *= float(inside.mean()) if len(inside) else 0.0
            old = TrainingPairs(old.theta[inside], old.data[inside], old.noise_sd)
        fresh = source.pairs(index, support)
        if fresh is None:
            return None
        found = _trained(source.keep(index), recipe, index, old, fresh)
        if found is None:
            return None
        trained, states, held, n_pairs = found
        network = replace(trained, region=support if support.cuts else None)
        leak, divergence = _compared(network, done[-1].network if done else None, data)
        agreed = divergence < recipe.rounds.agreement
        its = Account(index + 1, len(fresh.theta), n_pairs, share, leak, divergence, agreed)
        done.append(Round(network, states, held, its))
        told(done[-1])
        if agreed:
            break
        old = fresh if old is None else _joined(old, fresh)
    return done


def _trained(
    keep: Keep,
    recipe: Recipe,
    index: int,
    old: TrainingPairs | None,
    fresh: TrainingPairs,
) -> tuple[Amortised, list[TrainingState], TrainingPairs, int] | None:
    """Train the network of a round on all pairs that are draws of its region.

    Pairs of earlier rounds that lie in it are such draws too: the prior is only cut off.
    """
    n_taught = len(fresh.theta) - recipe.held_out
    taught, held = fresh.rows(slice(0, max(n_taught, 0))), fresh.rows(slice(n_taught, None))
    pairs = taught if old is None else _joined(old, taught)
    if n_taught < 1 or len(pairs.theta) < FEWEST:
        raise ConfigError(
            f"Round {index + 1} must have at least {FEWEST} pairs to learn from besides the "
            f"{recipe.held_out} that are held out, got {len(fresh.theta)} draws with data; "
            "raise 'amortised.rounds.draws'."
        )
    found = learn(
        pairs,
        recipe.network,
        recipe.training,
        components=recipe.components,
        unknowns=recipe.unknowns,
        keep=keep,
    )
    return found and (*found, held, len(pairs.theta))


def _joined(a: TrainingPairs, b: TrainingPairs) -> TrainingPairs:
    theta, data = np.concatenate([a.theta, b.theta]), np.concatenate([a.data, b.data])
    return TrainingPairs(theta, data, b.noise_sd)


def _compared(now: Amortised, before: Amortised | None, data: Array) -> tuple[float, float]:
    """Return the leak of a network for data, and its divergence from the one before."""
    rows = np.atleast_2d(data)
    x = now.summary.features(rows)
    leak = 1 - float(now.share_inside(x)[0])
    if before is None:
        return leak, inf
    theta = now.theta(x, COMPARED, seed=1)
    other = before.log_prob(theta, before.summary.features(rows))
    each = now.log_prob(theta, x) - other
    # Draws that a network which does not know the data was given from outside say nothing.
    each = each[np.isfinite(each)]
    if not len(each):
        return leak, inf
    return leak, max(float(each.mean()), 0.0) / theta.shape[-1]
