"""One step of a chain that leaves the density as it is: Metropolis, MALA, HMC.

Chains `(C, n)` step together, each accepted or not by itself. `scale` `(n,)` is the sd that a
coordinate is measured in; the proposal of a kernel is that of the standardised density.
"""

from dataclasses import dataclass
from math import ceil
from typing import Final, NamedTuple

import numpy as np

from pvi_hpc.diagnostics.samplers.density import Array, Density

__all__ = ["KERNELS", "ChainState", "Hmc", "Kernel", "Mala", "RandomWalk", "StepResult"]


class ChainState(NamedTuple):
    """States `(C, n)`, their log densities `(C,)` and gradients `(C, n)`."""

    x: Array
    value: Array
    gradient: Array


class StepResult(NamedTuple):
    """New states, probabilities of acceptance `(C,)`, gradients computed for each chain."""

    state: ChainState
    acceptance: Array
    evaluations: int


@dataclass(frozen=True)
class RandomWalk:
    """Metropolis with a Gaussian proposal, the field's baseline (Metropolis et al. 1953)."""

    target_acceptance: float = 0.234

    def first_step(self, n: int) -> float:
        """Return a step to start from: 2.38 / sqrt(n) (Gelman, Gilks & Roberts 1997)."""
        return float(2.38 / np.sqrt(n))

    def step(
        self,
        density: Density,
        state: ChainState,
        rng: np.random.Generator,
        step: float,
        scale: Array,
    ) -> StepResult:
        """Propose `x + step * scale * N(0, I)`."""
        x = state.x + step * scale * rng.standard_normal(state.x.shape)
        proposal = ChainState(x, *density(x))
        return _choose(state, proposal, proposal.value - state.value, rng, 1)


@dataclass(frozen=True)
class Mala:
    """Metropolis-adjusted Langevin steps (Roberts & Tweedie 1996)."""

    target_acceptance: float = 0.574

    def first_step(self, n: int) -> float:
        """Return a step to start from: n^(-1/6) (Roberts & Rosenthal 1998)."""
        return float(n ** (-1 / 6))

    def step(
        self,
        density: Density,
        state: ChainState,
        rng: np.random.Generator,
        step: float,
        scale: Array,
    ) -> StepResult:
        """Propose `x + step^2 / 2 scale^2 gradient + step * scale * N(0, I)`."""
        noise = rng.standard_normal(state.x.shape)
        drift = 0.5 * step * scale * state.gradient
        x = state.x + step * scale * (drift + noise)
        proposal = ChainState(x, *density(x))
        # The noise that would lead back.
        back = -(noise + drift + 0.5 * step * scale * proposal.gradient)
        log_ratio = proposal.value - state.value + 0.5 * _squares(noise) - 0.5 * _squares(back)
        return _choose(state, proposal, log_ratio, rng, 1)


@dataclass(frozen=True)
class Hmc:
    """Hamiltonian Monte Carlo (Neal 2011), trajectories of random length about `length`.

    The length is in units of `scale`; pi / 2 decorrelates a standard normal in one step, and
    varying it avoids the lengths that return to where they began.
    """

    length: float = float(np.pi / 2)
    target_acceptance: float = 0.8
    max_leapfrogs: int = 64

    def first_step(self, n: int) -> float:
        """Return a step to start from: n^(-1/4) (Beskos et al. 2013)."""
        return float(n ** (-1 / 4))

    def step(
        self,
        density: Density,
        state: ChainState,
        rng: np.random.Generator,
        step: float,
        scale: Array,
    ) -> StepResult:
        """Draw momenta, follow the trajectory, accept by the change of energy."""
        momentum = rng.standard_normal(state.x.shape)
        length = self.length * rng.uniform(0.6, 1.4)
        leapfrogs = min(max(1, ceil(length / step)), self.max_leapfrogs)
        now, p = state, momentum + 0.5 * step * scale * state.gradient
        for i in range(leapfrogs):
            x = now.x + step * scale * p
            now = ChainState(x, *density(x))
            p = p + (step if i < leapfrogs - 1 else 0.5 * step) * scale * now.gradient
        log_ratio = now.value - state.value + 0.5 * _squares(momentum) - 0.5 * _squares(p)
        return _choose(state, now, log_ratio, rng, leapfrogs)


Kernel = RandomWalk | Mala | Hmc
KERNELS: Final = {"hmc": Hmc, "mala": Mala, "random_walk": RandomWalk}


def _squares(x: Array) -> Array:
    with np.errstate(over="ignore"):  # a trajectory that diverged is refused
        squares: Array = np.sum(x * x, axis=1)
    return squares


def _choose(
    old: ChainState, new: ChainState, log_ratio: Array, rng: np.random.Generator, cost: int
) -> StepResult:
    """Accept every chain's proposal with probability `min(1, exp(log_ratio))`."""
    finite = np.where(np.isnan(log_ratio), -np.inf, log_ratio)
    accepted = np.log(rng.uniform(size=len(finite))) < finite
    state = ChainState(
        np.where(accepted[:, None], new.x, old.x),
        np.where(accepted, new.value, old.value),
        np.where(accepted[:, None], new.gradient, old.gradient),
    )
    return StepResult(state, np.exp(np.minimum(finite, 0.0)), cost)
