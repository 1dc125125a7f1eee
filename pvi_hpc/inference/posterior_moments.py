"""Mean and sd of what a method has found: exact where the family knows them, else of draws."""

from typing import Final

from torch import Tensor

from pvi_hpc.families.family import ClosedForm
from pvi_hpc.families.moments import mean_and_sd
from pvi_hpc.inference.method import Method
from pvi_hpc.inference.methods.boosting import Boosting
from pvi_hpc.inference.methods.vi import VariationalInference
from pvi_hpc.inference.state import State

__all__ = ["posterior_moments"]

#: Number of draws that estimate moments for which there is no formula.
DRAWS: Final = 2000


def posterior_moments(method: Method, state: State) -> tuple[Tensor, Tensor]:
    """Return mean and sd of the unknowns, `(n,)` each, float64."""
    if isinstance(method, Boosting) and isinstance(method.family, ClosedForm):
        return method.mixture.mean_and_sd(state.parameters)
    if isinstance(method, VariationalInference):
        mean, sd = mean_and_sd(method.family, method.fitted(state), DRAWS)
        return mean.double(), sd.double()
    draws = method.sample(state, DRAWS).double()
    return draws.mean(dim=0), draws.std(dim=0)
