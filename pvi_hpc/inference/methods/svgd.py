"""Stein variational gradient descent (Liu & Wang 2016, arXiv 1608.04471).

Particles climb the target's density and repel each other. Deterministic but for the start.
With fewer particles than unknowns their variance is too small: see docs/theory/particles.md.
"""

from dataclasses import dataclass, field, replace
from typing import ClassVar

import torch
from torch import Tensor

from pvi_hpc.inference.history import Info
from pvi_hpc.inference.methods.particle_kernel import Kernel, by_columns
from pvi_hpc.inference.methods.particles import PARTICLES, KernelOptions, ParticleMethod
from pvi_hpc.inference.optimisers.optimiser import descend, fresh_memory, step_of
from pvi_hpc.inference.state import State
from pvi_hpc.plugins import Settings

__all__ = ["Svgd"]


class SvgdOptions(KernelOptions):
    """Options of `svgd`."""


@dataclass(frozen=True)
class Svgd(ParticleMethod):
    """Stein variational gradient descent of `inference.samples` particles."""

    Options: ClassVar[type[Settings]] = SvgdOptions

    options: SvgdOptions = field(default_factory=SvgdOptions)

    def check(self) -> None:
        """Raise ConfigError where settings ask for what particles do not have."""
        self.check_particles()

    def phase(self, iteration: int) -> str:
        """Return the phase of the start, or "svgd"."""
        before = iteration < self.start.iterations
        return self.before(iteration) if before else "svgd"

    def memory(self, particles: Tensor) -> dict[str, dict[str, Tensor]]:
        """Return the optimiser's memory."""
        return fresh_memory(self.settings.optimiser, {PARTICLES: particles})

    def move(self, state: State) -> tuple[State, Info]:
        """Do one iteration of the particles."""
        i, n = state.iteration - self.start.iterations, self.settings.iterations
        x = state.parameters[PARTICLES]
        seen = self.look(x, state.iteration)
        metric = state.memory["kernel"]["metric"]
        if self.options.kernel == "diagonal":
            self.learn_metric(metric, seen.gradient, i)
        seen.gradient.mul_(self.options.annealing.weight(i, n))
        size = Kernel.of(x, metric).direction(x, seen.gradient, 1 / len(x))
        step = step_of(self.settings.optimiser, i, n)
        self._descend(state, seen.gradient, i, step)
        info = self.report(state.iteration, seen, size, step)
        return replace(state, iteration=state.iteration + 1), info

    def sample(self, state: State, n: int, first: int = 0) -> Tensor:
        """Return particles `first` to `first + n` `(n, cells)`, again from 0 after the last."""
        x = self.particles(state)
        return x[torch.arange(first, first + n) % len(x)].clone()

    def _descend(self, state: State, direction: Tensor, i: int, step: float) -> None:
        """Move the particles in place, a block of columns at a time, to save memory."""

        def work(columns: slice) -> None:
            moments = {
                name: {PARTICLES: tree[PARTICLES][:, columns]}
                for name, tree in state.memory.items()
                if PARTICLES in tree
            }
            x = {PARTICLES: state.parameters[PARTICLES][:, columns]}
            down = {PARTICLES: -direction[:, columns]}
            descend(self.settings.optimiser, x, down, moments, i, {PARTICLES: step})

        for _ in by_columns(work, self.n):
            pass
