"""Start of a new component of a mixture.

It begins at an earlier one, moved along one of its draws. Of several candidates it is the one
whose density the mixture misses most: among far ones that is how another mode is found, if one
of them lies nearer to it.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from pvi_hpc.cost import SimulationCount
from pvi_hpc.families.family import LOCATION, Parameters
from pvi_hpc.families.mixture import Mixture
from pvi_hpc.inference.target import Target
from pvi_hpc.numerics.random import keyed_rng

__all__ = ["ComponentStart"]


@dataclass(frozen=True)
class ComponentStart:
    """Begins components of a `mixture` of a `target`.

    Parameters
    ----------
    mixture, target
        The family of mixtures, and the density that candidates are compared by.
    perturbation
        Length of the move, in units of a draw.
    candidates
        Number of places tried; with one place nothing is evaluated.
    seed
        Seed of the draws.
    """

    mixture: Mixture
    target: Target
    perturbation: float
    candidates: int
    seed: int

    def begin(self, parameters: Parameters, t: int) -> SimulationCount:
        """Set component `t` of `parameters` in place; return what that cost."""
        starts = [self._candidate(parameters, t, i) for i in range(self.candidates)]
        chosen, spent = 0, SimulationCount()
        if len(starts) > 1:
            theta = torch.stack([place for _, place in starts])
            value = self.target.value(theta)
            missing = value.log_likelihood + value.log_prior
            missing = missing - self.mixture.log_prob(parameters, theta)
            chosen = int(missing.nan_to_num(nan=-torch.inf).argmax())
            spent = value.count
        origin, place = starts[chosen]
        component = self.mixture.component(parameters, t)
        for name, value_there in self.mixture.component(parameters, origin).items():
            component[name].copy_(value_there)
        component[LOCATION].copy_(place)
        return spent

    def _candidate(self, parameters: Parameters, t: int, i: int) -> tuple[int, Tensor]:
        """Return an earlier component and a place `(n,)` along one of its draws."""
        rng = keyed_rng(self.seed, "begin", t, i)
        family, origin = self.mixture.family, int(rng.integers(t))
        earlier = self.mixture.component(parameters, origin)
        eps = torch.from_numpy(rng.standard_normal((1, family.n)))
        draw = family.sample(earlier, eps.to(earlier[LOCATION].dtype))[0].detach()
        move = self.perturbation * (draw - earlier[LOCATION])
        return origin, earlier[LOCATION] + move
