"""A method of inference: the sampler of Metropolis et al. (1953), for a few unknowns."""

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import torch
from pydantic import Field, PositiveFloat
from torch import Tensor

from pvi_hpc.inference.configured import ConfiguredMethod
from pvi_hpc.inference.history import Info
from pvi_hpc.inference.method import Evaluations
from pvi_hpc.inference.state import State
from pvi_hpc.inference.target import TargetValue
from pvi_hpc.numerics.random import keyed_rng
from pvi_hpc.plugins import Settings

__all__ = ["RandomWalk"]


class WalkOptions(Settings):
    """Options of `random_walk`."""

    length: PositiveFloat = Field(
        1.0,
        description="Standard deviation of a proposed step, along each unknown.",
        json_schema_extra={"unit": "prior sd"},
    )


@dataclass(frozen=True)
class RandomWalk(ConfiguredMethod):
    """Random-walk Metropolis: one model an iteration, for a handful of unknowns."""

    Options: ClassVar[type[Settings]] = WalkOptions

    options: WalkOptions = field(default_factory=WalkOptions)

    def check(self) -> None:
        """Raise ConfigError where settings ask for what a chain does not have."""
        self.refuse("start.hessian", self.start.hessian, "a chain needs no curvature")
        self.refuse("inference.stop", self.settings.stop, "a chain has no ELBO")

    def evaluations(self, iteration: int) -> Evaluations:
        """Return one model: densities are compared, which needs all shots."""
        return Evaluations(whole=1)

    def phase(self, iteration: int) -> str:
        """Return the one phase that there is."""
        return "walk"

    def init(self, mean: Tensor, sd: float) -> State:
        """Return the first state: the chain stands at `mean` `(n,)`."""
        chain = torch.zeros(self.n_iterations, self.family.n, dtype=torch.float64)
        density = torch.tensor(-torch.inf, dtype=torch.float64)
        return State(
            0, {"point": mean.double().clone(), "chain": chain}, {"last": {"p": density}}
        )

    def step(self, state: State) -> tuple[State, Info]:
        """Propose, compare, and go or stay."""
        i, point = state.iteration, state.parameters["point"].clone()
        rng = keyed_rng(self.seed, "walk", i)
        move = torch.from_numpy(rng.standard_normal(self.family.n))
        proposed = point + self.options.length * move * (i > 0)
        value = self.target.value(proposed[None])
        found = value.log_likelihood + value.log_prior
        last = state.memory["last"]["p"]
        if np.log(rng.random()) < float(found[0] - last):
            point, last = proposed, found[0]
        chain = state.parameters["chain"].clone()
        chain[i] = point
        parameters = {"point": point, "chain": chain}
        return State(i + 1, parameters, {"last": {"p": last}}), _info(i, value)

    def sample(self, state: State, n: int, first: int = 0) -> Tensor:
        """Return points of the second half of the chain, shuffled, `(n, cells)`."""
        done = state.parameters["chain"][state.iteration // 2 : state.iteration]
        order = keyed_rng(self.seed, "draws").permutation(len(done))
        return done[torch.from_numpy(order[np.arange(first, first + n) % len(order)])]

    def log_prob(self, state: State, theta: Tensor) -> None:
        """Return None: a chain has no density."""


def _info(iteration: int, value: TargetValue) -> Info:
    unknown = np.full(1, np.nan)
    return Info(
        iteration=iteration,
        phase="walk",
        terms=unknown,
        log_likelihood=value.log_likelihood.numpy(),
        log_prior=value.log_prior.numpy(),
        log_q=unknown,
        chi_squared=float(value.chi_squared[0]),
        gradient_norm=float("nan"),
        score_weight=0.0,
        step=0.0,
        count=value.count,
    )
