"""Noise factors inferred beside the model: any method's iteration, then one of the factors.

An iteration sees the sums of squares of a few models and shots. Of these a running average is
kept whose weights fall like `1 / i`: `(1 + 3) / (i + 3)` at the `i`-th iteration of a phase, so
that the older half of a phase counts for a sixteenth (Shamir & Zhang 2013, ICML, section 4).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Final, NamedTuple, Protocol, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pvi_hpc.families.family import Family, Parameters
from pvi_hpc.inference.history import Info
from pvi_hpc.inference.method import Evaluations, Method
from pvi_hpc.inference.noise import NoiseFactors, NoisePrior
from pvi_hpc.inference.settings import InferenceSettings, StartSettings
from pvi_hpc.inference.state import State
from pvi_hpc.inference.target import Target
from pvi_hpc.plugins import NoOptions, Settings

__all__ = [
    "NOISE",
    "GroupedTarget",
    "NoiseInference",
    "Seen",
    "factors_of",
    "fresh_noise",
    "precisions_of",
]

Array = NDArray[np.float64]

#: Name in a state's memory.
NOISE: Final = "noise"
#: Weight of the newest sums: `(1 + ETA) / (i + ETA)` at the i-th.
ETA: Final = 3.0
#: Phase of the search for the mean, and that whose iterations infer the factors.
SEARCH, INFERENCE = "map", "vi"


class Seen(NamedTuple):
    """Sums of squares of the groups `(G,)`, and the data that they are of `(G,)`."""

    squares: Array
    counts: Array


class GroupedTarget(Protocol):
    """A likelihood with groups of data."""

    def set_factors(self, factors: NoiseFactors | None) -> None:
        """Evaluate with these factors from now on; None: with the noise as given."""
        ...

    def take_seen(self) -> Seen | None:
        """Return what was seen since the last call; None: nothing."""
        ...


def fresh_noise(prior: NoisePrior, n_data: Array) -> Parameters:
    """Return the memory before the first iteration: no sums, and factors of 1.

    They are as if the `n_data` `(G,)` had been seen to fit the given noise: the prior alone
    may expect any precision. Groups without data have the prior.
    """
    shape = torch.from_numpy(prior.shape + 0.5 * n_data)
    scale = torch.from_numpy(np.where(n_data > 0, shape.numpy(), prior.scale))
    zeros = torch.zeros_like(shape)
    return {
        "shape": shape,
        "scale": scale,
        "squares": zeros,
        "counts": zeros.clone(),
        "seen": torch.tensor(0),
    }


def factors_of(memory: Mapping[str, Parameters]) -> NoiseFactors | None:
    """Return the factors in a state's memory; None where they are no unknowns."""
    if NOISE not in memory:
        return None
    noise = memory[NOISE]
    return NoiseFactors(noise["shape"].numpy(), noise["scale"].numpy())


def precisions_of(memory: Mapping[str, Parameters]) -> tuple[float, ...]:
    """Return the precision of each group of data by a state's memory; empty: 1 for all."""
    factors = factors_of(memory)
    return () if factors is None else tuple(factors.precisions.tolist())


