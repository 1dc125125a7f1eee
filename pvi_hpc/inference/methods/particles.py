"""Base of the particle methods: particles around the start, and their target's gradient.

A particle is one sample: `inference.samples` of them are simulated in every iteration. They
need no family.
"""

from abc import abstractmethod
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from pvi_hpc.cost import SimulationCount
from pvi_hpc.errors import ConfigError
from pvi_hpc.families.family import LOCATION
from pvi_hpc.families.gaussian.mean_field import MeanField
from pvi_hpc.inference.configured import ConfiguredMethod
from pvi_hpc.inference.finite import check_values
from pvi_hpc.inference.history import Info
from pvi_hpc.inference.methods.annealing import Annealing
from pvi_hpc.inference.methods.particle_kernel import by_columns
from pvi_hpc.inference.methods.vi import VariationalInference
from pvi_hpc.inference.state import State
from pvi_hpc.inference.target import TargetValue
from pvi_hpc.numerics.random import keyed_rng
from pvi_hpc.plugins import Settings

__all__ = ["PARTICLES", "KernelOptions", "ParticleMethod"]

#: The only parameter once the start is over: `(N, n)`.
PARTICLES: Final = "particles"

#: Numbers of particles and unknowns that are given to the target at once: 0.8 GB in float64.
BATCH_NUMBERS: Final = 100_000_000

#: Memory of the diagonal metric: about the last twenty iterations.
METRIC_DECAY: Final = 0.95


class KernelOptions(Settings):
    """Options of every particle method."""

    kernel: Literal["rbf", "diagonal"] = Field(
        "rbf",
        description="Distances between particles: of the unknowns as they are, or each scaled "
        "by what the data say of it (diagonal).",
    )
    annealing: Annealing = Field(
        Annealing(), description="Weight of the target's gradient in the first iterations."
    )


@dataclass(frozen=True)
class Seen:
    """The target at all particles: what is reported, and the gradients `(N, n)`."""

    log_likelihood: Tensor
    log_prior: Tensor
    chi_squared: float
    gradient: Tensor
    count: SimulationCount


