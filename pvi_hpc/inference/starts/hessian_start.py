"""The start from the curvature of the log posterior at its mean.

With `P` the negative Hessian a family has its optimum for the Gaussian `N(mu, P^{-1})` in
closed form or nearly so (`InformedStart`); of a mean field that is
`sd_j = P_jj^{-1/2}`. A product `P z` is the difference of two gradients. An iteration is one
gradient of all shots: first that at the mean, then one of each probe.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

import numpy as np
import torch
from torch import Tensor

from pvi_hpc.errors import ConfigError
from pvi_hpc.families.capabilities import IndependentStart, InformedStart, couplings_of
from pvi_hpc.families.family import LOCATION, Family, Parameters
from pvi_hpc.families.gaussian.options import fitting_size
from pvi_hpc.families.gaussian.precision import Precision
from pvi_hpc.families.gaussian.stencil import Stencil
from pvi_hpc.inference.finite import check_values
from pvi_hpc.inference.history import Info
from pvi_hpc.inference.settings import HessianSettings
from pvi_hpc.inference.starts.map_search import start_info
from pvi_hpc.inference.starts.probes import Columns, Neighbours, Probes, Signs
from pvi_hpc.inference.state import State
from pvi_hpc.inference.target import Target
from pvi_hpc.numerics.reproducible import log

__all__ = ["HESSIAN", "HessianStart", "informed", "no_start", "probes_of"]

#: Name in a state's memory.
HESSIAN: Final = "hessian"


@dataclass(frozen=True)
class HessianStart:
    """Sets all but the mean of a state whose mean is found.

    Parameters
    ----------
    family, target
        Family that is started, and the density that it approaches.
    settings
        Kind, number and length of the probes.
    first
        Iteration that evaluates the gradient at the mean; the probes follow.
    seed
        Seed of the random signs.
    """

    family: Family
    target: Target
    settings: HessianSettings
    first: int
    seed: int

    @cached_property
    def probes(self) -> Probes:
        """Directions in which the Hessian is probed."""
        return probes_of(self.family, self.settings, self.seed)

    def step(self, state: State) -> tuple[State, Info]:
        """Do one iteration; as `Method.step`."""
        i, mu = state.iteration, state.parameters[LOCATION].double()
        probe, h = i - self.first - 1, self.settings.difference
        z = self.probes.direction(probe) if probe >= 0 else torch.zeros_like(mu)
        value = self.target.value((mu + h * z)[None])
        check_values(value, i)
        memory, gradient = dict(state.memory), value.gradient[0]
        if probe < 0:
            memory[HESSIAN] = {"gradient": gradient.clone(), **self.probes.fresh()}
        else:
            sums = memory[HESSIAN]
            product = (sums["gradient"] - gradient) * (1 / h)
            memory[HESSIAN] = self.probes.add(sums, z, product)
        state = replace(state, iteration=i + 1, memory=memory)
        if probe + 1 == self.settings.products:
            state = self._informed(state, mu)
        return state, start_info(HESSIAN, i, value, h)

    def _informed(self, state: State, mu: Tensor) -> State:
        """Start anew from what the probes say."""
        memory = dict(state.memory)
        sums, products = memory.pop(HESSIAN), self.settings.products
        precision = self.probes.precision(sums, products, self.settings.max_sd**-2)
        for name, value in informed(self.family, mu, precision, self.probes).items():
            state.parameters[name].copy_(value)
        return replace(state, memory=memory)


def probes_of(family: Family, settings: HessianSettings, seed: int) -> Probes:
    """Return the probes that the settings ask for: random ones, of neighbours, or all columns.

    Raises
    ------
    ConfigError
        If neighbours are asked for and the family has none, their stencil is larger than the
        grid, or the family cannot start from what is found.
    """
    if settings.stencil is not None:
        grid = couplings_of(family)
        if grid is None:
            raise ConfigError(
                "'start.hessian.stencil' must be null for a family without neighbours, got "
                f"{list(settings.stencil)}; remove it, or choose an 'inference.family.kind' "
                "with a stencil, such as 'structured'."
            )
        size = fitting_size(settings.stencil, grid.active.shape, "start.hessian.stencil")
        return Neighbours(Stencil(grid.active, size), seed)
    if settings.products >= family.n and isinstance(family, InformedStart):
        grid = couplings_of(family)
        return Columns(np.ones((1, 1, family.n), bool) if grid is None else grid.active)
    if not isinstance(family, IndependentStart):
        raise no_start(family)
    return Signs(family.n, seed)


def no_start(family: Family) -> ConfigError:
    """Return what to tell of a family that no curvature can start."""
    return ConfigError(
        "'start.hessian' must be null for a family that cannot start from an sd of each "
        f"cell, got {type(family).__name__}, which has no 'independent'; remove it."
    )


def informed(family: Family, mu: Tensor, precision: Precision, probes: Probes) -> Parameters:
    """Return the parameters around `mu` `(n,)` that a probed precision gives.

    Where only its diagonal is known, cells are independent.
    """
    if isinstance(family, InformedStart) and not isinstance(probes, Signs):
        return family.informed(mu, precision)
    assert isinstance(family, IndependentStart)  # `probes_of` asks for it
    return family.independent(mu, -0.5 * log(precision.diagonal()))