@dataclass(frozen=True)
class NoiseInference:
    """A method whose iterations also infer noise factors; a `Method`.

    The start compares with the noise that is given: a group that fits badly at first would be
    given little weight, and stay so, unless that is wanted (`in_start`); and a search that
    remembers, such as L-BFGS, and probes, which are differences of gradients, need one density.
    The sums of the search give the factors of what follows it.

    Parameters
    ----------
    method
        The method; it does not see the factors in the state.
    target
        The likelihood in the density that `method` evaluates.
    prior
        Prior of the squared factors.
    n_data
        Number of data of each group, of all shots `(G,)`.
    whole
        True where the search sees all shots and goes back and forth, so that the sums of its
        best model count instead of an average.
    in_start
        True where factors move in the search too, if that does not go back and forth.
    """

    Options: ClassVar[type[Settings]] = NoOptions

    method: Method
    target: GroupedTarget
    prior: NoisePrior
    n_data: Array
    whole: bool = False
    in_start: bool = False

    @classmethod
    def from_settings(
        cls,
        family: Family,
        target: Target,
        settings: InferenceSettings,
        start: StartSettings,
        seed: int,
        options: Any,
    ) -> Self:
        """Refuse: it wraps a method that comes from settings."""
        raise NotImplementedError("noise factors are inferred beside a method")

    @property
    def n_iterations(self) -> int:
        """Number of iterations of all phases."""
        return self.method.n_iterations

    def evaluations(self, iteration: int) -> Evaluations:
        """Return the models that an iteration evaluates: those of the method."""
        return self.method.evaluations(iteration)

    def phase(self, iteration: int) -> str:
        """Return the phase that an iteration belongs to."""
        return self.method.phase(iteration)

    def init(self, mean: Tensor, sd: float) -> State:
        """Return the method's first state, with factors of 1."""
        return self._joined(self.method.init(mean, sd), fresh_noise(self.prior, self.n_data))

    def step(self, state: State) -> tuple[State, Info]:
        """Do one iteration of the method with the factors of the state, then one of them."""
        noise = state.memory[NOISE]
        others = {name: part for name, part in state.memory.items() if name != NOISE}
        self.target.take_seen()  # of an iteration that did not end
        self.target.set_factors(factors_of(state.memory))
        after, info = self.method.step(replace(state, memory=others))
        seen = self.target.take_seen()
        phase, following = self.phase(state.iteration), self.phase(after.iteration)
        return self._joined(after, self._updated(noise, seen, phase, following)), info

    def sample(self, state: State, n: int, first: int = 0) -> Tensor:
        """Return posterior draws of `theta`; see `Method.sample`."""
        return self.method.sample(state, n, first)

    def log_prob(self, state: State, theta: Tensor) -> Tensor | None:
        """Return the log density of `theta`; see `Method.log_prob`."""
        return self.method.log_prob(state, theta)

    def moments(self, state: State) -> tuple[Tensor, Tensor]:
        """Return mean and sd of the unknowns `theta`, `(n,)` each."""
        return self.method.moments(state)

    def _joined(self, state: State, noise: Parameters) -> State:
        return replace(state, memory={**state.memory, NOISE: noise})

    def _updated(
        self, noise: Parameters, seen: Seen | None, phase: str, following: str
    ) -> Parameters:
        """Return the memory after an iteration of a phase, before one of the `following`."""
        if seen is not None and phase == SEARCH and self.whole:
            noise = _best(noise, seen)
        elif seen is not None and phase in (SEARCH, INFERENCE):
            noise = _averaged(noise, seen)
        moves = self.in_start and not self.whole
        if phase == INFERENCE or (phase == SEARCH and (moves or following != phase)):
            noise = self._adopted(noise)
        if following != phase and int(noise["seen"]):
            noise = {**noise, "seen": torch.tensor(1)}
        return noise

    def _adopted(self, noise: Parameters) -> Parameters:
        """Return the memory with the best factors for its sums."""
        n_data, counts = self.n_data, noise["counts"].numpy()
        held = counts > 0
        mean = np.divide(
            noise["squares"].numpy(), counts, out=np.zeros_like(counts), where=held
        )
        found = self.prior.posterior(n_data, n_data * mean)
        # Nothing was seen of a group yet: its factor stays.
        shape = np.where(held, found.shape, noise["shape"].numpy())
        scale = np.where(held, found.scale, noise["scale"].numpy())
        return {**noise, "shape": torch.from_numpy(shape), "scale": torch.from_numpy(scale)}


def _averaged(noise: Parameters, seen: Seen) -> Parameters:
    """Return the memory with the running averages of sums and counts moved on."""
    i = int(noise["seen"]) + 1
    weight = (1 + ETA) / (i + ETA)
    moved = {
        name: noise[name] + weight * (torch.from_numpy(value) - noise[name])
        for name, value in (("squares", seen.squares), ("counts", seen.counts))
    }
    return {**noise, **moved, "seen": torch.tensor(i)}


def _best(noise: Parameters, seen: Seen) -> Parameters:
    """Return the memory with these sums, if their mean square is the smallest so far."""
    before = float(noise["squares"].sum()), float(noise["counts"].sum())
    now = float(seen.squares.sum()), float(seen.counts.sum())
    if int(noise["seen"]) and now[0] * before[1] >= before[0] * now[1]:
        return noise
    sums = {"squares": torch.from_numpy(seen.squares), "counts": torch.from_numpy(seen.counts)}
    return {**noise, **sums, "seen": torch.tensor(1)}
