"""Stochastic SVGD: SVGD with the noise that makes it a sampler (Gallego & Insua 2018).

arXiv 1812.00071. All particles together are one point `z` of a chain whose stationary density
is the product of the target's: `z' = z + step (K grad log p + div K) + N(0, 2 step K)`, with
`K` the kernel of the particles. Each move of all particles is accepted or refused by Metropolis
and Hastings, which makes the chain exact for any step; without (`correction: none`) its bias
grows with the step, and nothing in the chain shows it. The kernel's bandwidth and metric follow
the particles during the burn-in and are then fixed: were they to follow them on, their
derivatives would be part of `div K`.
"""

from dataclasses import dataclass, field, replace
from typing import Annotated, ClassVar, Final, Literal

import numpy as np
import torch
from pydantic import Field, PositiveFloat, PositiveInt
from torch import Tensor

from pvi_hpc.errors import ConfigError
from pvi_hpc.inference.history import Info
from pvi_hpc.inference.methods.chain import collect, collected, fresh_chain
from pvi_hpc.inference.methods.particle_kernel import Kernel
from pvi_hpc.inference.methods.particles import (
    PARTICLES,
    KernelOptions,
    ParticleMethod,
    Seen,
)
from pvi_hpc.inference.optimisers.optimiser import DEFAULT_STEP, step_of
from pvi_hpc.inference.state import State
from pvi_hpc.numerics.random import keyed_rng
from pvi_hpc.plugins import Settings

__all__ = ["StochasticSvgd"]

#: Acceptance that the burn-in steers to: the best of a gradient-driven chain in many
#: dimensions (Roberts & Rosenthal 1998, JRSS B 60).
ACCEPTANCE: Final = 0.574


class StochasticOptions(KernelOptions):
    """Options of `ssvgd`."""

    correction: Literal["metropolis", "none"] = Field(
        "metropolis",
        description="Metropolis-Hastings test of each move; none: for minibatches of shots, "
        "biased by the step.",
    )
    burn_in: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.5,
        description="Share of the iterations that are thrown away.",
        json_schema_extra={"unit": "1"},
    )
    thinning: PositiveInt = Field(
        1,
        description="Iterations between two collected sets of particles.",
        json_schema_extra={"unit": "iterations"},
    )
    kept: PositiveInt = Field(
        400,
        description="Samples kept; the thinning grows until they suffice.",
        json_schema_extra={"unit": "samples"},
    )
    nugget: PositiveFloat = Field(
        1e-3,
        description="Added to the kernel of a particle with itself, which is 1.",
        json_schema_extra={"unit": "1"},
    )


@dataclass(frozen=True)
class Proposal:
    """Proposed particles of the chain, `(N, n)`, and the particles that proposed them."""

    particles: Tensor
    drift: Tensor
    kernel: Kernel


