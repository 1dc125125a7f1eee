"""Pathfinder: the Gaussian of largest ELBO along the paths of a quasi-Newton search.

Zhang, Carpenter, Gelman & Vehtari (2022), JMLR 23(306). Several paths climb the log density
from points around the start. At points along each the inverse Hessian of L-BFGS makes a
Gaussian, whose ELBO is estimated from a few draws. The best of every path together make a
mixture; draws of it, weighted towards the posterior by smoothed importance weights (PSIS,
Vehtari et al. 2024), are the answer.
"""

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import ClassVar, Final

import numpy as np
import torch
from pydantic import Field, PositiveInt
from torch import Tensor

from pvi_hpc.errors import ConfigError, NonFiniteError
from pvi_hpc.families.family import LOCATION
from pvi_hpc.families.gaussian.mean_field import MeanField
from pvi_hpc.inference.configured import ConfiguredMethod
from pvi_hpc.inference.history import Info
from pvi_hpc.inference.method import Evaluations
from pvi_hpc.inference.methods.vi import VariationalInference
from pvi_hpc.inference.paths.gaussians import PathGaussian
from pvi_hpc.inference.paths.mixture import PathMixture, spread, told
from pvi_hpc.inference.paths.search import PathSearch, fresh_search
from pvi_hpc.inference.settings import OptimiserSettings
from pvi_hpc.inference.state import State
from pvi_hpc.numerics.random import keyed_rng
from pvi_hpc.plugins import Settings

__all__ = ["Pathfinder", "PathfinderOptions"]

#: Name in a state's memory.
SEARCH: Final = "search"
#: Fewest iterations: one step of the search, one look, and the draws.
FEWEST: Final = 4


class PathfinderOptions(Settings):
    """Options of `pathfinder`; `inference.samples` is the number of paths."""

    looks: PositiveInt = Field(
        25,
        description="Points of each path whose Gaussian is tried, at most a quarter of the "
        "iterations.",
        json_schema_extra={"unit": "points"},
    )
    draws: PositiveInt = Field(
        10,
        description="Draws of each that estimate its ELBO.",
        json_schema_extra={"unit": "draws"},
    )
    kept: int = Field(
        1000,
        ge=0,
        description="Draws of the mixture that importance weights are given; 0: the mixture "
        "itself is the answer.",
        json_schema_extra={"unit": "draws"},
    )


