"""The deterministic start: uphill in the log posterior of `theta`, one gradient a step."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from pvi_hpc.families.family import LOCATION
from pvi_hpc.inference.finite import check_gradients, check_values, norm
from pvi_hpc.inference.history import Info
from pvi_hpc.inference.optimisers.optimiser import descend, step_of, window_start
from pvi_hpc.inference.settings import OptimiserSettings
from pvi_hpc.inference.state import State
from pvi_hpc.inference.target import Shots, ShotTarget, Target, TargetValue

__all__ = ["MAP_AVERAGE", "MapSearch", "start_info"]

#: Name in a state's memory of the mean of the last steps.
MAP_AVERAGE: Final = "map_average"


@dataclass(frozen=True)
class MapSearch:
    """Moves the location `mu` of a state, and nothing else, in `iterations` steps.

    Each takes `shots` shots, all in turn; None: those of the target's own batches. The result
    is the mean of the last steps, as many as `optimiser.average` says.
    """

    target: Target
    optimiser: OptimiserSettings
    iterations: int
    shots: int | None = None

    def step(self, state: State) -> tuple[State, Info]:
        """Do one iteration; as `Method.step`."""
        i = state.iteration
        theta = state.parameters[LOCATION][None].clone()
        value = self.target.value(theta, self._batches(i))
        check_values(value, i)
        gradients = {LOCATION: -value.gradient[0].to(theta.dtype)}
        check_gradients(gradients, i)
        step = step_of(self.optimiser, i, self.iterations)
        steps = {LOCATION: step}
        descend(self.optimiser, state.parameters, gradients, state.memory, i, steps)
        info = start_info("map", i, value, step)
        self._average(state)
        return replace(state, iteration=i + 1), info

    def _batches(self, i: int) -> Sequence[Shots]:
        if self.shots is None or not isinstance(self.target, ShotTarget):
            return self.target.batches(i, 1)
        return [self.target.stratum(i, self.shots)]

    def _average(self, state: State) -> None:
        """Take `mu` into the mean of the last steps; after the last one it is the result."""
        count = state.iteration - window_start(self.optimiser, self.iterations)
        if MAP_AVERAGE not in state.memory or count < 0:
            return
        mean, mu = state.memory[MAP_AVERAGE][LOCATION], state.parameters[LOCATION]
        mean.add_((mu - mean) * (1 / (count + 1)))
        if state.iteration + 1 == self.iterations:
            mu.copy_(mean)
            del state.memory[MAP_AVERAGE]


def start_info(phase: str, iteration: int, value: TargetValue, step: float) -> Info:
    """Return what an iteration of the start, with one sample, tells the outside."""
    return Info(
        iteration=iteration,
        phase=phase,
        terms=(value.log_likelihood + value.log_prior).numpy(),
        log_likelihood=value.log_likelihood.numpy(),
        log_prior=value.log_prior.numpy(),
        log_q=np.full(1, np.nan),
        chi_squared=float(value.chi_squared.numpy().mean()),
        gradient_norm=norm({LOCATION: value.gradient}),
        score_weight=0.0,
        step=step,
        count=value.count,
    )
