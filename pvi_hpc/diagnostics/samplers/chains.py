"""Several chains at once: warm-up with adaptation, then draws, and whether they agree."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from pvi_hpc.diagnostics.convergence import effective_sample_size, r_hat
from pvi_hpc.diagnostics.samplers.adaptation import DualAveraging, RunningScale
from pvi_hpc.diagnostics.samplers.density import Array, Density, LogProb, density_of
from pvi_hpc.diagnostics.samplers.transitions import KERNELS, ChainState, Kernel
from pvi_hpc.errors import ConfigError, NonFiniteError
from pvi_hpc.numerics.random import keyed_rng

__all__ = ["Chains", "sample_chains"]

#: Shares of the warm-up: the first finds the typical set, the second the scales, the rest
#: the step that suits them.
SETTLE: Final = 0.2
SCALES: Final = 0.6


@dataclass(frozen=True)
class Chains:
    """Draws of a reference sampler.

    Parameters
    ----------
    draws
        `(C, D, n)`.
    acceptance
        Mean probability of acceptance.
    step
        Step of the kernel, in units of `scale`.
    scale
        Sds `(n,)` that the warm-up found.
    evaluations
        Densities computed for each chain, its warm-up included.
    """

    draws: Array
    acceptance: float
    step: float
    scale: Array
    evaluations: int

    @property
    def r_hat(self) -> Array:
        """Rank-normalised split R-hat `(n,)`; above 1.01 the chains do not agree."""
        return r_hat(self.draws)

    @property
    def effective_sample_size(self) -> Array:
        """Bulk effective sample size `(n,)` of all chains together."""
        return effective_sample_size(self.draws)

    @property
    def flat(self) -> Array:
        """All draws `(C D, n)`."""
        return self.draws.reshape(-1, self.draws.shape[-1])


def sample_chains(
    log_prob: LogProb,
    start: Array,
    *,
    kernel: str | Kernel = "hmc",
    warmup: int = 500,
    draws: int = 1000,
    seed: int = 1,
) -> Chains:
    """Sample a density with several chains.

    Parameters
    ----------
    log_prob
        `theta` `(C, n)` to `(C,)`, differentiable by torch; constants do not matter.
    start
        First states `(C, n)`, spread at least as widely as the density.
    kernel
        `hmc`, `mala`, `random_walk`, or a kernel with its own settings.
    warmup, draws
        Steps of adaptation, which are thrown away, and steps that are kept.
    seed
        Seed of all random numbers.

    Raises
    ------
    ConfigError
        If an argument is impossible.
    NonFiniteError
        If the density of a first state is not finite.

    Examples
    --------
    >>> chains = sample_chains(lambda x: -0.5 * (x**2).sum(1), np.ones((4, 2)), draws=500)
    >>> bool(abs(chains.flat.std() - 1) < 0.1)
    True
    """
    step_kernel, density = _kernel(kernel), density_of(log_prob)
    x = _checked(start, warmup, draws)
    state = ChainState(x, *density(x))
    if not np.isfinite(state.value).all():
        chain = int(np.argmin(np.isfinite(state.value)))
        raise NonFiniteError(
            f"The log density of 'start' must be finite, got {state.value[chain]} for chain "
            f"{chain}; start inside the density's support."
        )
    run = _Run(step_kernel, density, seed, x.shape[1])
    state = run.warm_up(state, warmup)
    kept = np.empty((len(x), draws, x.shape[1]))
    total = 0.0
    for i in range(draws):
        state, acceptance = run.advance(state, run.step)
        kept[:, i], total = state.x, total + acceptance
    return Chains(kept, total / draws, run.step, run.scale, run.evaluations)


class _Run:
    """Variables of running chains."""

    def __init__(self, kernel: Kernel, density: Density, seed: int, n: int) -> None:
        self.kernel, self.density, self.seed = kernel, density, seed
        self.scale, self.step = np.ones(n), kernel.first_step(n)
        self.evaluations = self.count = 0

    def advance(self, state: ChainState, step: float) -> tuple[ChainState, float]:
        """Do one step of all chains; return the mean acceptance too."""
        rng = keyed_rng(self.seed, "chain", self.count)
        self.count += 1
        result = self.kernel.step(self.density, state, rng, step, self.scale)
        self.evaluations += result.evaluations
        return result.state, float(result.acceptance.mean())

    def warm_up(self, state: ChainState, steps: int) -> ChainState:
        """Adapt the step, then the scales, then the step to them."""
        settle, scales = int(SETTLE * steps), int((SETTLE + SCALES) * steps)
        adapt = DualAveraging(self.step, self.kernel.target_acceptance)
        seen = RunningScale(len(self.scale))
        for i in range(steps):
            state, acceptance = self.advance(state, adapt.step)
            adapt.update(acceptance)
            if settle <= i < scales:
                seen.add(state.x)
            if i == scales - 1:
                self.scale = seen.scale()
                first = self.kernel.first_step(len(self.scale))
                adapt = DualAveraging(first, self.kernel.target_acceptance)
        self.step = adapt.averaged
        return state


def _kernel(kernel: str | Kernel) -> Kernel:
    if not isinstance(kernel, str):
        return kernel
    if kernel not in KERNELS:
        raise ConfigError(f"'kernel' must be one of {sorted(KERNELS)}, got '{kernel}'.")
    chosen: Kernel = KERNELS[kernel]()
    return chosen


def _checked(start: Array, warmup: int, draws: int) -> Array:
    x = np.array(start, dtype=np.float64)
    if x.ndim != 2 or x.size == 0:
        raise ConfigError(
            f"'start' must have shape (chains, unknowns), got {x.shape}; use start[None] for "
            "one chain."
        )
    if warmup < 0 or draws < 1:
        raise ConfigError(
            f"'warmup' must be at least 0 and 'draws' at least 1, got {warmup} and {draws}."
        )
    return x