@dataclass(frozen=True)
class Pathfinder(ConfiguredMethod):
    """Pathfinder of `inference.samples` paths, at most `inference.iterations` long."""

    Options: ClassVar[type[Settings]] = PathfinderOptions

    options: PathfinderOptions = field(default_factory=PathfinderOptions)

    def check(self) -> None:
        """Raise ConfigError where settings ask for what a search does not have."""
        settings = self.settings
        if settings.iterations < FEWEST:
            raise ConfigError(
                f"'inference.iterations' must be at least {FEWEST} with 'pathfinder', got "
                f"{settings.iterations}."
            )
        if settings.optimiser != OptimiserSettings():
            raise ConfigError(
                "'inference.optimiser' must be left out with 'pathfinder', whose search is "
                "L-BFGS; remove it."
            )
        stencil = self.start.hessian.stencil if self.start.hessian else None
        self.refuse("start.hessian.stencil", stencil, "paths start from independent cells")
        self.refuse("inference.stop", settings.stop, "paths end by themselves")
        shots = settings.shots_per_sample
        self.refuse("inference.shots_per_sample", shots, "its line search needs all shots")

    @property
    def looks(self) -> int:
        """Iterations that look at Gaussians along the paths."""
        return min(self.options.looks, self.settings.iterations // 4)

    @property
    def climbs(self) -> int:
        """Iterations of the search at most."""
        return self.settings.iterations - self.looks - (1 if self.options.kept else 0)

    def phase(self, iteration: int) -> str:
        """Return the phase of the start, "climb", "look" or "weigh".

        Paths may be at their ends before; the later phases then begin earlier.
        """
        i = iteration - self.start.iterations
        if i < 0:
            return self._before.phase(iteration)
        if i < self.climbs:
            return "climb"
        return "look" if i < self.climbs + self.looks else "weigh"

    def evaluations(self, iteration: int) -> Evaluations:
        """Return the models of an iteration, should the paths be as long as they may."""
        if iteration < self.start.iterations:
            return super().evaluations(iteration)
        paths = self.settings.samples
        counts = {
            "climb": paths,
            "look": paths * self.options.draws,
            "weigh": self.options.kept,
        }
        return Evaluations(whole=counts[self.phase(iteration)])

    def init(self, mean: Tensor, sd: float) -> State:
        """Return the first state: independent cells, and then paths from points around them."""
        state = self._before.init(mean.double(), sd)
        return state if self.start.iterations else self._scattered(state)

    def step(self, state: State) -> tuple[State, Info]:
        """Do one iteration, changing the tensors of `state` in place; use what is returned.

        Raises
        ------
        NonFiniteError
            If a log density or gradient of the start is not finite, or no path begins where
            they are, or no Gaussian along the paths has a density.
        """
        if state.iteration < self.start.iterations:
            state, info = self._before.step(state)
            over = state.iteration == self.start.iterations
            return (self._scattered(state) if over else state), info
        search, mixture = PathSearch(state.memory[SEARCH]), PathMixture(state.parameters)
        i = state.iteration - self.start.iterations
        if i < self.climbs and search.active:
            return self._climb(state, search)
        if mixture.looks < self.looks:
            return self._look(state, search, mixture)
        return self._weigh(state, mixture)

    def sample(self, state: State, n: int, first: int = 0) -> Tensor:
        """Return posterior draws `first` to `first + n` of `theta`, `(n, cells)`.

        With importance weights each is one of the draws that are kept, as often as its weight
        says. Before a Gaussian has been tried, the points where paths begin, in turn.
        """
        mixture = PathMixture(state.parameters)
        if not mixture.is_known:
            start = state.memory[SEARCH]["points"][:, 0] if SEARCH in state.memory else None
            rows = state.parameters[LOCATION][None] if start is None else start
            return rows[torch.arange(first, first + n) % len(rows)].clone()
        keys = range(first, first + n)
        uniform = [float(keyed_rng(self.seed, "choice", k).random()) for k in keys]
        if mixture.is_weighted:
            return mixture.resampled(np.array(uniform))
        eps = torch.stack([self._normal("posterior", k) for k in keys])
        return mixture.sample(np.array(uniform), eps)

    def log_prob(self, state: State, theta: Tensor) -> Tensor | None:
        """Return the log density of the mixture; None where draws have importance weights."""
        mixture = PathMixture(state.parameters)
        if mixture.is_weighted or not mixture.is_known:
            return None
        return mixture.log_prob(theta.double())

    def moments(self, state: State) -> tuple[Tensor, Tensor]:
        """Return mean and sd of the unknowns, `(n,)` each, float64."""
        mixture = PathMixture(state.parameters)
        return mixture.moments() if mixture.is_weighted else super().moments(state)

    def k_hat(self, state: State) -> float | None:
        """Return Pareto k-hat of the importance weights; None where there are none."""
        found = state.parameters.get("k_hat")
        return None if found is None or bool(found.isnan()) else float(found)

    def _climb(self, state: State, search: PathSearch) -> tuple[State, Info]:
        active = search.active
        points = state.memory[SEARCH]["tried"][active].clone()
        value = self.target.value(points)
        density = value.log_likelihood + value.log_prior
        for p, row, gradient in zip(active, density.tolist(), value.gradient, strict=True):
            search.take(p, row, gradient.double().numpy())
        if not search.active and not any(len(search.path(p)) for p in self._paths):
            raise NonFiniteError(
                f"Iteration {state.iteration}: the log density or its gradient is not finite "
                "where any path begins; give a start where it is."
            )
        return told(state, "climb", value)

    def _look(
        self, state: State, search: PathSearch, mixture: PathMixture
    ) -> tuple[State, Info]:
        look, draws = mixture.looks, self.options.draws
        for p in self._paths:  # they have ended
            if p not in self._along:
                self._along[p] = spread(search.path(p), self.looks)
        found = {p: along[look] for p, along in self._along.items() if look < len(along)}
        rows = []
        for p, q in found.items():
            eps = torch.stack([self._normal("look", look, p, k) for k in range(draws)])
            rows.append(q.sample(eps))
        if not rows:  # no path has a Gaussian here
            mixture.looked({}, {})
            return told(state, "look", None)
        theta = torch.cat(rows)
        value = self.target.value(theta)
        terms = (value.log_likelihood + value.log_prior).reshape(len(found), draws)
        log_q = torch.stack([q.log_prob(x) for q, x in zip(found.values(), rows, strict=True)])
        elbos = (terms - log_q).mean(dim=1)
        mixture.looked(found, dict(zip(found, elbos.tolist(), strict=True)))
        return told(state, "look", value, log_q.reshape(-1))

    def _weigh(self, state: State, mixture: PathMixture) -> tuple[State, Info]:
        if not mixture.is_known:
            raise NonFiniteError(
                f"Iteration {state.iteration}: no Gaussian along the paths has a finite ELBO; "
                "start elsewhere, or give more 'inference.samples', which are the paths."
            )
        kept = self.options.kept
        if not kept:
            state, info = told(state, "weigh", None)
            return replace(state, converged=True), info
        uniform = [float(keyed_rng(self.seed, "kept", k).random()) for k in range(kept)]
        eps = torch.stack([self._normal("kept", k) for k in range(kept)])
        theta = mixture.sample(np.array(uniform), eps)
        value, log_q = self.target.value(theta), mixture.log_prob(theta)
        mixture.weigh(theta, (value.log_likelihood + value.log_prior - log_q).numpy())
        state, info = told(state, "weigh", value, log_q)
        return replace(state, converged=True), info

    @cached_property
    def _along(self) -> dict[int, list[PathGaussian]]:
        """Gaussians along each path, of those that have been asked for."""
        return {}

    @property
    def _paths(self) -> range:
        return range(self.settings.samples)

    @property
    def _before(self) -> VariationalInference:
        """The start is that of independent cells."""
        cells = MeanField(self.family.n)
        return VariationalInference(cells, self.target, self.settings, self.start, self.seed)

    def _scattered(self, state: State) -> State:
        """Return the state with paths that begin at the mean and at draws of the cells."""
        eps = torch.stack([self._normal("path", p) for p in self._paths])
        eps[0] = 0
        cells = {name: part.double() for name, part in state.parameters.items()}
        first = MeanField(self.family.n).sample(cells, eps)
        memory = {SEARCH: fresh_search(first, self.climbs + 1)}
        parameters = PathMixture.fresh(len(self._paths), self.family.n, self.options.kept)
        return State(state.iteration, parameters, memory)

    def _normal(self, purpose: str, *index: int) -> Tensor:
        rng = keyed_rng(self.seed, purpose, *index)
        return torch.from_numpy(rng.standard_normal(self.family.n))