@dataclass(frozen=True)
class StochasticSvgd(ParticleMethod):
    """Stochastic SVGD: a sampler with `inference.samples` interacting particles.

    `inference.optimiser.step` is the first step, which the burn-in steers to a good acceptance;
    without correction it is the step, with its `schedule`. Its other settings do not count.
    """

    Options: ClassVar[type[Settings]] = StochasticOptions

    options: StochasticOptions = field(default_factory=StochasticOptions)

    def check(self) -> None:
        """Raise ConfigError where settings ask for what particles do not have."""
        self.check_particles()
        if self._corrected and self.settings.shots_per_sample is not None:
            raise ConfigError(
                "'inference.method.options.correction: metropolis' compares log densities and "
                "needs all shots: 'inference.shots_per_sample' must be null, got "
                f"{self.settings.shots_per_sample}; remove it, or choose 'correction: none' "
                "and a step so small that half of it gives the same answer."
            )

    def phase(self, iteration: int) -> str:
        """Return the phase of the start, "burn_in" or "sampling"."""
        if iteration < self.start.iterations:
            return self.before(iteration)
        burns = iteration - self.start.iterations < self._burn_in
        return "burn_in" if burns else "sampling"

    def memory(self, particles: Tensor) -> dict[str, dict[str, Tensor]]:
        """Return the empty chain, the bandwidth, and the last gradients where needed."""
        options = self.options
        memory = {
            "step": {"bandwidth": torch.ones((), dtype=torch.float64)},
            "chain": fresh_chain(particles, options.kept, options.thinning),
        }
        if self._corrected:
            memory["last"] = {
                "gradient": torch.zeros_like(particles),
                "log_likelihood": torch.zeros(len(particles), dtype=torch.float64),
                "log_prior": torch.zeros(len(particles), dtype=torch.float64),
            }
            memory["step"]["log_scale"] = torch.zeros((), dtype=torch.float64)
        return memory

    def move(self, state: State) -> tuple[State, Info]:
        """Do one iteration of the particles."""
        i, x = state.iteration - self.start.iterations, state.parameters[PARTICLES]
        if self._corrected:
            seen, size, step = self._corrected_move(state, i)
        else:
            step = step_of(self.settings.optimiser, i, self.settings.iterations)
            seen = self.look(x, state.iteration)
            self._adapt(state, x, seen.gradient, i)
            proposal, size = self._propose(state, seen.gradient, i, step)
            x.copy_(proposal.particles)
        if i >= self._burn_in:
            collect(state.memory["chain"], x, i - self._burn_in)
        info = self.report(state.iteration, seen, size, step)
        return replace(state, iteration=state.iteration + 1), info

    def sample(self, state: State, n: int, first: int = 0) -> Tensor:
        """Return draws `first` to `first + n` `(n, cells)`: collected samples, shuffled.

        Particles as they are where none has been collected yet; again from the first after
        the last.
        """
        chain = state.memory.get("chain")
        samples = collected(chain) if chain and int(chain["sets"]) else None
        if samples is None:
            samples = self.particles(state)
        order = keyed_rng(self.seed, "posterior").permutation(len(samples))
        return samples[torch.from_numpy(order[np.arange(first, first + n) % len(order)])]

    @property
    def _corrected(self) -> bool:
        return self.options.correction == "metropolis"

    @property
    def _burn_in(self) -> int:
        return int(self.options.burn_in * self.settings.iterations)

    def _weight(self, i: int) -> float:
        """Weight of the target's gradient in iteration `i`: annealed in the burn-in only."""
        burn_in = self._burn_in
        return self.options.annealing.weight(i, burn_in) if i < burn_in else 1.0

    def _adapt(self, state: State, x: Tensor, gradient: Tensor, i: int) -> None:
        """Let the kernel's metric and bandwidth follow, during the burn-in."""
        if i > 0 and i >= self._burn_in:
            return
        metric = state.memory["kernel"]["metric"]
        if self.options.kernel == "diagonal":
            self.learn_metric(metric, gradient, i)
        state.memory["step"]["bandwidth"].fill_(Kernel.of(x, metric).bandwidth)

    def _kernel(self, state: State, x: Tensor) -> Kernel:
        bandwidth = float(state.memory["step"]["bandwidth"])
        metric = state.memory["kernel"]["metric"]
        return Kernel.of(x, metric, bandwidth, self.options.nugget)

    def _propose(
        self, state: State, gradient: Tensor, i: int, step: float
    ) -> tuple[Proposal, float]:
        """Return the next point and the norm of the drift; `gradient` becomes the drift."""
        x = state.parameters[PARTICLES]
        gradient.mul_(self._weight(i))
        kernel = self._kernel(state, x)
        size = kernel.direction(x, gradient)
        noise, rng = torch.empty_like(x), keyed_rng(self.seed, "noise", state.iteration)
        for row in noise:
            row.copy_(torch.from_numpy(rng.standard_normal(self.n)))
        kernel.colour(noise)
        moved = noise.mul_((2 * step) ** 0.5).add_(x).add_(gradient, alpha=step)
        return Proposal(moved, gradient, kernel), size

    def _corrected_move(self, state: State, i: int) -> tuple[Seen, float, float]:
        """Propose, look, and accept or stay; the first time only look."""
        x, last = state.parameters[PARTICLES], state.memory["last"]
        log_scale = state.memory["step"]["log_scale"]
        step = (self.settings.optimiser.step or DEFAULT_STEP) * float(log_scale.exp())
        if i == 0:
            seen = self.look(x, state.iteration)
            self._adapt(state, x, seen.gradient, 0)
            _remember(last, seen)
            return seen, 0.0, step
        proposal, size = self._propose(state, last["gradient"].clone(), i, step)
        seen = self.look(proposal.particles, state.iteration)
        accepted, probability = self._accepts(state, proposal, seen, i, step)
        if accepted:
            x.copy_(proposal.particles)
            _remember(last, seen)
        if i < self._burn_in:
            log_scale.add_((probability - ACCEPTANCE) / i**0.5)
            self._adapt(state, x, last["gradient"], i)
        return seen, size, step

    def _accepts(
        self, state: State, proposal: Proposal, seen: Seen, i: int, step: float
    ) -> tuple[bool, float]:
        """Return whether to go, and with what probability (Hastings 1970)."""
        x, y, last = state.parameters[PARTICLES], proposal.particles, state.memory["last"]
        forward = proposal.kernel.log_normal(y - x - step * proposal.drift, 2 * step)
        back_kernel, drift = self._kernel(state, y), seen.gradient * self._weight(i)
        back_kernel.direction(y, drift)
        backward = back_kernel.log_normal(x - y - step * drift, 2 * step)
        gain = (seen.log_likelihood + seen.log_prior).numpy().sum()
        gain -= (last["log_likelihood"] + last["log_prior"]).numpy().sum()
        log_ratio = self._weight(i) * float(gain) + backward - forward
        # A dropped simulation gives no density: the chain never goes there and always leaves.
        log_ratio = -np.inf if seen.log_likelihood.isnan().any() else log_ratio
        probability = 1.0 if np.isnan(log_ratio) else float(np.exp(min(0.0, log_ratio)))
        draw = keyed_rng(self.seed, "metropolis", state.iteration).random()
        return bool(draw < probability), probability


def _remember(last: dict[str, Tensor], seen: Seen) -> None:
    last["gradient"].copy_(seen.gradient)
    last["log_likelihood"].copy_(seen.log_likelihood)
    last["log_prior"].copy_(seen.log_prior)