@dataclass(frozen=True)
class ParticleMethod(ConfiguredMethod):
    """Base of SVGD and sSVGD: all but what an iteration does with the gradients."""

    @property
    def n(self) -> int:
        """Number of unknowns."""
        return self.family.n

    def init(self, mean: Tensor, sd: float) -> State:
        """Return the first state: independent cells while the start lasts, then particles."""
        state = self._before.init(mean, sd)
        return state if self.start.iterations else self.scattered(state)

    def step(self, state: State) -> tuple[State, Info]:
        """Do one iteration, changing the tensors of `state` in place; use what is returned.

        Raises
        ------
        NonFiniteError
            If a log density or gradient is not finite; `state` is then unchanged.
        """
        if state.iteration < self.start.iterations:
            state, info = self._before.step(state)
            over = state.iteration == self.start.iterations
            return (self.scattered(state) if over else state), info
        return self.move(state)

    def check_particles(self) -> None:
        """Raise ConfigError where settings ask for what only a family has."""
        stencil = self.start.hessian.stencil if self.start.hessian else None
        self.refuse("start.hessian.stencil", stencil, "it starts from independent cells")
        self.refuse("inference.stop", self.settings.stop, "particles have no ELBO")
        if self.settings.optimiser.kind == "natural":
            raise ConfigError(
                "'inference.optimiser.kind: natural' needs a family that knows its Fisher "
                f"information, got particles of '{self.settings.method.kind}'; choose 'adam' "
                "or 'sgd'."
            )

    @abstractmethod
    def move(self, state: State) -> tuple[State, Info]:
        """Do one iteration of the particles."""

    @abstractmethod
    def memory(self, particles: Tensor) -> dict[str, dict[str, Tensor]]:
        """Return what the method remembers, before its first iteration."""

    def log_prob(self, state: State, theta: Tensor) -> None:
        """Return None: particles have no density."""

    def particles(self, state: State) -> Tensor:
        """Return the particles `(N, n)`; while the start lasts those it would begin with."""
        found = state.parameters.get(PARTICLES)
        return self.scattered(state).parameters[PARTICLES] if found is None else found

    def scattered(self, state: State) -> State:
        """Return the state with particles drawn from independent cells."""
        cells = state.parameters
        particles = torch.empty(self.settings.samples, self.n, dtype=cells[LOCATION].dtype)
        for i, particle in enumerate(particles):
            eps = self.normal("particle", i).to(particle.dtype)[None]
            particle.copy_(self._before.family.sample(cells, eps)[0])
        metric = {"metric": torch.ones(self.n, dtype=particles.dtype)}
        memory = {"kernel": metric, **self.memory(particles)}
        return State(state.iteration, {PARTICLES: particles}, memory)

    def look(self, particles: Tensor, iteration: int) -> Seen:
        """Return the target at all particles, a batch of them after the other.

        A particle whose simulation was dropped has a likelihood of NaN and no gradient: for
        this iteration it only feels the others.
        """
        batches = self.target.batches(iteration, len(particles))
        size = max(1, BATCH_NUMBERS // self.n)
        gradient = torch.empty_like(particles)
        values: list[TargetValue] = []
        for first in range(0, len(particles), size):
            part = slice(first, first + size)
            value = self.target.value(particles[part], batches[part])
            seen = torch.nonzero(~value.log_likelihood.isnan())[:, 0]
            seen = seen if value.count.dropped else torch.arange(len(value.log_prior))
            check_values(value.only(seen), iteration)
            gradient[part] = 0
            gradient[part][seen] = value.gradient[seen].to(gradient.dtype)
            values.append(replace(value, gradient=torch.empty(0)))
        count = values[0].count
        for value in values[1:]:
            count += value.count
        return Seen(
            torch.cat([value.log_likelihood for value in values]),
            torch.cat([value.log_prior for value in values]),
            float(torch.cat([value.chi_squared for value in values]).nanmean()),
            gradient,
            count,
        )

    def learn_metric(self, metric: Tensor, gradient: Tensor, i: int) -> None:
        """Take the mean square of the gradients `(N, n)` into the metric `(n,)`, in place.

        At the posterior it is the diagonal of its Fisher information, `E[g^2] = -E[d^2 log p]`.
        """
        weight = (1 - METRIC_DECAY) / (1 - METRIC_DECAY ** (i + 1))

        def work(columns: slice) -> None:
            part = gradient[:, columns].double()
            square = (part * part).mean(dim=0).clamp_(min=torch.finfo(torch.float32).tiny)
            old = metric[columns].double()
            metric[columns] = (old + weight * (square - old)).to(metric.dtype)

        for _ in by_columns(work, self.n):
            pass

    def report(self, iteration: int, seen: Seen, size: float, step: float) -> Info:
        """Return what an iteration says; `size` is the norm of the direction."""
        unknown = np.full(len(seen.log_prior), np.nan)
        return Info(
            iteration=iteration,
            phase=self.phase(iteration),
            terms=unknown,
            log_likelihood=seen.log_likelihood.numpy(),
            log_prior=seen.log_prior.numpy(),
            log_q=unknown,
            chi_squared=seen.chi_squared,
            gradient_norm=size,
            score_weight=0.0,
            step=step,
            count=seen.count,
        )

    def before(self, iteration: int) -> str:
        """Return the phase of an iteration of the start."""
        return self._before.phase(iteration)

    @abstractmethod
    def phase(self, iteration: int) -> str:
        """Return the phase that an iteration belongs to."""

    @cached_property
    def _before(self) -> VariationalInference:
        """The start is that of independent cells."""
        cells = MeanField(self.n)
        return VariationalInference(cells, self.target, self.settings, self.start, self.seed)

    def normal(self, purpose: str, *index: int) -> Tensor:
        """Return the normal numbers `(n,)` float64 of a key."""
        rng = keyed_rng(self.seed, purpose, *index)
        return torch.from_numpy(rng.standard_normal(self.n))
