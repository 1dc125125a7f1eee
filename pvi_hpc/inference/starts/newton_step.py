"""A Newton step of the mean, with the curvature that the start has found.

The family then holds `N(mu, P^{-1})` with `P` near the negative Hessian, so that
`mu + P^{-1} g` is where a quadratic log posterior would be largest. It is no such thing, and
`P` is an estimate: the step is searched along that line, with all shots, and only a point that
is better than `mu` is taken.
"""

from dataclasses import dataclass, replace
from typing import Final

import torch
from torch import Tensor

from pvi_hpc.errors import ConfigError
from pvi_hpc.families.capabilities import Gaussian
from pvi_hpc.families.family import LOCATION, Family, Parameters
from pvi_hpc.inference.finite import check_values
from pvi_hpc.inference.history import Info
from pvi_hpc.inference.starts.hessian_start import HESSIAN
from pvi_hpc.inference.starts.line_search import LineSearch
from pvi_hpc.inference.starts.map_search import start_info
from pvi_hpc.inference.state import State
from pvi_hpc.inference.target import Target
from pvi_hpc.numerics.reproducible import dot

__all__ = ["NewtonStep", "check_newton"]

#: Name in a state's memory.
NEWTON: Final = "newton"


@dataclass(frozen=True)
class NewtonStep:
    """Moves the mean of a family whose curvature is known; one gradient an iteration.

    Iteration `first` is the gradient at the mean, those up to `last` are points along the line.
    """

    family: Family
    target: Target
    first: int
    last: int

    def step(self, state: State) -> tuple[State, Info]:
        """Do one iteration; as `Method.step`. The last one leaves the best point in `mu`."""
        i, mu = state.iteration, state.parameters[LOCATION]
        value = self.target.value(mu[None].clone())
        check_values(value, i)
        loss = -float(value.log_likelihood + value.log_prior)
        rest = {name: part for name, part in state.memory.items() if name != NEWTON}
        if i == self.first:
            memory, search = self._begun(state.parameters, value.gradient[0], loss)
            over = search.origin.slope >= 0
        else:
            memory = dict(state.memory[NEWTON])
            slope = -dot(value.gradient[0].numpy(), memory["direction"].numpy())
            before = LineSearch.of_numbers(memory)
            search = before.told(loss, slope)
            over = search.done
        over = over or i + 1 >= self.last
        reached = search.low.step if over else search.trial
        mu.copy_(memory["point"] + reached * memory["direction"])
        numbers = {k: torch.tensor(x, dtype=torch.float64) for k, x in search.numbers().items()}
        kept = rest if over else {**rest, NEWTON: {**memory, **numbers}}
        state = replace(state, iteration=self.last if over else i + 1, memory=kept)
        return state, start_info(HESSIAN, i, value, reached)

    def _begun(
        self, parameters: Parameters, gradient: Tensor, loss: float
    ) -> tuple[Parameters, LineSearch]:
        """Return the line, and the search along it."""
        family = self.family
        assert isinstance(family, Gaussian)  # `check_newton` asks for it
        back = family.apply_transposed(parameters, gradient[None])
        direction = family.apply(parameters, back)[0].detach().double()
        slope = -dot(gradient.numpy(), direction.numpy())
        point = parameters[LOCATION].double().clone()
        search = LineSearch.along(loss, slope, 1.0)
        return {"point": point, "direction": direction.clone()}, search


def check_newton(family: Family) -> None:
    """Raise ConfigError if a family has no covariance to take a step with."""
    if not isinstance(family, Gaussian):
        raise ConfigError(
            "'start.newton' must be 0 for a family that is no Gaussian, got "
            f"{type(family).__name__}; remove it."
        )
