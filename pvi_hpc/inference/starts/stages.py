"""Iterations before the variational ones: MAP phase, metric, polish, curvature, Newton step."""

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import torch
from torch import Tensor

from pvi_hpc.families.family import LOCATION, Family, Parameters
from pvi_hpc.inference.history import Info
from pvi_hpc.inference.optimisers.optimiser import DEFAULT_STEP
from pvi_hpc.inference.settings import OptimiserSettings, StartSettings
from pvi_hpc.inference.starts.hessian_start import HessianStart
from pvi_hpc.inference.starts.lbfgs import LBFGS, LbfgsSearch, fresh_pairs
from pvi_hpc.inference.starts.map_search import MAP_AVERAGE, MapSearch
from pvi_hpc.inference.starts.newton_step import NewtonStep
from pvi_hpc.inference.starts.noise_metric import NoiseMetric
from pvi_hpc.inference.starts.noise_start import NoiseStart
from pvi_hpc.inference.starts.tao import Tao, TaoSearch
from pvi_hpc.inference.state import State
from pvi_hpc.inference.target import Target

__all__ = ["Stage", "Stages"]


class Stage(Protocol):
    """Iterations of one kind."""

    def step(self, state: State) -> tuple[State, Info]:
        """Do one iteration."""
        ...


@dataclass(frozen=True)
class Stages:
    """The stages of a start, in order.

    Parameters
    ----------
    family, target
        The distribution and the density that it approaches.
    settings
        Which stages there are.
    optimiser
        Optimiser of the variational iterations; the MAP phase takes what is not its own.
    seed
        Seed of all draws.
    """

    family: Family
    target: Target
    settings: StartSettings
    optimiser: OptimiserSettings
    seed: int

    def phase(self, iteration: int) -> str:
        """Return "map" or "hessian"."""
        if self._is_metric(iteration):
            return "hessian"
        return "map" if iteration < self.settings.to_map else "hessian"

    def memory(self, mean: Tensor, parameters: Parameters) -> dict[str, Parameters]:
        """Return what the stages remember, beside the memory of the optimiser."""
        settings, memory = self.settings, {}
        by_lbfgs = settings.map_optimiser == "lbfgs"
        ours = settings.lbfgs == "own"
        if ours and (settings.polish or (settings.map_iterations and by_lbfgs)):
            memory[LBFGS] = fresh_pairs(mean, metric=self._metric is not None)
        if settings.map_iterations and not by_lbfgs:
            for name in ("first", "second"):  # of Adam, where the optimiser is another
                memory[name] = {LOCATION: torch.zeros_like(parameters[LOCATION])}
            if settings.map_average:
                memory[MAP_AVERAGE] = {LOCATION: torch.zeros_like(parameters[LOCATION])}
        return memory

    def of(self, iteration: int) -> Stage:
        """Return the stage of an iteration before the variational ones."""
        start, n = self.settings, self.settings.map_iterations
        if iteration >= start.to_curvature:
            return NewtonStep(self.family, self.target, start.to_curvature, start.iterations)
        if iteration >= start.to_map:
            assert start.hessian is not None  # there is no other start after the MAP phase
            kind = NoiseStart if start.hessian.kind == "noise" else HessianStart
            return kind(self.family, self.target, start.hessian, start.to_map, self.seed)
        if self._metric is not None and self._is_metric(iteration):
            return self._metric
        step = start.map_step or self.optimiser.step or DEFAULT_STEP
        if iteration >= n or start.map_optimiser == "lbfgs":
            if start.lbfgs == "own":
                return LbfgsSearch(
                    self.target, step, start.to_map, start.map_gain, self._metric
                )
            tao = Tao(start.lbfgs, step, start.map_bound)
            return TaoSearch(self.target, tao, start.to_map, start.map_gain)
        final = start.map_final or self.optimiser.final
        own = {"kind": "adam", "step": step, "final": final, "average": start.map_average}
        settings = self.optimiser.model_copy(update=own)
        return MapSearch(self.target, settings, n, start.map_shots)

    @cached_property
    def _metric(self) -> NoiseMetric | None:
        settings = self.settings.preconditioner
        return NoiseMetric(self.target, settings, self.seed) if settings else None

    def _is_metric(self, iteration: int) -> bool:
        """Return whether an iteration finds the metric of the polish."""
        return self.settings.map_iterations <= iteration < self.settings.to_polish
