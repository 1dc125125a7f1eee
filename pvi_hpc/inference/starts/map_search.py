"""The deterministic start: uphill in the log posterior of `theta`, one gradient a step."""

from dataclasses import dataclass, replace

import numpy as np

from pvi_hpc.families.family import LOCATION
from pvi_hpc.inference.finite import check_gradients, check_values, norm
from pvi_hpc.inference.history import Info
from pvi_hpc.inference.optimisers.optimiser import descend, step_of
from pvi_hpc.inference.settings import OptimiserSettings
from pvi_hpc.inference.state import State
from pvi_hpc.inference.target import Target, TargetValue

__all__ = ["MapSearch", "start_info"]


@dataclass(frozen=True)
class MapSearch:
    """Moves the location `mu` of a state, and nothing else, in `iterations` steps."""

    target: Target
    optimiser: OptimiserSettings
    iterations: int

    def step(self, state: State) -> tuple[State, Info]:
        """Do one iteration; as `Method.step`."""
        i = state.iteration
        theta = state.parameters[LOCATION][None].clone()
        value = self.target.value(theta, self.target.batches(i, 1))
        check_values(value, i)
        gradients = {LOCATION: -value.gradient[0].to(theta.dtype)}
        check_gradients(gradients, i)
        step = step_of(self.optimiser, i, self.iterations)
        steps = {LOCATION: step}
        descend(self.optimiser, state.parameters, gradients, state.memory, i, steps)
        info = start_info("map", i, value, step)
        return replace(state, iteration=i + 1), info


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
