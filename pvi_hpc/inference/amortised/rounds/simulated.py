"""Rounds around a simulator in this process: the door for Python."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from pvi_hpc.errors import ConfigError
from pvi_hpc.inference.amortised.learning import Keep, TrainingPairs
from pvi_hpc.inference.amortised.rounds.rounds import Recipe, Round, learn_rounds
from pvi_hpc.inference.amortised.rounds.support import Support
from pvi_hpc.inference.amortised.settings import (
    NetworkSettings,
    RoundSettings,
    TrainingSettings,
)
from pvi_hpc.inference.amortised.unknowns import Unknowns

__all__ = ["infer_in_rounds"]

Array = NDArray[np.float64]
#: Gives data `(B, d)` for values `(B, n)`.
Simulate = Callable[[Array], ArrayLike]


def infer_in_rounds(
    simulate: Simulate,
    n: int,
    data: ArrayLike,
    draws: int,
    *,
    network: NetworkSettings | None = None,
    training: TrainingSettings | None = None,
    rounds: RoundSettings | None = None,
    noise_sd: ArrayLike = 0.0,
    unknowns: Unknowns | None = None,
    held_out: int = 0,
    told: Callable[[Round], None] = lambda _: None,
) -> list[Round]:
    """Learn the posterior of observed data in rounds around a simulator.

    Parameters
    ----------
    simulate
        Gives data `(B, d)` for values `(B, n)`, with noise of its own or without.
    n
        Number of unknowns.
    data
        Observed data `(d,)`.
    draws
        Simulations of the first round.
    network, training, rounds
        Settings.
    noise_sd
        Sd of the noise that is added to simulated data `(d,)`; 0: `simulate` adds its own.
    unknowns
        Map of unknowns that are standard normal under the prior to values, such as a `Prior`;
        None: the prior of the values is standard normal.
    held_out
        Pairs of each round that its network does not see, for a verdict.
    told
        Told each round.

    Returns
    -------
    list of Round
        All rounds; `[-1].network.posterior(data)` is the posterior.

    Raises
    ------
    ConfigError
        If the data are not one finite row, the simulator gives other numbers of data, or a
        round has too few pairs.

    Examples
    --------
    >>> settings = NetworkSettings(kind="mixture", options={"components": 1, "hidden": (16,)})
    >>> training = TrainingSettings(max_epochs=20, learning_rate=0.01)
    >>> found = infer_in_rounds(
    ...     lambda m: 3 * m, 1, [1.5], 2000, network=settings, training=training, noise_sd=0.3
    ... )
    >>> mean, sd = found[-1].network.posterior([1.5]).moments()
    >>> bool(abs(mean[0, 0] - 0.495) < 0.02), bool(abs(sd[0, 0] - 0.0995) < 0.02)
    (True, True)
    """
    row = np.asarray(data, dtype=np.float64)
    if row.ndim != 1 or not len(row) or not np.isfinite(row).all():
        raise ConfigError(
            f"'data' must be one row (d,) of finite numbers, got shape {row.shape}: rounds are "
            "made for one observation; 'learn' is for many."
        )
    settings = rounds or RoundSettings()
    recipe = Recipe(
        n,
        network or NetworkSettings(),
        training or TrainingSettings(),
        settings,
        held_out=held_out,
        unknowns=unknowns,
    )
    sd = np.broadcast_to(np.asarray(noise_sd, dtype=np.float64), row.shape)
    sizes = draws, settings.draws or draws
    source = _Simulated(simulate, sd, sizes, recipe)
    found = learn_rounds(source, row, recipe, told)
    assert found is not None  # nothing asks this source to stop
    return found


@dataclass
class _Simulated:
    """Pairs of a simulator in this process."""

    simulate: Simulate
    noise_sd: Array
    sizes: tuple[int, int]
    recipe: Recipe

    def pairs(self, index: int, support: Support) -> TrainingPairs:
        """Draw and simulate."""
        theta = support.draw(self.sizes[min(index, 1)], self.recipe.training.seed, index)
        data = np.asarray(self.simulate(self._values(theta)), dtype=np.float32)
        if data.shape != (len(theta), len(self.noise_sd)):
            raise ConfigError(
                f"'simulate' must give data of shape {(len(theta), len(self.noise_sd))} for "
                f"{len(theta)} models and this observation, got {data.shape}."
            )
        good = np.isfinite(data).all(axis=1)
        return TrainingPairs(theta[good].astype(np.float32), data[good], self.noise_sd)

    def keep(self, _index: int) -> Keep:
        """Keep nothing."""
        return Keep()

    def _values(self, theta: Array) -> Array:
        unknowns = self.recipe.unknowns
        if unknowns is None:
            return theta
        return np.asarray(unknowns.from_normal(torch.from_numpy(theta)).numpy())
